//! Keys on tokens, by PKCS#11: SoftHSM stands for the hardware.

use crate::common::token::{PIN, Token};
use crate::common::{self, CHECK, Dir, ROOT, Run};
use verity_testdata::{oracle, pattern};

const NAMES: [&str; 5] = ["rsa2048", "rsa3072", "rsa4096", "p256", "p384"];

/// A directory with all test keys, and a file with the PIN.
fn with_keys() -> Dir {
    let dir = Dir::new();
    NAMES.iter().for_each(|name| dir.key(name));
    dir.write("pin", format!("{PIN}\n").as_bytes());
    dir.set_mode("pin", 0o600);
    dir
}

#[track_caller]
fn fails(run: &Run, code: i32, word: &str) {
    assert_eq!(run.code, code, "{run:?}");
    assert!(run.stderr.contains(word), "{word:?} is not in {run:?}");
    assert!(!format!("{run:?}").contains(PIN), "{run:?}");
}

#[test]
fn every_kind_of_key_signs_with_every_digest() {
    let dir = with_keys();
    let Some(token) = Token::new(&dir) else { return };
    for (name, id) in NAMES.iter().zip(["a1", "a2", "a3", "a4", "a5"]) {
        token.import(&format!("{name}.key"), name, id);
        for digest in ["sha256", "sha384", "sha512"] {
            let uri = token.uri(&format!("token=release;object={name}"));
            let rest = format!("--certificate {name}.cert --digest {digest}");
            let run = token.run(&format!(
                "sign {ROOT} --key {uri} --pin-file pin {rest} --output {name}.{digest}"
            ));
            assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{name} {digest}: {run:?}");
            if name.starts_with("rsa") {
                dir.ok(&format!("sign {ROOT} --key {name}.key {rest} --output file"));
                assert_eq!(dir.read(&format!("{name}.{digest}")), dir.read("file"));
            }
        }
    }
}

/// What a key comes from is no place for a signature.
#[test]
fn c10_no_output_replaces_the_pin_or_the_module() {
    let dir = with_keys();
    let Some(token) = Token::new(&dir) else { return };
    token.import("rsa2048.key", "k", "a1");
    std::fs::copy(token.module(), dir.path("module.so")).unwrap();
    let uri = "pkcs11:token=release?module-path=./module.so&pin-source=pin";
    for output in ["pin", "module.so"] {
        let before = dir.read(output);
        let line = format!("sign {ROOT} --key {uri} --certificate rsa2048.cert --output {output}");
        fails(&token.run(&line), 2, output);
        assert!(dir.read(output) == before, "{output}");
    }
}

#[test]
fn a_set_is_built_with_one_login() {
    let dir = with_keys();
    let Some(token) = Token::new(&dir) else { return };
    token.import("rsa2048.key", "k", "a1");
    dir.write("image.raw", &pattern::sha256_stream(3 * 4096));
    let uri = token.uri("id=%A1");
    let source = format!("{uri}&pin-source=file:{}", dir.path("pin").display());
    let run = token.run(&format!("build image.raw --key {source} --certificate rsa2048.cert"));
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    dir.ok(CHECK);
}

/// K11: a wrong PIN is tried once: SoftHSM counts no tries, but says so when it has refused one.
#[test]
fn k11_pins_that_are_wrong_missing_or_in_the_uri() {
    let dir = with_keys();
    let Some(token) = Token::new(&dir) else { return };
    token.import("rsa2048.key", "k", "a1");
    let uri = token.uri("token=release;object=k");
    let sign = |more: &str| {
        token.run(&format!("sign {ROOT} --certificate rsa2048.cert --output sig {more}"))
    };
    dir.write("wrong", b"161803\n");
    fails(&sign(&format!("--key {uri} --pin-file wrong")), 5, "refuses the PIN");
    fails(&sign(&format!("--key {uri}")), 5, "--pin-file");
    fails(&sign(&format!("--key {uri} --pin-file missing")), 4, "missing");
    dir.write("empty", b"");
    fails(&sign(&format!("--key {uri} --pin-file empty")), 5, "the PIN is empty");
    dir.write("binary", b"\xff\xfe");
    fails(&sign(&format!("--key {uri} --pin-file binary")), 5, "not UTF-8");
    fails(&sign(&format!("--key {uri}&pin-value={PIN}")), 2, "pin-value");
    fails(&sign(&format!("--key {uri}&pin-value={PIN}&x=%")), 2, "pin-value");
    fails(&sign(&format!("--key pkcs11:pin-value={PIN} --pin-file pin")), 2, "pin-value");
    fails(&sign(&format!("--key pkcs11:pin={PIN};token=x --pin-file pin")), 2, "pkcs11:token=x");
    // A PIN behind a wrong separator is a part of some value, and still no part of a message.
    for key in [
        format!("pkcs11:token=release&pin-value={PIN}?module-path=/nowhere.so"),
        format!("pkcs11:object=k,pin-value={PIN}?module-path=/nowhere.so"),
        format!("pkcs11:token=release?module-path=/nowhere.so;pin-value={PIN}"),
        format!("PKCS11:token=release?module-path=/nowhere.so&PIN-VALUE={PIN}"),
    ] {
        fails(&sign(&format!("--key {key} --pin-file pin")), 2, "holds a PIN");
    }
    fails(&sign(&format!("--key {uri}&pin-source=pin --pin-file pin")), 2, "either --pin-file");
    fails(&sign(&format!("--key {uri} --passphrase-file pin")), 2, "in files");
    fails(&sign("--key rsa2048.key --pin-file pin"), 2, "on tokens");
    assert!(!dir.exists("sig"));
}

/// A module that counts wrong PINs and loses tokens, in front of SoftHSM
/// (testdata/pkcs11/strict.c).
struct Strict<'a> {
    dir: &'a Dir,
    token: Token<'a>,
}

impl Strict<'_> {
    fn new(dir: &Dir) -> Option<Strict<'_>> {
        let token = Token::new(dir)?;
        token.import("rsa2048.key", "k", "a1");
        let mut cc = dir.tool(oracle::require("cc")?);
        cc.args(["-shared", "-fPIC", "-o", "strict.so"])
            .arg(verity_testdata::path("pkcs11/strict.c"));
        oracle::run_ok(cc.arg("-ldl"));
        Some(Strict { dir, token })
    }

    /// Signs; returns how often the module was asked to log in, too.
    fn sign(&self, mode: &str, pin: &str) -> (Run, usize) {
        let before = self.logins();
        let mut command = self.dir.command();
        command
            .envs([("STRICT_DIR", self.dir.path("").as_os_str()), ("STRICT_MODE", mode.as_ref())]);
        command.env("STRICT_MODULE", self.token.module()).env("SOFTHSM2_CONF", self.token.config());
        let module = self.dir.path("strict.so");
        let line = format!(
            "sign {ROOT} --certificate rsa2048.cert --output sig {pin} \
             --key pkcs11:token=release;object=k?module-path={}",
            module.display()
        );
        let run = Run::of(command.args(line.split_whitespace()).output().unwrap());
        (run, self.logins() - before)
    }

    fn logins(&self) -> usize {
        match self.dir.exists("logins") {
            true => self.dir.read("logins").split(|&byte| byte == b'\n').count() - 1,
            false => 0,
        }
    }
}

/// K11: one PIN, one try. Three wrong ones lock the token; then no PIN is tried, nor asked for.
#[test]
fn k11_a_wrong_pin_is_tried_once_and_a_locked_one_never() {
    let dir = with_keys();
    let Some(strict) = Strict::new(&dir) else { return };
    dir.write("wrong", b"161803\n");
    let wrong = || strict.sign("", "--pin-file wrong");
    // A good one in between: the token counts anew.
    for words in ["refuses the PIN", "refuses the PIN", "", "refuses the PIN", "refuses the PIN"] {
        let (run, logins) =
            if words.is_empty() { strict.sign("", "--pin-file pin") } else { wrong() };
        assert_eq!(logins, 1, "{run:?}");
        match words {
            "" => assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}"),
            words => fails(&run, 5, words),
        }
    }
    std::fs::remove_file(dir.path("sig")).unwrap();
    // The token's last try; its answer says that it was.
    let (run, logins) = wrong();
    fails(&run, 5, "PIN is locked");
    assert_eq!(logins, 1);
    for pin in ["--pin-file wrong", "--pin-file pin", "--pin-file missing", ""] {
        let (run, logins) = strict.sign("", pin);
        fails(&run, 5, "PIN is locked");
        assert_eq!(logins, 0, "{pin}");
    }
    // Where the token's flags say nothing, its answer does.
    let (run, logins) = strict.sign("quiet", "--pin-file pin");
    fails(&run, 5, "PIN is locked");
    assert_eq!(logins, 1);
    assert!(!dir.exists("sig"));
}

/// K11: the token is pulled out once it has been logged in to.
#[test]
fn k11_a_token_that_is_removed_while_it_signs() {
    let dir = with_keys();
    let Some(strict) = Strict::new(&dir) else { return };
    let (run, logins) = strict.sign("removed", "--pin-file pin");
    fails(&run, 5, "the token: ");
    assert!(run.stderr.to_lowercase().contains("removed"), "{run:?}");
    assert_eq!(logins, 1);
    assert!(!dir.exists("sig"));
    common::assert_no_leftovers(&dir);
    let (run, _) = strict.sign("", "--pin-file pin");
    assert_eq!(run.code, 0, "{run:?}");
}

/// K06, K11: no token, no key, too many of them, another key.
#[test]
fn k11_tokens_and_keys_that_are_not_there() {
    let dir = with_keys();
    let Some(token) = Token::new(&dir) else { return };
    token.import("rsa2048.key", "k", "a1");
    token.import("rsa3072.key", "k", "a2");
    token.import("p256.key", "e", "a3");
    token.init("other");
    let sign = |attributes: &str, name: &str| {
        let uri = token.uri(attributes);
        token.run(&format!(
            "sign {ROOT} --key {uri} --pin-file pin --certificate {name}.cert --output sig"
        ))
    };
    fails(&sign("token=nowhere", "rsa2048"), 5, "0 tokens are meant");
    fails(&sign("object=k", "rsa2048"), 5, "2 tokens are meant");
    fails(&sign("token=release;object=nobody", "rsa2048"), 5, "0 private keys");
    fails(&sign("token=release;object=k", "rsa2048"), 5, "2 private keys");
    fails(&sign("token=other", "rsa2048"), 5, "0 private keys");
    fails(&sign("token=release;id=%a2", "rsa2048"), 5, "does not belong to the certificate");
    fails(&sign("token=release;object=e", "rsa2048"), 5, "does not belong to the certificate");
    fails(&sign("token=release;object=e", "p384"), 5, "does not belong to the certificate");
    assert!(!dir.exists("sig"));
    let run = sign(
        "token=release;object=k;id=%a1;type=private;manufacturer=SoftHSM%20project",
        "rsa2048",
    );
    assert_eq!(run.code, 0, "{run:?}");

    let uri = "pkcs11:token=a?module-path=";
    for module in ["/nowhere/module.so", "pin", "/usr/bin/env"] {
        let run = token.run(&format!(
            "sign {ROOT} --key {uri}{module} --pin-file pin --certificate p256.cert --output no"
        ));
        fails(&run, 5, "module cannot be loaded");
    }
    assert!(!dir.exists("no"));
}
