//! The commands of this crate on small input; what they measure does not matter here.

use std::path::Path;
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
    for expected in
        ["command: compare --size 1 --rounds 2", "## sha512, blocks in memory", "| x ring"]
    {
        assert!(text.contains(expected), "{expected} is not in:\n{text}");
    }
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
