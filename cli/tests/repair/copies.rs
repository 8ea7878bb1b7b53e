//! Repaired copies: whole or not there at all, and the inputs stay as they are.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::SystemTime;

use serde_json::json;
use verity_testdata::files;
use verity_testdata::oracle;

use super::image::{FEC, Image, overwrite};
use crate::common::{Dir, Run, assert_no_leftovers};

const INPUTS: [&str; 3] = ["data", "hash", "fec"];

fn times(dir: &Dir) -> [SystemTime; 3] {
    INPUTS.map(|name| fs::metadata(dir.path(name)).unwrap().modified().unwrap())
}

#[test]
fn f11_a_copy_is_whole_and_the_inputs_stay_as_they_are() {
    let image = Image::new();
    let dir = &image.dir;
    image.damage_data([5, 6]);
    let (before, damaged) = (times(dir), dir.read("data"));
    let run = image.run("repair --output copy");
    assert_eq!((run.code, &*run.stderr), (0, ""), "{run:?}");
    assert!(run.stdout.ends_with("; 2 blocks were repaired; written to copy\n"), "{run:?}");
    assert!(dir.read("copy") == image.good[0]);
    image.damage_hash(0, 1);
    image.damage_hash(0, 2);
    let run = image.dir.fails(&image.line("repair --output copy2"), 2, "--hash-output FILE");
    assert!(run.stdout.contains("repairable: hash level 0 block 1 to 2 "), "{run:?}");
    let run = image.run("repair --output copy --hash-output tree --json");
    let json = run.json();
    assert_eq!((run.code, &json["repaired_blocks"]), (0, &json!(4)), "{run:?}");
    assert_eq!((&json["output"], &json["hash_output"]), (&json!("copy"), &json!("tree")));
    assert!(dir.read("copy") == image.good[0] && dir.read("tree") == image.good[1]);
    assert_eq!(dir.names(), ["copy", "data", "fec", "hash", "tree"]);
    assert!(
        dir.read("data") == damaged && times(dir)[0] == before[0] && times(dir)[2] == before[2]
    );
    dir.ok(&format!("verify copy tree {}", image.root));
}

#[test]
fn f11_no_copy_appears_if_one_block_stays_bad() {
    let image = Image::new();
    let dir = &image.dir;
    image.damage_data([2, 4, 6, 7]);
    dir.write("old", b"old");
    let before = times(dir);
    for output in ["copy", "old"] {
        let line = image.line(&format!("repair --output {output} --hash-output tree"));
        let run = dir.fails(&line, 1, "no copy is made: beyond repair");
        assert!(run.stdout.contains("repairable: data block 7"), "{run:?}");
        assert_eq!(dir.run(&format!("{line} --json")).json()["repaired"], json!([]));
    }
    assert_eq!(
        (dir.names(), dir.read("old")),
        (["data", "fec", "hash", "old"].map(String::from).to_vec(), b"old".to_vec())
    );
    assert_eq!(times(dir), before);
    image.assert_only_damaged();
}

#[test]
fn c10_a_copy_is_no_input() {
    let image = Image::new();
    for name in INPUTS {
        image.dir.fails(&image.line(&format!("repair --output {name}")), 2, "is the input");
        let line = image.line(&format!("repair --output copy --hash-output {name}"));
        image.dir.fails(&line, 2, "is the input");
    }
    let same = image.line("repair --output copy --hash-output copy");
    image.dir.fails(&same, 2, "is named as two outputs");
    image.dir.fails(&image.line("repair --output no/copy"), 4, "the directory");
    assert_eq!(image.dir.names(), ["data", "fec", "hash"]);
    image.assert_whole();
}

#[test]
fn c16_a_copy_is_for_whom_the_original_is() {
    let image = Image::new();
    for mode in [0o600, 0o640, 0o444] {
        image.dir.set_mode("data", mode);
        assert_eq!(image.run("repair --output copy").code, 0);
        assert_eq!(image.dir.mode("copy"), mode);
    }
}

#[test]
fn the_copy_of_one_file_holds_all_of_it() {
    let dir = Dir::with_data(300);
    dir.write("disk", &[dir.read("data"), vec![7; 40 * 4096 + 100]].concat());
    let own = "--hash-offset 1228800 --fec-device disk --fec-offset 1249280";
    let root =
        crate::common::root_hash(&dir.ok(&format!("format disk disk --data-blocks 300 {own}")));
    let good = dir.read("disk");
    [3, 303].into_iter().for_each(|block| overwrite(&dir.path("disk"), block * 4096));
    let line = format!("repair disk disk {root} {own} --output copy");
    dir.fails(&format!("{line} --hash-output tree"), 2, "HASH is on DATA");
    dir.ok(&line);
    assert!(dir.read("copy") == good);
}

#[test]
fn holes_stay_holes() {
    let dir = Dir::new();
    files::sparse(&dir.path("data"), 64 << 20);
    dir.patch("data", 40 << 20, &[7; 9000]);
    fs::rename(dir.path("data"), dir.path("dense")).unwrap();
    files::sparse(&dir.path("data"), 64 << 20);
    let file = fs::File::options().write(true).open(dir.path("data")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[7; 9000], 40 << 20).unwrap();
    let root = dir.format(FEC);
    std::os::unix::fs::FileExt::write_all_at(&file, b"x", (40 << 20) + 5).unwrap();
    dir.ok(&format!("repair data hash {root} {FEC} --output copy"));
    assert!(dir.read("copy") == dir.read("dense"));
    let size = fs::metadata(dir.path("copy")).unwrap().blocks() * 512;
    assert!(size < 8 << 20, "{size} bytes");
}

fn traced(image: &Image, faults: &[&str], options: &str) -> Run {
    let mut strace = image.dir.tool("strace");
    strace.args(["-f", "-o", "/dev/null"]);
    strace.args(faults.iter().flat_map(|fault| ["-e".to_owned(), format!("inject={fault}")]));
    strace.arg(env!("CARGO_BIN_EXE_verity"));
    let line = image.line(&format!("repair --threads 1 {options}"));
    Run::of(strace.args(line.split_whitespace()).output().unwrap())
}

/// A disk that fails: what cannot be copied is recovered.
#[test]
fn i04_blocks_that_cannot_be_copied_are_recovered() {
    if oracle::require("strace").is_none() {
        return;
    }
    let no_copy = ["ioctl:error=EOPNOTSUPP", "copy_file_range:error=EIO"];
    let image = Image::new();
    image.damage_data([7]);
    let run = traced(&image, &no_copy, "--output copy");
    assert_eq!(run.code, 0, "{run:?}");
    assert!(image.dir.read("copy") == image.good[0]);
    // Superblock, then data block by block.
    let run =
        traced(&image, &[&no_copy[..], &["pread64:error=EIO:when=12"]].concat(), "--output copy");
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("; 2 blocks were repaired"), "{run:?}");
    assert!(image.dir.read("copy") == image.good[0]);
}

#[test]
fn c01_c02_c04_whatever_ends_a_run_leaves_no_copy() {
    if oracle::require("strace").is_none() {
        return;
    }
    let image = Image::new();
    image.damage_data([7, 20]);
    image.dir.write("copy", b"old");
    let mut ends = 0;
    for (fault, code) in [
        ("pread64:signal=TERM:when=6", 143),
        ("pwrite64:error=ENOSPC:when=1", 4),
        ("fsync:error=EIO:when=1", 4),
        ("fsync:error=EIO:when=2", 4),
        ("?rename,renameat,renameat2:error=EIO:when=1", 4),
        ("pwrite64:signal=KILL:when=2", 137),
        ("fsync:signal=KILL:when=1", 137),
    ] {
        let run = traced(&image, &[fault], "--output copy --hash-output tree");
        assert_eq!((run.code, &*run.stdout), (code, ""), "{fault}: {run:?}");
        assert_eq!(image.dir.read("copy"), b"old", "{fault}");
        assert!(!image.dir.exists("tree"), "{fault}");
        ends += 1;
        if code != 137 {
            assert_no_leftovers(&image.dir);
        }
        image.assert_only_damaged();
    }
    assert_eq!(ends, 7);
    assert_eq!(image.run("repair --output copy --hash-output tree").code, 0);
    assert_eq!(image.dir.names(), ["copy", "data", "fec", "hash", "tree"]);
    assert!(image.dir.read("copy") == image.good[0]);
}
