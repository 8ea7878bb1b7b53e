//! Parity in `verify`, `repair`, `read` and `serve`: what is recovered is right, and what is not is
//! said.
//!
//! `VERITY_DIFFERENTIAL_CASES` says how many random cases, `VERITY_TEST_SEED` which ones.

mod copies;
mod differential;
mod hostile;
mod image;
mod in_place;
mod manifest;
mod reading;

use crate::common;
use image::{FEC, Image};
use serde_json::json;
use verity_testdata::pattern;

#[test]
fn f13_repairable_damage_is_never_success_and_is_listed() {
    let image = Image::new();
    let dir = &image.dir;
    let intact = dir.ok(&image.line("verify"));
    assert!(intact.contains("verified: 300 data blocks") && !intact.contains("parity"), "{intact}");
    image.damage_data([5, 6, 201]);
    image.damage_hash(0, 1);
    let run = dir.fails(&image.line("verify"), 6, "4 corrupt blocks, all of which can be repaired");
    for line in [image.line("verify --all"), image.line("repair --dry-run")] {
        assert_eq!(dir.fails(&line, 6, "can be repaired").stdout, run.stdout, "{line}");
    }
    // Without the parity it is what it was before.
    dir.fails(&format!("verify data hash {}", image.root), 1, "hash level 0 block 1");
    image.assert_only_damaged();
}

#[test]
fn f13_damage_beyond_repair_is_listed_beside_what_can_be_repaired() {
    let image = Image::new();
    // 304 blocks in two rounds, two roots: three even blocks are one too many.
    image.damage_data([2, 4, 6, 7]);
    for command in ["verify", "verify --all", "repair --dry-run"] {
        let run = image.dir.fails(&image.line(command), 1, "beyond repair: ");
        assert!(run.stderr.contains("the others can be repaired"), "{run:?}");
        let lines: Vec<_> = run.stdout.lines().collect();
        assert_eq!(lines.len(), 5, "{run:?}");
        for (line, block) in lines[1..4].iter().zip([2, 4, 6]) {
            assert!(line.starts_with(&format!("data block {block} (bytes ")), "{line}");
        }
        assert_eq!(lines[4], "repairable: data block 7 (bytes 28672..32768 of data)");
    }
    let json = image.dir.run(&image.line("verify --json")).json();
    assert_eq!((&json["class"], &json["repairable_blocks"]), (&json!("not-verified"), &json!(1)));
    assert_eq!(json["corruptions"].as_array().map(Vec::len), Some(3));
    assert_eq!(json["corruptions"][0]["reason"], "digest");
    image.assert_only_damaged();
}

#[test]
fn a_wrong_root_hash_is_not_repairable() {
    let image = Image::new();
    let line = image.line("verify").replace(&image.root, &common::wrong(&image.root));
    image.dir.fails(&line, 1, "(or the root hash is that of another image");
}

#[test]
fn parity_that_is_not_that_of_the_image_is_found_by_all() {
    let image = Image::new();
    let dir = &image.dir;
    let said = dir.ok(&image.line("verify --all"));
    assert!(said.contains("; the parity of 2 rounds is right\n"), "{said}");
    assert_eq!(dir.run(&image.line("verify --all --json")).json()["parity_rounds"], 2);
    assert_eq!(dir.run(&image.line("verify --json")).json()["parity_rounds"], json!(null));
    let mut fec = dir.read("fec");
    // A codeword of round 1, so that neither of its rows gives the right block.
    fec[8192 + 16] ^= 4;
    fec[8192 + 17] ^= 4;
    dir.write("fec", &fec);
    assert_eq!(dir.run(&image.line("verify")).code, 0, "it was not asked for");
    dir.fails(&image.line("verify --all"), 1, "verity: fec: data and hash tree are right");
    // What is corrupt comes first, and the other round can still be repaired.
    image.damage_data([4]);
    dir.fails(&image.line("verify --all"), 6, "1 corrupt block, which can be repaired");
    image.damage_data([5]);
    dir.fails(&image.line("verify --all"), 1, "beyond repair: data block 5");
}

#[test]
fn f03_parity_that_is_not_there_or_not_of_this_kind() {
    let image = Image::new();
    let dir = &image.dir;
    let line = |options: &str| format!("verify data hash {} {options}", image.root);
    for options in ["--fec-roots 2", "--fec-offset 0", "--fec-roots 4 --fec-offset 4096"] {
        for command in ["verify", "read", "serve --socket s", "repair --dry-run"] {
            let line = format!("{command} data hash {} {options}", image.root);
            dir.fails(&line, 2, "without --fec-device");
        }
    }
    dir.fails(&format!("repair data hash {} --in-place", image.root), 2, "without parity");
    dir.fails(&line("--fec-device fec --fec-roots 25"), 2, "roots are from 2 to 24");
    dir.fails(&line("--fec-device none"), 4, "none");
    dir.fails(&line("--fec-device fec --fec-offset 512"), 3, "not a multiple of 4096");
    for options in ["--fec-roots 3", "--fec-offset 4096", "--fec-offset 1T"] {
        let said =
            dir.fails(&line(&format!("--fec-device fec {options}")), 3, "the FEC device has");
        assert!(said.stderr.contains("16384 bytes"), "{said:?}");
    }
    dir.fails(&line("--fec-device hash"), 3, "the hash area");
    let same = format!("verify data data {} --fec-device data --no-superblock", image.root);
    dir.fails(&format!("{same} --data-blocks 200 --hash-offset 819200"), 3, "");
    dir.write("short", &dir.read("fec")[..16383]);
    dir.fails(&line("--fec-device short"), 3, "has 16383 bytes");
    let sizes = "--no-superblock --data-block-size 1024 --hash-block-size 4096";
    dir.ok(&format!("format data uneven {sizes}"));
    let uneven = format!("verify data uneven {} --fec-device fec {sizes}", image.root);
    dir.fails(&uneven, 3, "equal block sizes");
    // Parity of anything else recovers nothing, and nothing it gives gets through.
    image.damage_data([9]);
    dir.write("other", &pattern::painted(3 * 16384));
    for options in ["--fec-device other", "--fec-device other --fec-offset 4096"] {
        dir.fails(&line(options), 1, "beyond repair: data block 9");
    }
    // A hash device that has grown is covered further.
    let mut hash = dir.read("hash");
    hash.resize(hash.len() + 300 * 4096, 7);
    dir.write("longer", &hash);
    dir.write("fec2", &[dir.read("fec"), vec![0; 16384]].concat());
    let line = format!("verify data longer {} --fec-device fec2", image.root);
    dir.fails(&line, 1, "beyond repair: data block 9");
}

/// Bytes of parity are not what nothing is known of, once it is said that they are parity.
#[test]
fn parity_behind_the_data_is_uncovered_unless_it_is_named() {
    let dir = common::Dir::with_data(300);
    let options = "--fec-device data --fec-offset 1228800";
    let root = dir.format(&format!("{options} --data-blocks 300"));
    let run = dir.run(&format!("verify data hash {root}"));
    assert!(run.code == 0 && run.stderr.contains("16384 bytes are not covered"), "{run:?}");
    let run = dir.run(&format!("verify data hash {root} {options} --all"));
    assert_eq!((run.code, &*run.stderr), (0, ""), "{run:?}");
    assert!(run.stdout.contains("the parity of 2 rounds is right"), "{run:?}");
}

#[test]
fn what_is_written_is_said_once() {
    let dir = common::Dir::new();
    let line = format!("repair data hash {} {FEC}", "0".repeat(64));
    dir.fails(&line, 2, "--in-place");
    dir.fails(&format!("{line} --in-place --output x"), 2, "cannot be used with");
    dir.fails(&format!("{line} --in-place --hash-output x"), 2, "cannot be used with");
}
