//! `rehash`: what it writes is what `format` writes, and it says what it has not verified.

use serde_json::Value;
use verity_testdata::pattern::{self, Prng};

use crate::common::{Dir, UUID, assert_no_leftovers, root_hash, wrong};

const BLOCK: usize = 4096;

/// An old image with its tree and root hash, `old`, `old.hash` and `old.root`, and how it was made.
fn old(blocks: usize, options: &str) -> Dir {
    let dir = Dir::new();
    dir.write("old", &pattern::sha256_stream(blocks * BLOCK));
    let line = format!("format old old.hash --salt 00ff --uuid {UUID} {options}");
    dir.ok(&format!("{line} --root-hash-file old.root"));
    dir
}

fn root_of(dir: &Dir) -> String {
    String::from_utf8(dir.read("old.root")).unwrap()
}

/// Writes a new image of that many blocks, with changes in these bytes.
fn change(dir: &Dir, blocks: usize, bytes: &[std::ops::Range<usize>]) {
    let mut image = dir.read("old");
    image.resize(blocks * BLOCK, 0x77);
    for range in bytes {
        image[range.clone()].iter_mut().for_each(|byte| *byte ^= 0x5a);
    }
    dir.write("new", &image);
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Random changes, and images that are longer or shorter than the old one: the same bytes as
/// `format`, by either way, for any number of threads.
#[test]
fn what_is_written_is_what_format_writes() {
    let options = "--hash-block-size 1024";
    let dir = old(700, options);
    let root = root_of(&dir);
    let mut prng = Prng::new(18);
    for (round, blocks) in [700, 700, 650, 1, 900].into_iter().enumerate() {
        let common = blocks.min(700) * BLOCK;
        let changed: Vec<_> = (0..5)
            .map(|_| {
                let start = prng.index(common);
                start..(start + 1 + prng.index(3 * BLOCK)).min(common)
            })
            .collect();
        change(&dir, blocks, &changed);
        // A longer one that is there already would stay so long.
        let _ = std::fs::remove_file(dir.path("hash"));
        let said = dir.ok(&format!("format new hash --salt 00ff --uuid {UUID} {options}"));
        let new_root = root_hash(&said);
        let ranges: String = changed
            .iter()
            .map(|range| format!(" --range {}+{}", range.start, range.len()))
            .collect();
        for (number, how) in [ranges.as_str(), "--old-image old"].into_iter().enumerate() {
            let output = format!("made-{round}-{number}");
            let threads = 1 + number;
            let line = format!(
                "rehash new old.hash --root-hash {root} {how} --output {output} \
                 --threads {threads} --root-hash-file {output}.root --json"
            );
            let said = json(&dir.ok(&line));
            assert!(dir.read(&output) == dir.read("hash"), "{line}");
            assert_eq!(said["root_hash"], new_root.as_str(), "{line}");
            assert_eq!(dir.read(&format!("{output}.root")), new_root.as_bytes());
            assert_eq!(said["old_root_hash"], root.as_str());
            assert_eq!(said["uuid"], UUID);
            let count = |key: &str| said[key].as_u64().unwrap();
            assert_eq!(count("hashed_blocks") + count("kept_blocks"), blocks as u64, "{line}");
            assert!(count("hashed_blocks") < 700, "{line}");
            let kept = if number == 0 { "unread" } else { "compared" };
            assert_eq!(said["kept_data"], kept);
            assert_eq!(said["data_verified"], said["kept_blocks"] == 0, "{line}");
        }
    }
    assert_no_leftovers(&dir);
}

/// An area in the middle of a device, of Chrome OS's type.
#[test]
fn an_old_tree_may_lie_anywhere_and_be_of_any_type() {
    let dir = Dir::with_data(300);
    let options = format!("--hash sha1 --format 0 --salt - --uuid {UUID}");
    let root = dir.format(&format!("{options} --hash-offset 4608"));
    let mut image = dir.read("data");
    image[7 * BLOCK] ^= 1;
    dir.write("new", &image);
    dir.ok(&format!("format new expected {options}"));
    let line = format!("rehash new hash --root-hash {root} --old-image data --output made");
    dir.fails(&line, 3, "--hash-offset says where it lies");
    dir.ok(&format!("{line} --hash-offset 4608"));
    assert!(dir.read("made") == dir.read("expected"));
}

#[test]
fn parity_is_that_of_format_and_everything_is_verified_then() {
    let dir = old(700, "");
    let root = root_of(&dir);
    change(&dir, 710, std::slice::from_ref(&(9 * BLOCK..10 * BLOCK)));
    let format = format!("format new hash --salt 00ff --uuid {UUID}");
    let rehash = format!("rehash new old.hash --root-hash {root} --output made");
    for (number, how) in ["--range 36K+4K", "--old-image old"].into_iter().enumerate() {
        // In a file of its own, and behind the tree.
        dir.ok(&format!("{format} --fec-device fec --fec-roots 3"));
        let said =
            json(&dir.ok(&format!("{rehash} {how} --fec-device parity --fec-roots 3 --json")));
        assert!(dir.read("made") == dir.read("hash") && dir.read("parity") == dir.read("fec"));
        assert_eq!((&said["kept_data"], &said["data_verified"]), (&"hashed".into(), &true.into()));
        assert_eq!(said["hashed_blocks"], 11, "{number}");
        for name in ["made", "hash", "fec", "parity"] {
            std::fs::remove_file(dir.path(name)).unwrap();
        }
        let with_hash = "--fec-offset 64K --fec-roots 2 --fec-blocks 717";
        dir.ok(&format!("{format} --fec-device hash {with_hash}"));
        dir.ok(&format!("{rehash} {how} --fec-device made {with_hash}"));
        assert!(dir.read("made") == dir.read("hash"));
        std::fs::remove_file(dir.path("made")).unwrap();
        std::fs::remove_file(dir.path("hash")).unwrap();
    }
}

/// What parity takes, which is every block, must be what the tree was made for.
#[test]
fn u14_parity_is_not_made_of_blocks_that_nobody_named() {
    let dir = old(700, "");
    let root = root_of(&dir);
    change(&dir, 700, &[9 * BLOCK..9 * BLOCK + 1, 300 * BLOCK..300 * BLOCK + 1]);
    let rehash = format!("rehash new old.hash --root-hash {root} --output made --fec-device fec");
    dir.fails(&format!("{rehash} --range 36K+4K"), 1, "data blocks 256 to 383 is not");
    // The new image passed off as the old one.
    dir.fails(&format!("{rehash} --old-image new"), 1, "it is the one of --old-image");
    assert!(!dir.exists("made") && !dir.exists("fec"));
    dir.ok(&format!("{rehash} --range 36K+4K --range 1200K+1"));
    // A single block has no hash block.
    dir.write("one", &[7; BLOCK]);
    let root = root_hash(&dir.ok("format one one.hash --salt 00"));
    dir.write("other", &[8; BLOCK]);
    let line = format!("rehash other one.hash --root-hash {root} --old-image other --output tree");
    dir.fails(&format!("{line} --fec-device parity"), 1, "data blocks 0 to 0 is not");
    assert_no_leftovers(&dir);
}

/// Without parity nothing looks at them; that is said, and a verification finds them.
#[test]
fn u14_what_nobody_named_is_said_to_be_unverified() {
    let dir = old(700, "");
    let root = root_of(&dir);
    change(&dir, 700, &[9 * BLOCK..9 * BLOCK + 1, 300 * BLOCK..300 * BLOCK + 1]);
    let line = format!("rehash new old.hash --root-hash {root} --range 36K+4K --output made");
    let said = dir.ok(&line);
    let words = "not verified: 699 data blocks that no --range names, which were not read";
    assert!(said.contains(words), "{said}");
    let new_root = root_hash(&said);
    let run =
        dir.fails(&format!("verify new made {new_root} --all"), 1, "data block 300 is corrupt");
    assert!(
        run.stderr.contains("1 corrupt block") || !run.stderr.contains("data block 9"),
        "{run:?}"
    );
    let line = format!("rehash new old.hash --root-hash {root} --old-image old --output made");
    let said = dir.ok(&line);
    let words = "not verified: 698 data blocks equal to the old image, which was not held against";
    assert!(said.contains(words), "{said}");
    dir.ok(&format!("verify new made {} --all", root_hash(&said)));
}

#[test]
fn u13_a_changed_old_tree_makes_no_new_one() {
    let dir = old(700, "");
    let root = root_of(&dir);
    change(&dir, 700, std::slice::from_ref(&(0..1)));
    let line = |root: &str| {
        format!(
            "rehash new old.hash --root-hash {root} --range 0+1 --output made --root-hash-file r"
        )
    };
    dir.fails(&line(&wrong(&root)), 1, "the old hash tree is not that of the old root hash");
    let good = dir.read("old.hash");
    for offset in (BLOCK..good.len()).step_by(701) {
        dir.patch("old.hash", offset, &[good[offset] ^ 0x80]);
        dir.fails(&line(&root), 1, "old.hash: hash level ");
        dir.patch("old.hash", offset, &good[offset..=offset]);
    }
    dir.write("old.hash", &good[..good.len() - 1]);
    dir.fails(&line(&root), 3, "old.hash: the hash device has");
    assert!(!dir.exists("made") && !dir.exists("r"));
    assert_no_leftovers(&dir);
}

#[test]
fn no_output_of_rehash_is_one_of_its_inputs() {
    let dir = old(300, "");
    let root = root_of(&dir);
    change(&dir, 300, std::slice::from_ref(&(0..1)));
    let before = ["old", "new", "old.hash"].map(|name| dir.read(name));
    let line = format!("rehash new old.hash --root-hash {root} --old-image old");
    for output in ["old.hash", "old"] {
        dir.fails(&format!("{line} --output {output}"), 2, "is the input");
    }
    dir.fails(&format!("{line} --output new"), 3, "new");
    dir.fails(&format!("{line} --output made --fec-device old.hash"), 2, "is the input");
    dir.fails(&format!("{line} --output made --root-hash-file old"), 2, "is the input");
    assert!(before == ["old", "new", "old.hash"].map(|name| dir.read(name)));
    assert!(!dir.exists("made"));
}

#[test]
fn what_is_asked_for_must_make_sense() {
    let dir = old(300, "");
    let root = root_of(&dir);
    change(&dir, 300, std::slice::from_ref(&(0..1)));
    let line = format!("rehash new old.hash --root-hash {root} --output made");
    dir.fails(&line, 2, "--old-image");
    dir.fails(&format!("{line} --old-image old --range 0+1"), 2, "cannot be used with");
    dir.fails(&format!("{line} --range 1+0"), 2, "at least one byte");
    dir.fails(&format!("{line} --range 1200K"), 2, "neither image has more than 1228800 bytes");
    dir.fails(&format!("{line} --range 4K --fec-roots 2"), 2, "--fec-device");
    dir.fails(&format!("{line} --old-image missing"), 4, "missing");
    dir.fails(&format!("{line} --range 0 --hash-offset 7"), 3, "old.hash");
    dir.write("odd", &[1; 5000]);
    let odd = format!("rehash odd old.hash --root-hash {root} --output made --range 0");
    dir.fails(&odd, 3, "no multiple of the data block size");
    assert!(!dir.exists("made"));
    // A range without a length goes to the end.
    let said = json(&dir.ok(&format!("{line} --range 1196K --json")));
    assert_eq!(said["hashed_blocks"], 1);
}
