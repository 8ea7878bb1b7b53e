//! The commands of this crate on small input; what they measure does not matter here.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use verity_benches::fixture;
use verity_testdata::pattern::Prng;
use verity_testdata::{files, oracle, reference};

fn compare() -> Command {
    Command::new(env!("CARGO_BIN_EXE_compare"))
}

#[test]
fn kernels_are_measured_beside_their_peers() {
    let directory = files::tempdir();
    let text = oracle::run_ok(
        compare()
            .args(["--parts=kernels", "--size=1", "--rounds=2", "--dir"])
            .arg(directory.path()),
    );
    for expected in [
        "command: compare --size 1 --reads-size 4096 --rounds 2",
        "## sha512, blocks in memory",
        "| x ring",
    ] {
        assert!(text.contains(expected), "{expected} is not in:\n{text}");
    }
}

#[test]
fn parity_is_made_and_used_beside_peers_and_reading() {
    let directory = files::tempdir();
    let mut command = compare();
    command.args(["--parts=fec-kernels", "--size=1", "--rounds=1", "--dir"]).arg(directory.path());
    let text = squeezed(&oracle::run_ok(&mut command));
    for expected in [
        "## parity of blocks in memory, 24 roots\n\n| contender",
        "## 24 lost blocks of each round out of memory, 24 roots\n\n| contender",
        "| verity portable |",
        "| x reed-solomon | x gf256 | x reading memory |",
        "parity of blocks in memory, 2 roots, verity ",
        "| at least 0.25, stretch 0.35 |",
    ] {
        assert!(text.contains(expected), "{expected} is not in:\n{text}");
    }
}

#[test]
fn reads_are_measured_beside_their_peers() {
    let directory = files::tempdir();
    let mut command = compare();
    command.args(["--parts=reads", "--reads-size=8", "--rounds=1", "--dir"]).arg(directory.path());
    let text = squeezed(&oracle::run_ok(&mut command));
    for expected in [
        "reads: an image of 8 MiB; in order over 8 MiB of it; 100 first reads\n",
        "## reads of 4 KiB at random\n\n| contender",
        "| verity of a slice, 2 threads |",
        "| x pread + ring",
        "| x hashing alone",
        "## targets of reads\n\n| what",
        // The block, and one on each of two levels: 2048 blocks have 16 hash blocks and one above.
        "| 12288 bytes | 12288 bytes ",
        "bound of the cache 4.0 MiB",
    ] {
        assert!(text.contains(expected), "{expected} is not in:\n{text}");
    }
}

#[test]
fn another_build_takes_its_turns_and_its_cost_is_told() {
    if oracle::VeritySetup::find().is_none() {
        return;
    }
    let directory = files::tempdir();
    let build = stand_in(directory.path());
    let mut command = compare();
    command.args(["--parts=commands,fec", "--size=8", "--rounds=2", "--threads=1", "--dir"]);
    command.arg(directory.path()).arg("--verity").arg(&build).arg("--beside").arg(&build);
    let text = squeezed(&oracle::run_ok(&mut command));
    for expected in [
        "verity: a program given; beside it stand-in 1.0\n",
        "| x other verity |",
        "## read\n\n| contender",
        "## beside the other verity\n\n| task ",
        "| format | verity, 1 thread | ",
        "| verify | verity, 1 thread | ",
        "| read | verity, 1 thread | ",
        "| format with parity, 24 roots | verity, 1 thread | ",
        "| repair of 0.1 % of all blocks, 2 roots | verity, 1 thread | ",
    ] {
        assert!(text.contains(expected), "{expected} is not in:\n{text}");
    }
}

#[test]
fn another_build_that_reads_other_bytes_ends_the_run() {
    if oracle::VeritySetup::find().is_none() {
        return;
    }
    let directory = files::tempdir();
    let build = stand_in(directory.path());
    let wrong = directory.path().join("wrong");
    let script = std::fs::read_to_string(&build).unwrap().replace("cat \"$data\"", "tac \"$data\"");
    write_program(&wrong, &script);
    let mut command = compare();
    command.args(["--parts=commands", "--size=1", "--rounds=1", "--threads=1", "--dir"]);
    command.arg(directory.path()).arg("--verity").arg(&build).arg("--beside").arg(&wrong);
    let output = oracle::run(&mut command);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("compare: other verity: other bytes than those of"), "{stderr}");
}

/// A program that does as `verity` does, by veritysetup and by copies.
fn stand_in(directory: &Path) -> PathBuf {
    let path = directory.join("stand-in");
    write_program(&path, STAND_IN);
    path
}

fn write_program(path: &Path, script: &str) {
    files::write(path, script.as_bytes());
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("a file of ours");
}

const STAND_IN: &str = r#"#!/bin/sh
set -eu
PATH=$PATH:/usr/sbin:/sbin
[ "$1" != --version ] || { echo 'stand-in 1.0'; exit; }
command=$1 data=$3 hash=$4
shift 2 # and --threads
case $command in
format)
    veritysetup format "$@"
    cp "$data" "$data.intact"
    cp "$hash" "$hash.intact"
    ;;
verify) veritysetup verify "$@" ;;
read) cat "$data" ;;
repair)
    cp "$data.intact" "$data"
    cp "$hash.intact" "$hash"
    ;;
esac
"#;

/// Without the spaces that align columns.
fn squeezed(text: &str) -> String {
    let lines = text.lines().map(|line| line.split(' ').filter(|word| !word.is_empty()));
    lines.map(|words| words.collect::<Vec<_>>().join(" ") + "\n").collect()
}

#[test]
fn a_reader_of_another_image_says_so_and_prints_no_figure() {
    let directory = files::tempdir();
    let (data, hash) = (directory.path().join("data"), directory.path().join("hash"));
    files::write(&data, &Prng::new(1).bytes(4 << 20));
    files::write(&hash, &Prng::new(2).bytes(1 << 20));
    let mut command = compare();
    command.args(["reader", "--cache=0", "--threads=2"]).arg(&data).arg(&hash);
    let output = oracle::run(command.arg("00".repeat(32)));
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    assert!(String::from_utf8_lossy(&output.stderr).contains("hash level"), "{output:?}");
}

#[test]
fn the_builder_on_ring_writes_what_the_twin_writes() {
    for blocks in [2, 64, 128, 129, 1000, 128 * 128 + 1] {
        let directory = files::tempdir();
        let (data, hash) = (directory.path().join("data"), directory.path().join("hash"));
        let bytes = Prng::new(blocks).bytes(usize::try_from(blocks * 4096).unwrap());
        files::write(&data, &bytes);
        let printed = oracle::run_ok(&mut ring_builder(&data, &hash));
        let scheme = fixture::scheme("sha256");
        let twin = reference::hash_file(&bytes, &scheme, Some(fixture::UUID.as_bytes()), 0);
        assert!(files::read(&hash) == twin, "{blocks} blocks: another hash file");
        let root_hash = reference::format(&bytes, &scheme).root_hash;
        let root_hash = verity::RootHash::new(verity::Digest::new(&root_hash).unwrap());
        assert_eq!(oracle::Header::parse(printed).root_hash(), root_hash.to_string());
    }
}

#[test]
fn a_builder_that_cannot_read_says_so() {
    let output =
        oracle::run(&mut ring_builder(Path::new("no-such-file"), Path::new("no-such-hash")));
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("compare: no-such-file"));
}

fn ring_builder(data: &Path, hash: &Path) -> Command {
    let mut command = compare();
    command.args(["ring-builder", "--threads=2"]).arg(data).arg(hash);
    command
}
