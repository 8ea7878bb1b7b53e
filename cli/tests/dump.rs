//! `verity dump`: what a superblock states, and files that have none.

use crate::common::{Dir, UUID};

#[test]
fn prints_what_the_superblock_states() {
    let dir = Dir::with_data(129);
    let options = format!("--hash sha512 --format 0 --salt 00ff --uuid {UUID} --hash-offset 4608");
    dir.ok(&format!("format data hash {options}"));
    let expected = format!(
        "VERITY header information for hash\n\
         UUID:            \t{UUID}\n\
         Hash type:       \t0\n\
         Data blocks:     \t129\n\
         Data block size: \t4096\n\
         Hash blocks:     \t4\n\
         Hash block size: \t4096\n\
         Hash algorithm:  \tsha512\n\
         Salt:            \t00ff\n"
    );
    assert_eq!(dir.ok("dump hash --hash-offset 4608"), expected);
    let json = format!(
        "{{\"schema\":1,\"uuid\":\"{UUID}\",\"hash_type\":0,\"data_blocks\":129,\"data_block_size\":4096,\
         \"hash_blocks\":4,\"hash_block_size\":4096,\"algorithm\":\"sha512\",\"salt\":\"00ff\",\
         \"root_hash\":null,\"superblock\":true,\"hash_area_offset\":4608,\"hash_start\":2,\"levels\":2,\
         \"data_bytes\":528384,\"hash_device_bytes\":24576,\"uncovered_bytes\":null,\"fec\":null}}\n"
    );
    assert_eq!(dir.ok("dump hash --hash-offset 4608 --json"), json);
}

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
        let keys: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            [
                "class",
                "corruptions",
                "geometry",
                "message",
                "parity",
                "parity_rounds",
                "repairable",
                "repairable_blocks",
                "repaired",
                "repaired_blocks",
                "schema",
                "truncated"
            ]
        );
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
