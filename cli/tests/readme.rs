//! What the documents say a user can type does what they say.

mod common;

use std::path::Path;

use verity_testdata::{files, pattern};

use self::common::{Dir, Run};

/// The first block of shell commands behind a heading of a document.
fn commands(document: &str, heading: &str) -> String {
    let path = verity_testdata::workspace().join(document);
    let text = String::from_utf8(files::read(&path)).expect("a document in UTF-8");
    let rest = text.split_once(heading).unwrap_or_else(|| panic!("no {heading:?} in {document}")).1;
    let block = rest.split_once("```sh\n").expect("commands").1;
    block.split_once("```").expect("an end of the commands").0.to_owned()
}

/// Runs commands with the binary under test in front of everything else.
fn shell(dir: &Dir, script: &str) -> Run {
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
         PARTUUID=$boot_uuid/PARTNROFF=2 4096 4096 300 1 sha256 {root} 00ff 2 restart_on_corruption \
         ignore_zero_blocks\"\n"
    );
    assert_eq!((run.code, run.stdout), (0, line), "{}", run.stderr);
}
