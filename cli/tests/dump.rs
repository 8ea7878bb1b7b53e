//! `verity dump`: what a superblock states, and files that have none.

use crate::common::{Dir, UUID};
use verity_testdata::oracle::{self, VeritySetup};

#[test]
fn s01_s02_s04_what_is_no_superblock_is_refused() {
    let dir = Dir::with_data(2);
    dir.format("");
    dir.fails("dump data", 3, "data: no verity superblock here");
    for (offset, bytes, word) in [
        (7, &b"x"[..], "magic"),
        (8, b"\x02", "version 2"),
        (12, b"\x02", "hash type 2"),
        (32, b"md5\0\0\0", "\"md5\""),
        (32, b"SHA256", "\"SHA256\""),
        (64, b"\xff\x0f", "4095"),
        (80, b"\x01\x01", "257"),
    ] {
        dir.format("");
        dir.patch("hash", offset, bytes);
        let run = dir.fails("dump hash --json", 3, word);
        let json = run.json();
        assert_eq!(json["class"], "metadata");
        assert!(json["message"].as_str().unwrap().starts_with("hash: "), "{json}");
    }
}

#[test]
fn s15_only_the_offset_that_was_asked_for_counts() {
    let dir = Dir::with_data(2);
    dir.ok("format data hash --salt aa");
    dir.ok("format data hash --salt bb --hash-offset 16384");
    assert!(dir.ok("dump hash").contains("\taa\n"));
    assert!(dir.ok("dump hash --hash-offset 16384").contains("\tbb\n"));
    dir.fails("dump hash --hash-offset 8192", 3, "no verity superblock");
}

#[test]
fn what_is_given_must_be_what_the_superblock_states() {
    let dir = Dir::with_data(3);
    dir.ok(&format!("format data hash --salt aa --uuid {UUID}"));
    let pins = "--hash sha256 --format 1 --data-block-size 4096 --hash-block-size 4096 \
                --data-blocks 3 --salt aa";
    assert_eq!(dir.ok(&format!("dump hash {pins} --uuid {UUID}")), dir.ok("dump hash"));
    dir.fails("dump hash --data-blocks 4", 3, "hash: ");
    dir.fails("dump hash --salt bb", 3, "hash: ");
    dir.fails(&format!("dump hash --uuid {}", UUID.replace('a', "b")), 3, "hash: uuid");
    dir.fails("dump hash --no-superblock", 2, "leaves nothing to dump");
}

/// No superblock tells of parity; with the options of it, its size follows.
#[test]
fn parity_is_told_as_by_veritysetup() {
    let Some(veritysetup) = VeritySetup::find() else { return };
    let dir = Dir::with_data(300);
    dir.ok("format data hash --fec-device fec --fec-roots 5");
    dir.ok("format data one --fec-device one --fec-offset 32768");
    for line in [
        "dump hash --fec-device fec --fec-roots 5",
        "dump hash --fec-device fec",
        "dump one --fec-device one --fec-offset 32768",
    ] {
        let mut command = veritysetup.command();
        command.current_dir(dir.path("")).args(line.split(' '));
        assert_eq!(dir.ok(line), oracle::run_ok(&mut command), "{line}");
    }
    let json = dir.run("dump hash --fec-device fec --fec-blocks 304 --json").json();
    assert_eq!(json["fec"]["fec_blocks"], 304);
    dir.fails("dump hash --fec-roots 5", 2, "--fec-device");
    dir.fails("dump hash --fec-device fec --fec-blocks 305", 3, "hash: the hash device");
}
