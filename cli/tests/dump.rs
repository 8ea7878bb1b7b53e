//! `verity dump`: what a superblock states, and files that have none.

use crate::common::Dir;

#[test]
fn s01_s02_s04_what_is_no_superblock_is_refused() {
    let dir = Dir::with_data(2);
    dir.format("");
    dir.fails("dump data", 3, "data: no verity superblock here");
    for (offset, bytes, word) in [
        (7, &b"x"[..], "signature"),
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
