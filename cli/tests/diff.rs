//! `diff`: by data and by trees, against a slow twin that compares every block with every other.

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use verity_testdata::pattern::{self, Prng};

use crate::common::Dir;

const BLOCK: usize = 4096;

/// An old image and a new one, which has blocks of it in place, elsewhere, twice, and its own.
fn images() -> Dir {
    let dir = Dir::new();
    let mut prng = Prng::new(7);
    let own = pattern::sha256_stream(80 * BLOCK);
    let block = |number: u64| own.chunks(BLOCK).nth(number.try_into().unwrap()).unwrap().to_vec();
    let some = |prng: &mut Prng, last: u64| match prng.below(6) {
        0 => vec![0; BLOCK],
        _ => block(prng.below(last)),
    };
    let old: Vec<Vec<u8>> = (0..200).map(|_| some(&mut prng, 60)).collect();
    let mut new = old.clone();
    for _ in 0..90 {
        let at: usize = prng.below(190).try_into().unwrap();
        new[at] = some(&mut prng, 80);
    }
    new.insert(100, block(79));
    dir.write("old", &old.concat());
    dir.write("new", &new.concat());
    dir
}

/// Zero, in the same place, elsewhere, repeated and missing blocks.
fn twin(old: &[u8], new: &[u8]) -> [u64; 5] {
    let old: Vec<_> = old.chunks(BLOCK).collect();
    let known: HashSet<_> = old.iter().copied().collect();
    let (mut counts, mut seen) = ([0; 5], HashMap::new());
    for (at, block) in new.chunks(BLOCK).enumerate() {
        let kind = if block.iter().all(|byte| *byte == 0) {
            0
        } else if old.get(at) == Some(&block) {
            1
        } else if known.contains(block) {
            2
        } else if seen.insert(block, at).is_some() {
            3
        } else {
            4
        };
        counts[kind] += 1;
    }
    counts
}

fn counts(said: &Value) -> [u64; 5] {
    ["zero", "same_place", "elsewhere", "repeated", "missing"]
        .map(|name| said[name].as_u64().unwrap())
}

#[test]
fn trees_and_data_say_the_same() {
    let dir = images();
    for image in ["old", "new"] {
        dir.ok(&format!("format {image} {image}.hash --seed same"));
        dir.ok(&format!("format {image} {image}.other --seed {image}"));
    }
    let expected = twin(&dir.read("old"), &dir.read("new"));
    assert!(expected.iter().all(|count| *count > 0), "{expected:?}");
    for (old, new) in [
        ("old", "new"),
        ("old.hash", "new"),
        ("old", "new.hash"),
        ("old.hash", "new.hash"),
        ("old", "new.other"),
        ("old.other", "new"),
    ] {
        for threads in [1, 2] {
            let line =
                format!("diff {old} {new} --bridge 0 --bridge 1G --threads {threads} --json");
            let said: Value = serde_json::from_str(&dir.ok(&line)).unwrap();
            assert_eq!(counts(&said), expected, "{line}");
            assert_eq!(said["old_is_tree"], old.contains('.'), "{line}");
            let missing = said["missing_bytes"].as_u64().unwrap();
            assert_eq!(missing, expected[4] * 4096);
            assert_eq!(said["requests"][0]["bytes"], missing);
            assert_eq!(said["requests"][1]["requests"], 1, "{line}");
            let tree = said["tree_bytes"].as_u64().unwrap();
            assert_eq!(tree, 3 * 4096);
            assert_eq!(said["requests"][0]["download_bytes"], missing + tree);
        }
    }
    let text = dir.ok("diff old new");
    assert!(text.contains(&format!("missing: {} (", expected[4])), "{text}");
    assert!(text.contains("gaps of 1048576 bytes bridged: 1, "), "{text}");
    dir.fails("diff old.other new.other", 3, "give the data of one of them");
}

#[test]
fn nothing_is_missing_of_the_same_and_all_of_something_else() {
    let dir = images();
    dir.write("none", &[]);
    let same: Value = serde_json::from_str(&dir.ok("diff new new --json")).unwrap();
    let [zero, same_place, .., missing] = counts(&same);
    assert_eq!((zero + same_place, missing), (201, 0));
    let all: Value = serde_json::from_str(&dir.ok("diff none new --json")).unwrap();
    let [_, same_place, elsewhere, ..] = counts(&all);
    assert_eq!((same_place, elsewhere), (0, 0));
    // A hole of some terabytes behind the data takes no time.
    dir.write("large", &dir.read("old"));
    let large = std::fs::File::options().write(true).open(dir.path("large")).unwrap();
    large.set_len(1 << 43).unwrap();
    let old = dir.ok("diff old new --json").replace("\"old\":\"old\"", "");
    assert_eq!(dir.ok("diff large new --json").replace("\"old\":\"large\"", ""), old);
    dir.fails("diff new old.missing", 4, "old.missing");
    dir.write("odd", &[1; 5000]);
    dir.fails("diff old odd", 3, "odd");
}

#[test]
fn u12_a_tree_that_does_not_agree_with_itself_is_refused() {
    let dir = images();
    dir.ok("format new new.hash --seed same");
    let mut tree = dir.read("new.hash");
    let at = tree.len() - 100;
    tree[at] ^= 1;
    dir.write("bad.hash", &tree);
    dir.fails("diff old bad.hash", 1, "does not agree with itself");
    dir.fails("diff bad.hash new.hash", 1, "does not agree with itself");
    dir.write("one", &[7; 4096]);
    dir.ok("format one one.hash");
    dir.fails("diff one.hash old", 3, "give the data");
}
