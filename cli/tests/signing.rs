//! Who signs, and with what: encrypted keys, other programs, two steps; and that no secret gets
//! out.

use std::fs;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{self, CHECK, Dir, PASSPHRASE, ROOT, Run, SIGNED_BUILD};
use verity_testdata::{oracle, pattern};

const CERTIFICATE: &str = "--certificate rsa2048.cert --output sig";
/// A signer command that openssl is.
const OPENSSL: &str = "--signer-command openssl --signer-arg pkeyutl --signer-arg -sign \
                       --signer-arg -inkey --signer-arg rsa2048.key --signer-arg -pkeyopt \
                       --signer-arg digest:sha256 --certificate rsa2048.cert";

/// Nothing that a run has said or written holds the passphrase, or a line of the key.
#[track_caller]
fn assert_no_secret(dir: &Dir, said: &str) {
    let key = String::from_utf8(dir.read("rsa2048.key")).unwrap();
    let line = key.lines().nth(5).unwrap();
    let holds = |text: &str| text.contains(PASSPHRASE) || text.contains(line);
    assert!(!holds(said), "{said}");
    for name in dir.names() {
        if !["passphrase", "rsa2048.key", "wrong"].contains(&name.as_str()) {
            let text = String::from_utf8_lossy(&dir.read(&name)).into_owned();
            assert!(!holds(&text), "{name}");
        }
    }
}

#[test]
fn k03_passphrases_come_from_files_descriptors_and_the_environment() {
    let Some(dir) = Dir::with_encrypted_key() else { return };
    let sign = format!("$VERITY --verbose sign {ROOT} --key enc.key {CERTIFICATE}");
    for script in [
        format!("{sign} --passphrase-file passphrase"),
        format!("{sign} --passphrase-fd 3 3<passphrase"),
        format!("{sign} --passphrase-fd 0 <passphrase"),
        format!("printf 'correct horse 271828' | {sign} --passphrase-fd 0"),
        format!("WORD='{PASSPHRASE}' {sign} --passphrase-env WORD"),
        format!("{sign} --passphrase-file passphrase --json"),
    ] {
        let mut shell = dir.tool("sh");
        shell.args(["-euc", &script]).env("VERITY", env!("CARGO_BIN_EXE_verity"));
        let run = Run::of(shell.output().unwrap());
        assert_eq!(run.code, 0, "{script}: {run:?}");
        assert_eq!(dir.read("sig"), dir.read("plain"));
        assert_no_secret(&dir, &format!("{run:?}"));
        fs::remove_file(dir.path("sig")).unwrap();
    }
    // A whole set, too.
    dir.write("image.raw", &pattern::sha256_stream(3 * 4096));
    let build = SIGNED_BUILD.replace("rsa2048.key", "enc.key --passphrase-file passphrase");
    let run = dir.run(&build);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    dir.ok(CHECK);
    assert_no_secret(&dir, &format!("{run:?}"));
}

#[test]
fn k03_k04_passphrases_that_are_wrong_or_missing() {
    let Some(dir) = Dir::with_encrypted_key() else { return };
    dir.write("wrong", b"161803\n");
    dir.write("empty", b"\n");
    dir.write("two", b"one\ntwo\n");
    dir.write("long", &vec![b'x'; 1 << 20]);
    let sign = format!("sign {ROOT} {CERTIFICATE} --key");
    for (rest, code, word) in [
        ("enc.key", 5, "--passphrase-file"),
        ("enc.key --passphrase-file wrong", 5, "does not decrypt"),
        ("enc.key --passphrase-file empty", 5, "the passphrase is empty"),
        ("enc.key --passphrase-file two", 5, "line end"),
        ("enc.key --passphrase-file long", 5, "longer than 1024"),
        ("enc.key --passphrase-file missing", 4, "missing"),
        ("enc.key --passphrase-file /dev/zero", 2, "/dev/zero"),
        ("enc.key --passphrase-fd 77", 4, "/dev/fd/77"),
        ("enc.key --passphrase-env VERITY_NO_SUCH", 2, "no environment variable"),
        ("rsa2048.key --passphrase-file passphrase", 5, "not encrypted"),
        ("enc.key --passphrase-file passphrase --passphrase-fd 3", 2, "cannot be used with"),
        ("enc.key --passphrase secret", 2, "--passphrase"),
    ] {
        let run = dir.fails(&format!("{sign} {rest}"), code, word);
        assert_no_secret(&dir, &format!("{run:?}"));
    }
    assert!(!dir.exists("sig"));
    dir.set_mode("passphrase", 0o644);
    let run = dir.run(&format!("{sign} enc.key --passphrase-file passphrase"));
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stderr.contains("others than its owner may read the passphrase"), "{run:?}");
}

/// Every source, with what is no passphrase in it, and what is one.
#[test]
fn k03_every_source_is_read_in_one_way() {
    let Some(dir) = Dir::with_encrypted_key() else { return };
    dir.write("long", &vec![b'x'; 1 << 20]);
    let sign = format!("$VERITY sign {ROOT} --key enc.key {CERTIFICATE}");
    let fd = |source: &str| format!("{source} | {sign} --passphrase-fd 0");
    let env = |value: &str| {
        format!("WORD=\"$(printf '{value}.')\"; WORD=${{WORD%.}} {sign} --passphrase-env WORD")
    };
    for (script, code, word) in [
        (fd(&format!("printf '{PASSPHRASE}\\r\\n'")), 0, ""),
        (fd("printf ''"), 5, "the passphrase is empty"),
        (fd("printf '\\n'"), 5, "the passphrase is empty"),
        (fd("printf '\\r\\n'"), 5, "the passphrase is empty"),
        (fd(&format!("printf '{PASSPHRASE}\\n\\n'")), 5, "line end"),
        (fd("printf 'one\\0two'"), 5, "zero byte"),
        (fd("cat long"), 5, "longer than 1024"),
        (fd("cat /dev/zero"), 5, "longer than 1024"),
        (env(PASSPHRASE), 0, ""),
        (env(&format!("{PASSPHRASE}\\n")), 0, ""),
        (env(&format!("{PASSPHRASE}\\r\\n")), 0, ""),
        (env(""), 5, "the passphrase is empty"),
        (env("\\n"), 5, "the passphrase is empty"),
        (env("one\\ntwo"), 5, "line end"),
        (env(&"x".repeat(100_000)), 5, "longer than 1024"),
        (format!("{sign} --passphrase-fd 3 3<&-"), 4, "/dev/fd/3"),
        (format!("{sign} --passphrase-fd 3 3>written"), 4, "/dev/fd/3"),
        (format!("{sign} --passphrase-fd 3 3<."), 4, "/dev/fd/3"),
        (format!("{sign} --passphrase-fd 3 3</dev/null"), 5, "the passphrase is empty"),
        (format!("{sign} --passphrase-fd 3 3</dev/zero"), 5, "longer than 1024"),
        (format!("{sign} --passphrase-fd 4294967296"), 2, "number of an open file descriptor"),
        // No terminal to ask at.
        (format!("{sign} </dev/null"), 5, "--passphrase-file"),
        (format!("{sign} <&-"), 5, "--passphrase-file"),
    ] {
        let mut shell = dir.tool("sh");
        shell.args(["-uc", &script]).env("VERITY", env!("CARGO_BIN_EXE_verity"));
        let run = Run::of(shell.output().unwrap());
        assert_eq!(run.code, code, "{script}: {run:?}");
        assert!(run.stderr.contains(word), "{script}: {run:?}");
        assert_eq!(dir.exists("sig"), code == 0, "{script}");
        assert_no_secret(&dir, &format!("{run:?}"));
        let _ = fs::remove_file(dir.path("sig"));
    }
}

/// Types at a terminal once it has been asked, and prints all that the terminal showed.
const TYPE: &str = "
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[2], sys.argv[2:])
shown = b''
def read():
    try:
        return os.read(terminal, 1024)
    except OSError:
        return b''
while not shown.endswith(b': '):
    more = read()
    if not more:
        break
    shown += more
else:
    os.write(terminal, sys.argv[1].encode())
while more := read():
    shown += more
os.write(1, shown)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
";

/// Runs a command at a terminal with few descriptors, or until it asks and gets a signal; says how
/// it ended, and whether the terminal shows what is typed then.
const ENDED: &str = "
import os, pty, resource, signal, subprocess, sys, termios
limit, command = int(sys.argv[1]), sys.argv[2:]
terminal, inner = pty.openpty()
def prepare():
    if limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
child = subprocess.Popen(command, stdin=inner, stderr=subprocess.PIPE, preexec_fn=prepare)
said = b''
def shows():
    return bool(termios.tcgetattr(inner)[3] & termios.ECHO)
hidden = False
while more := os.read(child.stderr.fileno(), 1024):
    said += more
    if said.endswith(b'enc.key: '):
        hidden = not shows()
        if limit:
            os.write(terminal, b'no\\n')
        else:
            child.send_signal(signal.SIGTERM)
asked, end = 'asked' if hidden else '-', 'shows' if shows() else 'quiet'
print(child.wait(), asked, end, 'open' if b'open files' in said else '-')
";

/// However the command ends, the terminal shows what is typed: if it cannot go on before it asks,
/// and if a signal ends it.
#[test]
fn k03_no_end_leaves_a_quiet_terminal() {
    let Some(dir) = Dir::with_encrypted_key() else { return };
    if oracle::require("python3").is_none() {
        return;
    }
    let ended = |limit: usize| {
        let mut python = dir.tool("python3");
        python.args(["-c", ENDED, &limit.to_string(), env!("CARGO_BIN_EXE_verity"), "sign", ROOT]);
        let run = Run::of(
            python.args(["--key", "enc.key"]).args(CERTIFICATE.split(' ')).output().unwrap(),
        );
        assert_eq!(run.code, 0, "{run:?}");
        run.stdout.trim().to_owned()
    };
    assert_eq!(ended(0), "143 asked shows -");
    let runs: Vec<_> = (4..24).map(ended).collect();
    assert!(runs.iter().all(|run| run.contains(" shows ")), "{runs:?}");
    assert!(runs.iter().any(|run| run.ends_with("- shows open")), "{runs:?}");
    assert!(runs.iter().any(|run| run.ends_with("asked shows -")), "{runs:?}");
}

#[test]
fn k03_a_passphrase_is_asked_for_and_not_shown() {
    let Some(dir) = Dir::with_encrypted_key() else { return };
    if oracle::require("python3").is_none() {
        return;
    }
    let asked = |typed: &str| {
        let mut python = dir.tool("python3");
        python.args(["-c", TYPE, typed, env!("CARGO_BIN_EXE_verity"), "sign", ROOT]);
        Run::of(python.args(["--key", "enc.key"]).args(CERTIFICATE.split(' ')).output().unwrap())
    };
    let run = asked(&format!("{PASSPHRASE}\n"));
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.starts_with("verity: passphrase of enc.key: \r\nsigned: "), "{run:?}");
    assert_eq!(dir.read("sig"), dir.read("plain"));
    assert_no_secret(&dir, &format!("{run:?}"));
    fs::remove_file(dir.path("sig")).unwrap();
    for (typed, code, word) in [
        ("161803\n", 5, "does not decrypt"),
        ("\n", 5, "the passphrase is empty"),
        // End of input, and the interrupt character.
        ("\u{4}", 5, "the passphrase is empty"),
        ("half\u{3}", 130, "interrupted by signal 2"),
    ] {
        let run = asked(typed);
        assert_eq!(run.code, code, "{typed:?}: {run:?}");
        assert!(run.stdout.contains(word), "{run:?}");
        assert!(!run.stdout.contains("161803") && !run.stdout.contains("half"), "{run:?}");
    }
    assert!(!dir.exists("sig"));
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn another_program_signs_a_set() {
    let Some(dir) = Dir::with_encrypted_key() else { return };
    dir.write("image.raw", &pattern::sha256_stream(3 * 4096));
    let run = dir.run(&format!("build image.raw {OPENSSL} --seed test"));
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    dir.ok(CHECK);
    let (root, manifest) = (dir.read("image.roothash.p7s"), dir.read("image.manifest.json.p7s"));
    dir.ok(SIGNED_BUILD);
    assert_eq!(root, dir.read("image.roothash.p7s"));
    assert_eq!(manifest, dir.read("image.manifest.json.p7s"));
    dir.ok(&format!("sign {ROOT} {OPENSSL} --output sig"));
    assert_eq!(dir.read("sig"), dir.read("plain"));
}

/// K12: nor does anything that another program returns become a signature, unless it is one.
#[test]
fn programs_that_do_not_sign() {
    let dir = Dir::new();
    dir.key("rsa2048");
    dir.script("fails", "echo the service says no >&2; exit 3");
    dir.script("lies", "head -c 256 /dev/zero");
    dir.script("floods", "cat /dev/zero");
    dir.script("hangs", "sleep 1000 & echo $$ $! >pids; wait");
    for (program, code, words) in [
        (
            "./fails",
            5,
            "the service says no\nverity: ./fails: the signer command failed: exit status: 3",
        ),
        ("./lies", 5, "is not by the certificate's key (RSA-2048"),
        ("./floods", 5, "more than 1024 bytes"),
        ("./hangs --signer-timeout 2", 5, "took longer than 2 seconds"),
        ("./missing", 5, "cannot be started"),
    ] {
        dir.fails(&format!("sign {ROOT} {CERTIFICATE} --signer-command {program}"), code, words);
    }
    // Each cause is told once, and the program is no place for its signature.
    let run =
        dir.fails(&format!("sign {ROOT} {CERTIFICATE} --signer-command ./fails"), 5, "failed");
    assert_eq!(run.stderr.matches("the signer command failed").count(), 1, "{run:?}");
    if oracle::require("openssl").is_some() {
        let sign = "exec openssl pkeyutl -sign -inkey rsa2048.key -pkeyopt digest:sha256";
        dir.script("signs", sign);
        let script = dir.read("signs");
        let line =
            format!("sign {ROOT} --certificate rsa2048.cert --signer-command ./signs --output");
        dir.fails(&format!("{line} signs"), 2, "signs");
        assert_eq!(dir.read("signs"), script);
        dir.ok(&format!("{line} good"));
    }
    // A set appears whole or not at all.
    dir.write("image.raw", &pattern::sha256_stream(4096));
    dir.fails("build image.raw --signer-command ./lies --certificate rsa2048.cert", 5, "./lies");
    let names = dir.names();
    assert!(
        !names.iter().any(|name| name.starts_with("image.") && name != "image.raw"),
        "{names:?}"
    );
    assert!(!dir.exists("sig"));
}

/// X06: the time that a program takes to sign is long enough for others to write.
#[test]
fn x06_an_image_that_changes_while_it_is_signed_is_not_published() {
    if oracle::require("openssl").is_none() {
        return;
    }
    let dir = Dir::new();
    dir.key("rsa2048");
    let sign = "exec openssl pkeyutl -sign -inkey rsa2048.key -pkeyopt digest:sha256";
    dir.script("signs", &format!("sh ./change && {sign}"));
    let line = "build image.raw --certificate rsa2048.cert --signer-command ./signs";
    for more in ["", " --systemd --fec-roots 2", " --single-file disk.raw"] {
        for (change, words) in [
            ("printf x >>image.raw", "its size went from 16384 to"),
            ("printf x | dd of=image.raw seek=5000 bs=1 conv=notrunc", "it was modified"),
            // The file that was opened has lost its name, which is a change of it as well.
            ("cp image.raw new && mv new image.raw", "changed during the run"),
            ("rm -f image.raw", "changed during the run"),
        ] {
            dir.write("image.raw", &pattern::sha256_stream(4 * 4096));
            dir.write("change", b":");
            let before = dir.names();
            dir.write("change", change.as_bytes());
            let run = dir.fails(&format!("{line}{more}"), 7, words);
            assert!(run.stderr.contains("image.raw"), "{run:?}");
            let left: Vec<_> =
                dir.names().into_iter().filter(|name| !before.contains(name)).collect();
            assert_eq!(left, [""; 0], "{line}{more}: {change}");
        }
    }
    // Without a change the same is published.
    dir.write("image.raw", &pattern::sha256_stream(4 * 4096));
    dir.write("change", b":");
    dir.ok(line);
    dir.ok(CHECK);
}

fn is_alive(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'))
}

fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args([name, &id]).status().unwrap().success());
}

#[test]
fn c02_a_signal_stops_the_program_that_signs() {
    let dir = Dir::new();
    dir.key("rsa2048");
    dir.script("hangs", "sleep 1000 & echo $$ $! >pids; wait");
    for (name, code) in [("-INT", 130), ("-TERM", 143)] {
        let line = format!("sign {ROOT} {CERTIFICATE} --signer-command ./hangs");
        let mut command = dir.command();
        command.args(line.split_whitespace()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        wait_until("no program", || dir.exists("pids") && dir.read("pids").ends_with(b"\n"));
        signal(&child, name);
        let run = Run::of(child.wait_with_output().unwrap());
        assert_eq!(run.code, code, "{run:?}");
        assert!(run.stderr.contains("interrupted by signal"), "{run:?}");
        let pids = String::from_utf8(dir.read("pids")).unwrap();
        for pid in pids.split_whitespace() {
            wait_until("the program is left", || !is_alive(pid));
        }
        fs::remove_file(dir.path("pids")).unwrap();
    }
    assert!(!dir.exists("sig"));
}

/// The options of an openssl that signs a digest.
fn sign_digest(dir: &Dir, name: &str, digest: &str, input: &str, output: &str) {
    let options = format!("-pkeyopt digest:{digest} -in {input} -out {output}");
    dir.openssl(&format!("pkeyutl -sign -inkey {name}.key {options}"));
}

#[test]
fn two_steps_make_the_signature_of_one() {
    if oracle::require("openssl").is_none() {
        return;
    }
    let dir = Dir::with_signed_set(3);
    for name in ["rsa3072", "rsa4096", "p256", "p384"] {
        dir.key(name);
    }
    for name in ["rsa2048", "rsa3072", "rsa4096", "p256", "p384"] {
        for digest in ["sha256", "sha384", "sha512"] {
            for content in [ROOT, "--manifest image.manifest.json"] {
                let what = format!("{content} --certificate {name}.cert --digest {digest}");
                let json =
                    dir.run(&format!("prepare-signature {what} --output digest --json")).json();
                assert_eq!(json["digest_hex"], hex::encode(dir.read("digest")));
                assert_eq!(json["digest"], digest);
                assert_eq!(json["content_file"], serde_json::Value::Null);
                sign_digest(&dir, name, digest, "digest", "raw");
                let attach = format!("attach-signature {what} --raw-signature raw");
                dir.ok(&format!("{attach} --output two"));
                dir.ok(&format!(
                    "{attach} --subject-key-identifier --embed-certificate --output id"
                ));
                if name.starts_with("rsa") {
                    dir.ok(&format!("sign {what} --key {name}.key --output one"));
                    assert_eq!(dir.read("one"), dir.read("two"), "{name} {digest}");
                }
            }
        }
    }
}

/// What is prepared: the digest of just the bytes that are signed, which are the kernel's or the
/// manifest's.
#[test]
fn what_is_to_be_signed_is_written() {
    let dir = Dir::with_signed_set(3);
    dir.key("p384");
    dir.ok(&format!(
        "prepare-signature {} --certificate rsa2048.cert --output digest --content-output content",
        ROOT.to_uppercase()
    ));
    assert_eq!(dir.read("content"), ROOT.as_bytes());
    let sha256 = hex::encode(sha2::Digest::finalize(sha2::Digest::chain_update(
        <sha2::Sha256 as sha2::Digest>::new(),
        ROOT,
    )));
    assert_eq!(hex::encode(dir.read("digest")), sha256);
    dir.ok("prepare-signature --manifest image.manifest.json --certificate p384.cert \
            --output digest --content-output content");
    assert_eq!(dir.read("content"), dir.read("image.manifest.json"));
    assert_eq!(dir.read("digest").len(), 48, "sha384 for P-384");
    for (line, word) in [
        (
            format!("prepare-signature {ROOT} --certificate p384.cert --output p384.cert"),
            "p384.cert",
        ),
        (
            format!(
                "prepare-signature {ROOT} --certificate p384.cert --output d --content-output d"
            ),
            "d",
        ),
        ("prepare-signature --certificate p384.cert --output d".to_owned(), "required"),
        (format!("prepare-signature {ROOT} --output d"), "--certificate"),
        (
            "prepare-signature --manifest image.manifest.json --certificate p384.cert \
             --output image.manifest.json"
                .to_owned(),
            "image.manifest.json",
        ),
    ] {
        let run = dir.run(&line);
        assert!([2, 7].contains(&run.code), "{line}: {run:?}");
        assert!(run.stderr.contains(word), "{line}: {run:?}");
    }
    assert!(!dir.exists("d"));
}

/// K12: a raw signature of anything else is refused, and nothing is written.
#[test]
fn k12_only_the_right_raw_signature_is_attached() {
    if oracle::require("openssl").is_none() {
        return;
    }
    let dir = Dir::with_signed_set(3);
    dir.key("other");
    dir.key("p256");
    dir.ok(&format!("prepare-signature {ROOT} --certificate rsa2048.cert --output digest"));
    sign_digest(&dir, "rsa2048", "sha256", "digest", "good");
    sign_digest(&dir, "other", "sha256", "digest", "stranger");
    sign_digest(&dir, "p256", "sha256", "digest", "ecdsa");
    dir.openssl("pkeyutl -sign -inkey rsa2048.key -in digest -out bare");
    dir.openssl(
        "pkeyutl -sign -inkey rsa2048.key -pkeyopt digest:sha256 -pkeyopt rsa_padding_mode:pss \
         -in digest -out pss",
    );
    let good = dir.read("good");
    dir.write("cut", &good[..255]);
    dir.write("longer", &[good.as_slice(), b"\n"].concat());
    dir.write("hex", hex::encode(&good).as_bytes());
    dir.write("empty", b"");
    dir.write("huge", &vec![0; 1 << 20]);
    let attach = |content: &str, raw: &str, more: &str| {
        dir.run(&format!(
            "attach-signature {content} --raw-signature {raw} --output sig {more} \
             --certificate rsa2048.cert"
        ))
    };
    for (content, raw, more, code, words) in [
        (ROOT, "stranger", "", 5, "is not by the certificate's key"),
        (ROOT, "ecdsa", "", 5, "is not by"),
        (ROOT, "bare", "", 5, "is not by"),
        (ROOT, "pss", "", 5, "is not by"),
        (ROOT, "cut", "", 5, "(255 bytes)"),
        (ROOT, "longer", "", 5, "(257 bytes)"),
        (ROOT, "hex", "", 5, "(512 bytes)"),
        (ROOT, "empty", "", 5, "(0 bytes)"),
        (ROOT, "huge", "", 2, "longer than 32767 bytes"),
        (ROOT, "good", "--digest sha512", 5, "with sha512"),
        (&common::wrong(ROOT), "good", "", 5, "is not by"),
        ("--manifest image.manifest.json", "good", "", 5, "is not by"),
        (ROOT, "good", "--chain p256.cert", 5, "issuer of no other"),
        (ROOT, "missing", "", 4, "missing"),
    ] {
        let run = attach(content, raw, more);
        assert_eq!(run.code, code, "{raw} {more}: {run:?}");
        assert!(run.stderr.contains(words), "{raw} {more}: {run:?}");
    }
    assert!(!dir.exists("sig"));
    assert_eq!(attach(ROOT, "good", "--output-x").code, 2);
    let run = attach(ROOT, "good", "");
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
}

#[test]
fn sets_of_every_shape_pass_check() {
    let dir = Dir::with_signed_set(3);
    for shape in [
        "--digest sha384",
        "--digest sha512 --embed-certificate",
        "--subject-key-identifier",
        "--subject-key-identifier --embed-certificate",
    ] {
        dir.ok(&format!("{SIGNED_BUILD} {shape}"));
        dir.ok(CHECK);
    }
    for line in [
        "build image.raw --certificate rsa2048.cert",
        "build image.raw --embed-certificate",
        "build image.raw --digest sha384",
        "build image.raw --chain rsa2048.cert",
        "build image.raw --passphrase-file x",
        "build image.raw --signer-command x",
        "build image.raw --signer-arg x",
        "build image.raw --key rsa2048.key --signer-arg x --certificate rsa2048.cert",
        "build image.raw --key rsa2048.key --signer-command x --certificate rsa2048.cert",
        "build image.raw --key rsa2048.key --signer-timeout 3 --certificate rsa2048.cert",
        "build image.raw --signer-command x --pin-file x --certificate rsa2048.cert",
        "build image.raw --signer-command x --passphrase-file x --certificate rsa2048.cert",
        "build image.raw --signer-command x --passphrase-fd 3 --certificate rsa2048.cert",
        "build image.raw --signer-command x --passphrase-env X --certificate rsa2048.cert",
    ] {
        dir.fails(line, 2, "");
    }
    let key = "--key rsa2048.key --certificate rsa2048.cert";
    dir.fails(&format!("sign {ROOT} {key} --chain rsa2048.cert --output sig"), 5, "no other");
}
