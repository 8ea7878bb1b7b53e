//! What the documents say a user can type does what they say.

use std::path::Path;

use verity_testdata::{files, oracle, pattern};

use crate::common::{Dir, Run};

/// The first block of shell commands behind a heading of a document.
fn commands(document: &str, heading: &str) -> String {
    all_commands(document, heading).swap_remove(0)
}

/// All blocks of shell commands of a section.
pub(crate) fn all_commands(document: &str, heading: &str) -> Vec<String> {
    let path = verity_testdata::workspace().join(document);
    let text = String::from_utf8(files::read(&path)).expect("a document in UTF-8");
    let rest = text.split_once(heading).unwrap_or_else(|| panic!("no {heading:?} in {document}")).1;
    let section = rest.split("\n## ").next().expect("a section");
    let blocks = section.split("```sh\n").skip(1);
    let blocks: Vec<_> = blocks
        .map(|block| block.split_once("```").expect("an end of the commands").0.to_owned())
        .collect();
    assert!(!blocks.is_empty(), "no commands behind {heading:?} in {document}");
    blocks
}

/// Runs commands with the binary under test in front of everything else.
pub(crate) fn shell(dir: &Dir, script: &str) -> Run {
    let binary = Path::new(env!("CARGO_BIN_EXE_verity")).parent().expect("a directory");
    let path = std::env::var("PATH").expect("a PATH");
    let mut shell = dir.tool("sh");
    shell.args(["-euc", script]).env("PATH", format!("{}:{path}", binary.display()));
    Run::of(shell.env("BUILD_ID", "1234").output().expect("a shell"))
}

#[test]
fn the_lines_of_the_readme_work_as_they_stand() {
    let dir = Dir::new();
    dir.key("rsa2048");
    std::fs::rename(dir.path("rsa2048.key"), dir.path("signing.key")).expect("a key");
    std::fs::rename(dir.path("rsa2048.cert"), dir.path("signing.crt")).expect("a certificate");
    dir.write("rootfs.raw", &pattern::sha256_stream(300 * 4096));
    let run = shell(&dir, &commands("README.md", "## Seven lines"));
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("0 2400 verity 1 /dev/vda2 /dev/vda3 4096 4096 300 1 sha256 "));
    assert_eq!(run.stdout.matches("verified: 300 data blocks").count(), 2, "{}", run.stdout);
}

#[test]
fn the_lines_of_the_repair_document_work_as_they_stand() {
    let dir = Dir::new();
    let good = pattern::sha256_stream(300 * 4096);
    dir.write("rootfs.raw", &good);
    let run = shell(&dir, &commands("docs/REPAIR.md", "## With the command"));
    assert_eq!(run.code, 0, "{run:?}");
    assert!(dir.read("rootfs.raw") == good && dir.read("whole.raw") == good);
    assert_eq!(run.stdout.matches("repairable: data block 17 ").count(), 2, "{}", run.stdout);
    assert!(run.stdout.contains("; 1 block was repaired"), "{}", run.stdout);
}

/// The line that Bottlerocket's boot loader runs.
#[test]
fn the_grub_line_of_the_format_document_is_bottlerockets() {
    let dir = Dir::with_data(300);
    let root = dir.format("--salt 00ff");
    let script = commands("docs/FORMAT.md", "## Kernel command line");
    let script = script.replace("ROOT.verity", "hash").replace("ROOT_HASH", &root);
    let run = shell(&dir, &script);
    let line = format!(
        "set dm_verity_root=\"root,,,ro,0 2400 verity 1 PARTUUID=$boot_uuid/PARTNROFF=1 \
         PARTUUID=$boot_uuid/PARTNROFF=2 4096 4096 300 1 sha256 {root} 00ff 2 \
         restart_on_corruption \
         ignore_zero_blocks\"\n"
    );
    assert_eq!((run.code, run.stdout), (0, line), "{}", run.stderr);
}

const ROOT: &str = "a9e406766857ce87406feadbd6ae3eed3482772d6154ba2080a4b2cb6f21af4d";

/// A directory as the recipes for signing expect it.
fn with_signing_key(name: &str) -> Dir {
    let dir = Dir::new();
    dir.key(name);
    std::fs::rename(dir.path(&format!("{name}.key")), dir.path("signing.key")).expect("a key");
    std::fs::rename(dir.path(&format!("{name}.cert")), dir.path("signing.crt")).expect("one");
    dir.write("image.raw", &pattern::sha256_stream(20 * 4096));
    dir
}

/// Runs all blocks of a recipe, one after the other.
fn follow(dir: &Dir, heading: &str) -> String {
    let blocks = all_commands("docs/SIGNING.md", heading).concat();
    let run = shell(dir, &format!("ROOT_HASH={ROOT}\n{blocks}"));
    assert_eq!(run.code, 0, "{heading}: {run:?}");
    run.stdout
}

/// RSA makes one signature, however it is made.
#[test]
fn the_recipes_for_signing_work_as_they_stand() {
    if oracle::require("openssl").is_none() {
        return;
    }
    for name in ["rsa2048", "p256"] {
        let mut signatures = Vec::new();
        for (heading, checks) in [
            ("## A key in a file", 1),
            ("## A key service", 1),
            ("## A key on a machine without a network", 1),
            ("## For systemd", 2),
        ] {
            let dir = with_signing_key(name);
            let stdout = follow(&dir, heading);
            assert_eq!(stdout.matches("verified: 20 data blocks").count(), checks, "{stdout}");
            if dir.exists("image.roothash") {
                let root = String::from_utf8(dir.read("image.roothash")).expect("hex");
                let embed = if dir.exists("image.verity-sig") { "--embed-certificate" } else { "" };
                dir.ok(&format!(
                    "sign {root} --key signing.key --certificate signing.crt --output p7s {embed}"
                ));
                signatures.push((dir.read("p7s"), dir.read("image.roothash.p7s")));
            }
        }
        assert_eq!(signatures.len(), 4);
        if name == "rsa2048" {
            assert!(signatures.iter().all(|(ours, theirs)| ours == theirs));
        }
    }
}

#[cfg(feature = "pkcs11")]
#[test]
fn the_recipe_for_tokens_works_as_it_stands() {
    let dir = with_signing_key("rsa2048");
    let Some(token) = crate::common::token::Token::new(&dir) else { return };
    token.import("signing.key", "image key", "a1");
    dir.write("pin", b"271828\n");
    dir.set_mode("pin", 0o600);
    let block = commands("docs/SIGNING.md", "## A key on a token");
    let (module, config) = (token.module().display(), token.config().display());
    let run = shell(
        &dir,
        &format!("export SOFTHSM2_CONF='{config}'\nMODULE='{module}'\nROOT_HASH={ROOT}\n{block}"),
    );
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.stdout);
    dir.ok(&format!("sign {ROOT} --key signing.key --certificate signing.crt --output p7s"));
    assert_eq!(dir.read("image.roothash.p7s"), dir.read("p7s"));
}

/// Every key of the JSON stands on the page that says what scripts may rely on.
#[test]
fn the_page_for_scripts_names_every_key() {
    let dir = with_signing_key("rsa2048");
    let page = std::fs::read_to_string(verity_testdata::workspace().join("cli/README.md"))
        .expect("the page");
    let key = "--key signing.key --certificate signing.crt";
    let mut keys = std::collections::BTreeSet::new();
    for line in [
        format!("build image.raw {key} --systemd --fec-roots 2"),
        "check image.raw --certificate signing.crt --state state".to_owned(),
        "dump image.verity".to_owned(),
        "format image.raw hash --fec-device fec".to_owned(),
        "verify image.raw image.verity --manifest image.manifest.json \
         --certificate signing.crt"
            .to_owned(),
        "verify image.raw hash --root-hash-file nowhere".to_owned(),
        "lint-signature image.roothash.p7s".to_owned(),
        "plan --image 1M --fec-roots 2".to_owned(),
        format!("sign {ROOT} {key} --output p7s --signature-partition partition"),
        format!("prepare-signature {ROOT} --certificate signing.crt --output digest"),
        "table --manifest image.manifest.json --certificate signing.crt --data-dev /dev/a \
         --hash-dev /dev/b"
            .to_owned(),
        "repair image.raw image.verity --manifest image.manifest.json --certificate signing.crt \
         --dry-run"
            .to_owned(),
        "read image.raw image.verity --manifest image.manifest.json --certificate signing.crt \
         --output copy"
            .to_owned(),
    ] {
        keys_of(&dir.run(&format!("{line} --json")).json(), &mut keys);
    }
    let missing: Vec<_> = keys.iter().filter(|key| !page.contains(&format!("`{key}`"))).collect();
    assert!(
        keys.len() > 80 && missing.is_empty(),
        "{} keys, and no word of {missing:?}",
        keys.len()
    );
}

fn keys_of(value: &serde_json::Value, keys: &mut std::collections::BTreeSet<String>) {
    match value {
        serde_json::Value::Object(members) => members.iter().for_each(|(key, value)| {
            keys.insert(key.clone());
            keys_of(value, keys);
        }),
        serde_json::Value::Array(values) => values.iter().for_each(|value| keys_of(value, keys)),
        _ => {}
    }
}

/// The command that makes a key and a certificate, in every place that shows it; what it makes is
/// what the kernel takes, by itself and by the algorithms that the page names.
#[test]
fn the_commands_that_make_a_key_make_one_that_the_kernel_takes() {
    if oracle::require("openssl").is_none() {
        return;
    }
    let page = commands("docs/SIGNING.md", "## Making a key and a certificate");
    let readme = std::fs::read_to_string(verity_testdata::workspace().join("README.md"));
    let readme = readme.expect("the README");
    let of_readme =
        readme.lines().find(|line| line.starts_with("    openssl req")).expect("a line");
    let help = Dir::new().ok("sign --help");
    let of_help = help.split_once("  openssl req").expect("a command in the help").1;
    let of_help = of_help.split("\n\n").next().expect("its lines");
    let of_help = format!("openssl req{of_help}");
    let ec = |curve: &str| {
        page.replace("-newkey rsa:2048", &format!("-newkey ec -pkeyopt ec_paramgen_curve:{curve}"))
    };
    for (script, since) in [
        (page.clone(), "5.4"),
        (of_readme.to_owned(), "5.4"),
        (of_help, "5.4"),
        (page.replace("rsa:2048", "rsa:4096"), "5.4"),
        (ec("P-256"), "5.14"),
        (ec("P-384"), "5.14"),
        (ec("P-521"), "6.10"),
    ] {
        let dir = Dir::new();
        dir.write("image.raw", &pattern::sha256_stream(20 * 4096));
        let run = shell(&dir, &script);
        assert_eq!(run.code, 0, "{script}: {run:?}");
        dir.ok("build image.raw --key signing.key --certificate signing.crt");
        dir.ok("check image.raw --certificate signing.crt");
        let text = dir
            .ok("lint-signature image.roothash.p7s --root-hash-file image.roothash --certificate \
             signing.crt");
        let verdict = format!("accepted by the kernel: yes\nsince: Linux {since}\n");
        assert!(text.contains(&verdict), "{script}: {text}");
    }
}

/// What others have signed, as the page has it.
#[test]
fn the_recipe_for_signatures_by_others_works_as_it_stands() {
    if oracle::require("openssl").is_none() || oracle::require("veritysetup").is_none() {
        return;
    }
    let dir = with_signing_key("rsa2048");
    dir.write("other.raw", &pattern::sha256_stream(20 * 4096));
    let stdout = follow(&dir, "## Signatures by others");
    assert!(stdout.contains("geometry: not authenticated (superblock)\n"), "{stdout}");
    assert!(stdout.contains("\nroot hash: signed by CN=verity test rsa2048"), "{stdout}");
    dir.ok("check other.raw --no-manifest --certificate signing.crt");
}
