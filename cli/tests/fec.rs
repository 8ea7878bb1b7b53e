//! `verity format --fec-device` against the real `veritysetup` on random geometries, and what is
//! refused.
//!
//! `VERITY_DIFFERENTIAL_CASES` says how many cases, `VERITY_TEST_SEED` which ones.

pub(crate) mod case;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{Ended, memory_tempdir, run, verity};
use crate::common::layout::Layout;
use crate::common::{Dir, assert_no_leftovers, root_hash};
use case::Case;
use tempfile::TempDir;
use verity::internals::FecPlatform;
use verity_testdata::loop_device::LoopDevice;
use verity_testdata::oracle::{self, Header, VeritySetup};
use verity_testdata::pattern::{self, Prng};
use verity_testdata::{cases, files};

#[test]
fn f04_parity_is_that_of_veritysetup() {
    let Some(veritysetup) = VeritySetup::find() else { return };
    let (seed, count) = (cases::seed(), cases::cases(115));
    println!("VERITY_TEST_SEED={seed}, {count} cases, veritysetup {}", veritysetup.version());
    let mut classes = Classes::default();
    for number in 0..count {
        let (case, mut prng) = random_case(seed, number);
        classes.count(&case);
        println!("case {number}: {case:?}");
        compare(&veritysetup, &case, &mut prng);
    }
    println!("{classes:#?}");
}

/// Each case has a generator of its own, so that no case depends on another.
fn random_case(seed: u64, number: u32) -> (Case, Prng) {
    let platforms: Vec<_> = FecPlatform::available().map(FecPlatform::name).collect();
    let mut prng = Prng::new(seed ^ u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let case = Case::random(&mut prng, number, platforms[number as usize % platforms.len()]);
    (case, prng)
}

/// How many cases there are of each kind.
#[derive(Debug, Default)]
struct Classes(BTreeMap<String, u32>);

impl Classes {
    fn count(&mut self, case: &Case) {
        let rows = 255 - case.roots;
        let place = match (case.data_blocks + case.hash_blocks()) % rows {
            0 => "full rounds",
            1 => "one block more",
            rest if rest == rows - 1 => "one block less",
            _ => "any blocks",
        };
        let trailing = case.layout == Layout::Three && case.lengths[1].1 > case.tree_end();
        for class in [
            format!("{:2} roots", case.roots),
            format!("blocks of {:5} bytes", case.block()),
            format!("files: {:?}", case.layout),
            format!("platform {}", case.platform),
            format!("superblock: {}", case.superblock),
            place.to_owned(),
            format!("{} rounds", if case.rounds() == 1 { "1" } else { "more" }),
            format!("bytes behind the tree: {trailing}"),
            format!("no tree: {}", case.hash_blocks() == 0),
        ] {
            *self.0.entry(class).or_default() += 1;
        }
    }
}

/// What the random cases are for comes up in each run.
#[test]
fn a_hundred_and_fifteen_cases_reach_every_kind() {
    let mut classes = Classes::default();
    (0..115).for_each(|number| classes.count(&random_case(1, number).0));
    let roots: Vec<_> = classes.0.keys().filter(|class| class.ends_with("roots")).collect();
    assert_eq!(roots.len(), 23, "{roots:?}");
    for class in [
        "blocks of   512 bytes",
        "blocks of  4096 bytes",
        "blocks of 65536 bytes",
        "files: Three",
        "files: HashWithParity",
        "files: DataWithHash",
        "files: DataWithParity",
        "files: One",
        "platform portable",
        "superblock: false",
        "full rounds",
        "one block more",
        "one block less",
        "1 rounds",
        "more rounds",
        "bytes behind the tree: true",
        "no tree: true",
    ] {
        let found = classes.0.get(class).copied().unwrap_or(0);
        assert!(found >= 1, "{class}: {found} cases of 115");
    }
}

fn compare(veritysetup: &VeritySetup, case: &Case, prng: &mut Prng) {
    let sides = Sides::new(case, prng);
    let mut words = case.format_words();
    let expected = run(&mut sides.theirs(veritysetup, &words)).expect(0);
    words.extend(case.own_words());
    let actual = run(&mut sides.ours(&words)).expect(0);
    assert_eq!(actual.stdout, expected.stdout, "the text of format");
    compare_files(case, &sides);
    let root_hash = Header::parse(actual.stdout).root_hash().to_owned();
    check(veritysetup, case, &sides, &root_hash, prng);
}

/// Two directories that begin alike, `ours` and `theirs`.
struct Sides(TempDir);

impl Sides {
    fn new(case: &Case, prng: &mut Prng) -> Sides {
        let sides = Sides(memory_tempdir());
        for side in ["ours", "theirs"] {
            fs::create_dir(sides.path(side)).unwrap();
        }
        for (name, length) in case.lengths.into_iter().filter(|(_, length)| *length > 0) {
            let bytes = prng.bytes(usize::try_from(length).unwrap());
            for side in ["ours", "theirs"] {
                files::write(&sides.path(side).join(name), &bytes);
            }
        }
        sides
    }

    fn path(&self, side: &str) -> PathBuf {
        self.0.path().join(side)
    }

    fn ours(&self, words: &[String]) -> Command {
        let mut command = verity(words);
        command.current_dir(self.path("ours"));
        command
    }

    /// veritysetup, in its own directory.
    fn theirs(&self, veritysetup: &VeritySetup, words: &[String]) -> Command {
        let mut command = veritysetup.command();
        command.args(words).current_dir(self.path("theirs"));
        command
    }

    /// veritysetup, on what verity made.
    fn theirs_of_ours(&self, veritysetup: &VeritySetup, words: &[String]) -> Ended {
        let mut command = veritysetup.command();
        run(command.args(words).current_dir(self.path("ours")))
    }
}

/// All files are the same, except where veritysetup ends a file within a hash block.
fn compare_files(case: &Case, sides: &Sides) {
    let names = |side: &Path| {
        let mut names: Vec<_> =
            fs::read_dir(side).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let (ours, theirs) = (sides.path("ours"), sides.path("theirs"));
    assert_eq!(names(&ours), names(&theirs));
    for name in names(&ours) {
        let mine = files::read(&ours.join(&name));
        let mut its = files::read(&theirs.join(&name));
        if case.hash_blocks() == 0 && case.superblock && name == case.layout.names()[1] {
            // The zeros up to where a tree would begin.
            its.resize(its.len().max(usize::try_from(case.tree_end()).unwrap()), 0);
        }
        assert_eq!(mine.len(), its.len(), "the length of {}", name.display());
        let differing = mine.iter().zip(&its).position(|(mine, its)| mine != its);
        assert_eq!(differing, None, "the first byte in which {} differs", name.display());
    }
}

/// veritysetup takes our parity, also for what it can do with it.
fn check(veritysetup: &VeritySetup, case: &Case, sides: &Sides, root_hash: &str, prng: &mut Prng) {
    let plain = case.verify_words(root_hash);
    let with_fec = [&plain[..], &case.fec_words()].concat();
    sides.theirs_of_ours(veritysetup, &plain).expect(0);
    sides.theirs_of_ours(veritysetup, &with_fec).expect(0);
    run(&mut sides.ours(&plain)).expect(0);
    let byte = prng.below(case.data_blocks * case.block());
    files::flip_bit(&sides.path("ours").join("data"), byte, 3);
    let refused = sides.theirs_of_ours(veritysetup, &plain);
    assert_ne!(refused.code, 0, "{}", refused.words());
    // It says that it could repair; where the root hash is that of the data, not even that saves
    // it.
    let code = if case.hash_blocks() == 0 { 2 } else { 0 };
    let found = sides.theirs_of_ours(veritysetup, &with_fec).expect(code);
    assert!(found.stderr.contains("Found 1 repairable errors"), "{}", found.words());
    run(&mut sides.ours(&plain)).expect(1);
}

/// 300 data blocks of 4096 bytes, then room.
fn shared() -> (Dir, Vec<u8>) {
    let dir = Dir::new();
    let bytes = pattern::painted(400 * 4096);
    dir.write("disk", &bytes);
    (dir, bytes)
}

const DATA: u64 = 300 * 4096;

#[test]
fn f04_options_that_make_no_parity_are_refused() {
    let dir = Dir::with_data(300);
    for roots in ["0", "1", "25", "255", "4294967298", "x"] {
        let line = format!("format data hash --fec-device fec --fec-roots {roots}");
        dir.fails(&line, 2, "--fec-roots");
    }
    dir.fails("format data hash --fec-roots 4", 2, "--fec-device");
    dir.fails("format data hash --fec-offset 4096", 2, "--fec-device");
    dir.fails("format data hash --fec-device fec --fec-offset 512", 3, "not a multiple of 4096");
    let sizes = "--data-block-size 1024 --hash-block-size 4096";
    dir.fails(&format!("format data hash --fec-device fec {sizes}"), 3, "equal block sizes");
    let offset = u64::MAX - 4095;
    let line = format!("format data hash --fec-device fec --fec-offset {offset}");
    dir.fails(&line, 3, "beyond 2^64 bytes");
    dir.fails("format data hash --fec-device .", 2, "cannot be an output");
    dir.fails("format data hash --fec-device fec --root-hash-file fec", 2, "two outputs");
    assert_eq!(dir.names(), ["data"]);
}

#[test]
fn g04_parity_never_overwrites_data_superblock_or_tree() {
    let (dir, bytes) = shared();
    // veritysetup writes over the last blocks of the tree here.
    for offset in [0, 4096, DATA - 4096] {
        let line =
            format!("format disk hash --data-blocks 300 --fec-device disk --fec-offset {offset}");
        dir.fails(&line, 3, "must lie behind the data, which ends at 1228800");
    }
    for offset in [0, DATA - 4096, DATA, DATA + 4096, DATA + 4 * 4096] {
        let line = format!(
            "format disk disk --data-blocks 300 --hash-offset {DATA} --fec-device disk \
             --fec-offset {offset}"
        );
        dir.fails(&line, 3, "must lie behind the hash area, which ends at 1249280");
    }
    dir.fails(
        "format disk disk --hash-offset 1638400 --fec-device disk",
        3,
        "behind the hash area",
    );
    for offset in [0, 4096, 16384] {
        let line =
            format!("format disk hash --data-blocks 300 --fec-device hash --fec-offset {offset}");
        dir.fails(&line, 3, "must lie behind the hash area, which ends at 20480");
    }
    assert_eq!(dir.names(), ["disk"]);
    assert!(dir.read("disk") == bytes, "nothing is written");
}

#[test]
fn g05_other_names_do_not_hide_that_it_is_one_file() {
    let (dir, bytes) = shared();
    fs::hard_link(dir.path("disk"), dir.path("hard")).unwrap();
    symlink("disk", dir.path("soft")).unwrap();
    let behind = "must lie behind the data";
    dir.fails("format disk hash --data-blocks 300 --fec-device hard", 3, behind);
    dir.fails("format disk hash --data-blocks 300 --fec-device soft", 3, behind);
    let own = format!("--data-blocks 300 --hash-offset {DATA}");
    for fec in ["hard", "soft", "./disk"] {
        let line = format!("format disk disk {own} --fec-device {fec} --fec-offset {DATA}");
        dir.fails(&line, 3, "must lie behind the hash area");
    }
    if let Some(device) = LoopDevice::attach(&dir.path("disk"), 512) {
        let device = device.path().to_str().unwrap();
        dir.fails(&format!("format disk hash --data-blocks 300 --fec-device {device}"), 3, behind);
        dir.fails(&format!("format {device} hash --data-blocks 300 --fec-device disk"), 3, behind);
        let line = format!("format disk disk {own} --fec-device {device} --fec-offset {DATA}");
        dir.fails(&line, 3, "must lie behind the hash area");
    }
    // A hash file is replaced, so that another name for it would lead to the old one.
    dir.write("hash", &[0; 20480]);
    fs::hard_link(dir.path("hash"), dir.path("hash2")).unwrap();
    let line = "format disk hash --data-blocks 300 --fec-device hash2 --fec-offset 20480";
    dir.fails(line, 3, "is the hash device under another name");
    assert!(dir.read("disk") == bytes && dir.read("hash") == [0; 20480], "nothing is written");
}

#[test]
fn block_devices_take_parity_and_must_have_room() {
    let dir = Dir::with_data(300);
    let image = dir.read("data");
    dir.write("disk", &[image, vec![7; 9 * 4096]].concat());
    dir.write("small", &pattern::painted(4 * 4096));
    dir.ok("format data hash --salt 00ff --fec-device fec");
    let Some(small) = LoopDevice::attach(&dir.path("small"), 512) else { return };
    let Some(disk) = LoopDevice::attach(&dir.path("disk"), 512) else { return };
    let (small, disk) = (small.path().to_str().unwrap(), disk.path().to_str().unwrap());
    dir.ok(&format!("format data hash2 --salt 00ff --fec-device {small}"));
    assert!(dir.read("small") == dir.read("fec"));
    let own = format!("--data-blocks 300 --hash-offset {DATA} --salt 00ff");
    let line = format!("format {disk} {disk} {own} --fec-device {small} --fec-offset 4096");
    dir.fails(&line, 3, "the FEC device has 16384 bytes");
    let line = format!("format {disk} {disk} {own} --fec-device {disk} --fec-offset 1253376");
    dir.fails(&line, 3, "the FEC device has 1265664 bytes");
    assert!(dir.read("disk")[1_228_800..] == [7; 9 * 4096], "nothing is written");
    let line = format!("format {disk} {disk} {own} --fec-device {disk} --fec-offset 1249280");
    dir.ok(&line);
    assert!(dir.read("disk")[1_249_280..] == dir.read("fec"));
}

#[test]
fn what_is_said_of_parity() {
    let dir = Dir::with_data(300);
    let run = dir.run("format data hash --fec-device fec --fec-offset 8192 --fec-roots 24 --json");
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let expected = serde_json::json!({
        "offset_bytes": 8192, "fec_start": 2, "fec_roots": 24, "fec_blocks": 304, "rounds": 2,
        "parity_blocks": 48, "parity_bytes": 196_608,
    });
    assert_eq!(run.json()["fec"], expected);
    assert_eq!(dir.read("fec").len(), 8192 + 196_608);
    assert_eq!(dir.mode("fec"), 0o600);
    // f09: what lies behind the tree is covered too.
    dir.write("hash", &pattern::painted(10 * 4096 + 1));
    let run = dir.run("format data hash --fec-device fec --json");
    assert_eq!((run.code, &run.json()["fec"]["fec_blocks"]), (0, &309.into()));
    assert!(run.stderr.contains("also covers 5 blocks behind the hash tree"), "{run:?}");
    assert_eq!(dir.run("dump hash --json").json()["fec"], serde_json::Value::Null);
}

/// Whatever fails, an old FEC file stays as it was, and nothing lies about.
#[test]
fn parity_appears_with_the_hash_area_or_not_at_all() {
    let dir = Dir::with_data(300);
    let old = pattern::painted(50_000);
    dir.write("fec", &old);
    fs::create_dir(dir.path("dir")).unwrap();
    dir.fails("format data hash --fec-device fec --root-hash-file dir", 2, "directory");
    dir.fails("format data hash --fec-device dir/none/fec", 4, "dir/none");
    assert!(dir.read("fec") == old && !dir.exists("hash"));
    let root = root_hash(&dir.ok("format data hash --fec-device fec --root-hash-file root"));
    let new = dir.read("fec");
    assert!(new[..16384] != old[..16384] && new[16384..] == old[16384..], "other bytes are kept");
    dir.ok(&format!("verify data hash {root}"));
    assert_no_leftovers(&dir);
}

/// Every call that changes what a file system holds; a kill strikes before the call is made.
const CALLS: [&str; 4] = ["ftruncate", "pwrite64", "fsync", "?rename,?renameat,?renameat2"];

/// Each file is the old one or the new one, and no new hash area is there without its parity.
#[test]
fn c01_killed_runs_leave_whole_files() {
    let Some(strace) = oracle::require("strace") else { return };
    let line = ["format", "data", "hash", "--salt=00ff", "--fec-device=fec", "--threads=1"];
    let line = [&line[..], &["--uuid=a60c98d2-ae9b-4865-bfcb-b4e3ace11033"]].concat();
    let begin = || {
        let dir = Dir::with_data(300);
        dir.write("hash", &pattern::painted(20480));
        dir.write("fec", &pattern::sha256_stream(16384));
        dir
    };
    let contents = |dir: &Dir| [dir.read("hash"), dir.read("fec")];
    let dir = begin();
    let old = contents(&dir);
    assert_eq!(dir.run_words(&line).code, 0);
    let new = contents(&dir);
    let (mut kills, mut between) = (0, 0);
    for calls in CALLS {
        for number in 1.. {
            let dir = begin();
            let inject = format!("inject={calls}:signal=KILL:when={number}");
            let mut command = dir.tool(&strace);
            command.args(["-f", "-o", "/dev/null", "-e", &inject, env!("CARGO_BIN_EXE_verity")]);
            let survived = command.args(&line).output().unwrap().status.success();
            let [hash, fec] = contents(&dir);
            assert!(hash == old[0] || hash == new[0], "call {number} of {calls}: the hash file");
            assert!(fec == old[1] || fec == new[1], "call {number} of {calls}: the FEC file");
            assert!(hash == old[0] || fec == new[1], "call {number} of {calls}: parity is late");
            between += u32::from(hash == old[0] && fec == new[1]);
            assert_eq!(dir.run_words(&line).code, 0, "call {number} of {calls}: once more");
            assert!(contents(&dir) == new, "call {number} of {calls}: the next run mends it");
            if survived {
                break;
            }
            kills += 1;
        }
    }
    assert!(kills >= 8 && between >= 1, "only {kills} kills, {between} between the files");
}
