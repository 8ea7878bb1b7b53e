//! `format --like`: a new tree with the parameters of an old one, beside veritysetup.

use crate::common::{Dir, UUID};
use verity_testdata::oracle::VeritySetup;
use verity_testdata::pattern;

/// An old hash device by veritysetup, of other data.
fn dir(veritysetup: &VeritySetup, options: &[&str]) -> Dir {
    let dir = Dir::new();
    dir.write("old-data", &pattern::sha256_stream(64 * 4096));
    dir.write("data", &pattern::painted(48 * 4096));
    veritysetup.format(&dir.path("old-data"), &dir.path("old"), options);
    dir
}

#[test]
fn a_tree_like_an_old_one_is_what_veritysetup_makes_with_its_parameters() {
    let Some(veritysetup) = VeritySetup::find() else { return };
    let uuid = format!("--uuid={UUID}");
    for options in [
        &["--salt=00ff", &uuid][..],
        &["--hash=sha512", "--format=0", "--salt=-", &uuid],
        &["--hash=sha1", "--data-block-size=512", "--hash-block-size=1024", "--salt=ab", &uuid],
    ] {
        let dir = dir(&veritysetup, options);
        dir.ok("format data hash --like old");
        veritysetup.format(&dir.path("data"), &dir.path("theirs"), options);
        assert!(dir.read("hash") == dir.read("theirs"), "{options:?}");
    }
}

#[test]
fn what_is_given_beside_it_comes_first() {
    let Some(veritysetup) = VeritySetup::find() else { return };
    let uuid = format!("--uuid={UUID}");
    let dir = dir(&veritysetup, &["--hash=sha1", "--data-block-size=512", "--salt=ab", &uuid]);
    let made = |options: &str| {
        let run = dir.run(&format!("format data hash --like old {options} --json"));
        assert_eq!(run.code, 0, "{options}: {run:?}");
        run.json()
    };
    let json = made("--salt 00ff --hash sha256");
    assert_eq!((&json["salt"], &json["algorithm"]), (&"00ff".into(), &"sha256".into()));
    assert_eq!((&json["data_block_size"], &json["uuid"]), (&512.into(), &UUID.into()));
    // The amount of data is that of the new data, unless given.
    assert_eq!(json["data_blocks"], 48 * 8);
    assert_eq!(made("--data-blocks 9")["data_blocks"], 9);
    // A seed gives both.
    let seeded = made("--seed x");
    assert_ne!((&seeded["salt"], &seeded["uuid"]), (&"ab".into(), &UUID.into()));
    assert_eq!((&seeded["algorithm"], &seeded["data_block_size"]), (&"sha1".into(), &512.into()));
    let bare = made("--no-superblock");
    assert_eq!((&bare["uuid"], &bare["salt"]), (&serde_json::Value::Null, &"ab".into()));
}

#[test]
fn an_old_superblock_may_lie_anywhere_and_is_only_read() {
    let dir = Dir::with_data(4);
    dir.ok(&format!("format data old --salt aa --uuid {UUID} --hash-offset 8192"));
    let run = dir.fails("format data hash --like old", 3, "old: no verity superblock here");
    assert!(run.stderr.contains("--like-offset says where it lies"), "{run:?}");
    let text = dir.ok("format data hash --like old --like-offset 8K");
    assert!(text.contains(UUID) && text.contains("\taa\n"), "{text}");
    dir.fails("format data hash --like-offset 8K", 2, "--like");
    dir.fails("format data hash --like missing", 4, "missing");

    let before = dir.read("old");
    for outputs in ["old", "hash --root-hash-file old", "hash --fec-device old"] {
        let line = format!("format data {outputs} --like old --like-offset 8K");
        dir.fails(&line, 2, "the output \"old\" is the input \"old\"");
    }
    std::fs::hard_link(dir.path("old"), dir.path("link")).unwrap();
    let line = "format data link --like old --like-offset 8K";
    dir.fails(line, 2, "the output \"link\" is the input \"old\"");
    assert!(dir.read("old") == before);
}
