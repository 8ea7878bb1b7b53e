//! The real `verity` against the real `veritysetup` on random geometries: every byte and every
//! word.
//!
//! `VERITY_DIFFERENTIAL_CASES` says how many cases, `VERITY_TEST_SEED` which ones. What
//! veritysetup's cryptography lacks is compared with trees that Python's hashlib made
//! (`differential/tree.py`).

mod case;

use std::any::Any;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::command::{Block, memory_tempdir, run, verity};
use case::{Case, Place};
use serde_json::{Value, json};
use tempfile::TempDir;
use verity::internals::Platform;
use verity_testdata::oracle::{self, VeritySetup};
use verity_testdata::pattern::Prng;
use verity_testdata::reference::{self, Scheme};
use verity_testdata::{cases, files};

/// Subprocesses wait for each other's exit more than they compute.
const WORKERS: u32 = 2;

#[test]
fn verity_does_what_veritysetup_does() {
    let Some(veritysetup) = VeritySetup::find() else { return };
    let seed = cases::seed();
    let count = cases::cases(300);
    println!("VERITY_TEST_SEED={seed}, {count} cases, veritysetup {}", veritysetup.version());
    let algorithms = known_algorithms(&veritysetup);
    let platforms = platforms();
    let each_in_turn = |number| platforms[number as usize % platforms.len()];
    in_parallel(count, |number| {
        try_case(&veritysetup, seed, number, &algorithms, each_in_turn(number))
    });
}

/// Cases that do not change from run to run, by every platform, however few the other test has.
#[test]
fn every_platform_does_what_veritysetup_does() {
    const CASES: u32 = 12;
    let Some(veritysetup) = VeritySetup::find() else { return };
    let sha2 = ["sha224", "sha256", "sha384", "sha512"];
    for platform in platforms() {
        in_parallel(CASES, |number| try_case(&veritysetup, 3, number, &sha2, platform));
    }
}

/// The names of all that this CPU has.
fn platforms() -> Vec<&'static str> {
    Platform::available().map(Platform::name).collect()
}

/// Runs that many cases; panics with the failures, three of them at the most.
fn in_parallel(count: u32, try_case: impl Fn(u32) -> Result<(), String> + Sync) {
    let next = AtomicU32::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count || failures.lock().unwrap().len() >= 3 {
                        break;
                    }
                    if let Err(failure) = try_case(number) {
                        failures.lock().unwrap().push(failure);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Runs one case; a failure comes with everything that repeats it by hand.
fn try_case(
    veritysetup: &VeritySetup,
    seed: u64,
    number: u32,
    algorithms: &[&str],
    platform: &'static str,
) -> Result<(), String> {
    // Each case has a generator of its own, so that no case depends on another.
    let mut prng = Prng::new(seed ^ u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let case = Case::random(&mut prng, algorithms, platform);
    let compared = catch_unwind(AssertUnwindSafe(|| compare(veritysetup, &case, &mut prng)));
    compared.map_err(|panic| {
        let words = case.format_words().join(" ");
        format!(
            "VERITY_TEST_SEED={seed}, case {number}, {platform}: {}\n{case:?}\nverity {words} {}\n\
             veritysetup {words}\n",
            panic_words(panic.as_ref()),
            case.own_words().join(" "),
        )
    })
}

fn panic_words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words")
}

fn compare(veritysetup: &VeritySetup, case: &Case, prng: &mut Prng) {
    let sides = Sides::new(case, prng);
    let root_hash = compare_format(veritysetup, case, &sides);
    compare_files(case, &sides);
    if case.superblock {
        compare_dumps(veritysetup, case, &sides);
    }
    cross_verify(veritysetup, case, &sides, &root_hash);
    damage(veritysetup, case, &sides, &root_hash, prng);
}

/// Two directories that begin alike, `ours` and `theirs`, with a file `hash` each, beside the data.
struct Sides {
    dir: TempDir,
    before: Vec<u8>,
    data: Vec<u8>,
}

impl Sides {
    fn new(case: &Case, prng: &mut Prng) -> Sides {
        let dir = memory_tempdir();
        let data = prng.bytes(usize::try_from(case.data_file_size).unwrap());
        let before = match case.place {
            Place::New => Vec::new(),
            Place::Existing(size) => prng.bytes(usize::try_from(size).unwrap()),
            Place::Same => data.clone(),
        };
        let sides = Sides { dir, before, data };
        files::write(&sides.dir.path().join("data"), &sides.data);
        for side in [sides.ours(), sides.theirs()] {
            std::fs::create_dir(&side).unwrap();
            if case.place != Place::New {
                files::write(&side.join("hash"), &sides.before);
            }
        }
        sides
    }

    fn ours(&self) -> PathBuf {
        self.dir.path().join("ours")
    }

    fn theirs(&self) -> PathBuf {
        self.dir.path().join("theirs")
    }
}

fn ours(sides: &Path, words: &[String]) -> Command {
    let mut command = verity(words);
    command.current_dir(sides);
    command
}

fn theirs(veritysetup: &VeritySetup, side: &Path, words: &[String]) -> Command {
    let mut command = veritysetup.command();
    command.args(words).current_dir(side);
    command
}

/// Both print the same text; returns the root hash.
fn compare_format(veritysetup: &VeritySetup, case: &Case, sides: &Sides) -> String {
    let mut words = case.format_words();
    let expected = run(&mut theirs(veritysetup, &sides.theirs(), &words)).expect(0);
    words.extend(case.own_words());
    let actual = run(&mut ours(&sides.ours(), &words)).expect(0);
    assert_eq!(actual.stdout, expected.stdout, "the text of format");
    oracle::Header::parse(actual.stdout).root_hash().to_owned()
}

/// The files are the same, except where veritysetup ends a file within a hash block.
fn compare_files(case: &Case, sides: &Sides) {
    let ours = files::read(&sides.ours().join("hash"));
    let mut theirs = files::read(&sides.theirs().join("hash"));
    let block = u64::from(case.scheme.hash_block_size);
    if case.data_blocks == 1 && case.superblock && block > 4096 {
        let end = (case.hash_offset + 4096).max(size(&sides.before));
        assert_eq!(size(&theirs), end, "veritysetup writes 4096 bytes and no more");
        theirs.resize(theirs.len().max(usize::try_from(case.tree_start()).unwrap()), 0);
    }
    assert_eq!(ours.len(), theirs.len(), "the lengths of the hash files");
    let differing = ours.iter().zip(&theirs).position(|(ours, theirs)| ours != theirs);
    assert_eq!(differing, None, "the first byte in which the hash files differ");
    compare_kept_bytes(case, sides, &ours);
}

/// The slow twin agrees, which knows by itself what must be kept.
fn compare_kept_bytes(case: &Case, sides: &Sides, ours: &[u8]) {
    let mut expected = sides.before.clone();
    let covered = &sides.data[..usize::try_from(case.covered()).unwrap()];
    let uuid = hex::decode(case.uuid.replace('-', "")).unwrap().try_into().unwrap();
    let uuid: Option<&[u8; 16]> = case.superblock.then_some(&uuid);
    reference::write_hash_area(&mut expected, covered, &case.scheme, uuid, case.hash_offset);
    assert!(ours == expected, "the hash file is not that of the slow twin");
}

fn size(bytes: &[u8]) -> u64 {
    bytes.len().try_into().unwrap()
}

fn compare_dumps(veritysetup: &VeritySetup, case: &Case, sides: &Sides) {
    let words = case.dump_words();
    let expected = run(&mut theirs(veritysetup, &sides.theirs(), &words)).expect(0).stdout;
    for (of, actual) in [
        ("verity of its own file", run(&mut ours(&sides.ours(), &words))),
        ("verity of veritysetup's file", run(&mut ours(&sides.theirs(), &words))),
        ("veritysetup of verity's file", run(&mut theirs(veritysetup, &sides.ours(), &words))),
    ] {
        assert_eq!(actual.expect(0).stdout, expected, "dump by {of}");
    }
}

fn cross_verify(veritysetup: &VeritySetup, case: &Case, sides: &Sides, root_hash: &str) {
    let mut words = case.verify_words(root_hash);
    run(&mut theirs(veritysetup, &sides.ours(), &words)).expect(0);
    words.extend(case.pin_words());
    words.extend(case.own_words());
    let verified = run(&mut ours(&sides.theirs(), &words)).expect(0);
    let origin = match (case.superblock, case.pinned) {
        (true, false) => "geometry: not authenticated (superblock)\n",
        (true, true) => "geometry: pinned\n",
        // It depends on whether the blocks were counted; the words are tested elsewhere.
        (false, _) => "geometry: ",
    };
    assert!(verified.stdout.starts_with(origin), "{}", verified.words());
}

/// One flipped bit: both refuse, and ours names the block.
fn damage(veritysetup: &VeritySetup, case: &Case, sides: &Sides, root_hash: &str, prng: &mut Prng) {
    let tree_bytes = case.tree_end() - case.tree_start();
    let bit = u8::try_from(prng.below(8)).unwrap();
    let mut root_hash = root_hash.to_owned();
    let (block, start) = match prng.below(5) {
        0 => {
            root_hash = other_root_hash(&root_hash);
            top_block(case)
        }
        1 | 2 if tree_bytes > 0 => {
            let byte = prng.below(tree_bytes);
            files::flip_bit(&sides.ours().join("hash"), case.tree_start() + byte, bit);
            let size = u64::from(case.scheme.hash_block_size);
            (hash_block(case, byte / size), case.tree_start() + byte / size * size)
        }
        _ => {
            let byte = prng.below(case.covered());
            files::flip_bit(&sides.ours().join(case.files()[0]), byte, bit);
            let size = u64::from(case.scheme.data_block_size);
            (Block::Data(byte / size), byte / size * size)
        }
    };
    let mut words = case.verify_words(&root_hash);
    let refused = run(&mut theirs(veritysetup, &sides.ours(), &words));
    assert_ne!(refused.code, 0, "{block:?} damaged: {}", refused.words());
    words.extend(case.pin_words());
    words.push("--json".to_owned());
    words.extend(case.own_words());
    let refused = run(&mut ours(&sides.ours(), &words)).expect_corrupt(&block);
    assert_eq!(refused.json()["corruptions"][0]["offset_bytes"], start, "{}", refused.words());
}

/// This hash with another last digit.
fn other_root_hash(root_hash: &str) -> String {
    let (rest, last) = root_hash.split_at(root_hash.len() - 1);
    format!("{rest}{}", if last == "0" { "1" } else { "0" })
}

/// What the root hash is the digest of, and where it begins on its device, in bytes.
fn top_block(case: &Case) -> (Block, u64) {
    match case.geometry().levels.len() {
        0 => (Block::Data(0), 0),
        levels => (Block::Hash { level: levels - 1, block: 0 }, case.tree_start()),
    }
}

/// Which block the hash block number `index` of the file is.
fn hash_block(case: &Case, index: u64) -> Block {
    let levels = case.geometry().levels;
    let index = u128::from(index);
    let level = levels
        .iter()
        .position(|level| (level.start..level.start + level.blocks).contains(&index))
        .unwrap();
    Block::Hash { level, block: u64::try_from(index - levels[level].start).unwrap() }
}

/// What the random cases are for comes up in each run.
#[test]
fn three_hundred_cases_reach_every_kind() {
    let mut prng = Prng::new(1);
    let cases: Vec<Case> =
        (0..300).map(|_| Case::random(&mut prng, reference::ALGORITHMS, "portable")).collect();
    let count = |what: &dyn Fn(&Case) -> bool| cases.iter().filter(|case| what(case)).count();
    let levels = |case: &Case| case.geometry().levels.len();
    let per_block = |case: &Case| u64::try_from(case.geometry().hashes_per_block).unwrap();
    for (what, found) in [
        ("new file", count(&|case| case.place == Place::New)),
        ("kept bytes", count(&|case| matches!(case.place, Place::Existing(_)))),
        ("same file", count(&|case| case.place == Place::Same)),
        ("no superblock", count(&|case| !case.superblock)),
        ("hash type 0", count(&|case| case.scheme.hash_type == 0)),
        ("other algorithm", count(&|case| case.scheme.algorithm != "sha256")),
        ("no salt", count(&|case| case.scheme.salt.is_empty())),
        ("longest salt", count(&|case| case.scheme.salt.len() == 256)),
        ("one block", count(&|case| case.data_blocks == 1)),
        ("one full hash block", count(&|case| case.data_blocks == per_block(case))),
        ("one block more", count(&|case| case.data_blocks == per_block(case) + 1)),
        ("three levels", count(&|case| levels(case) >= 3)),
        ("a tail", count(&|case| case.data_file_size % 512 > 0)),
        ("large blocks", count(&|case| case.scheme.hash_block_size > 4096)),
        ("sector offset", count(&|case| !case.hash_offset.is_multiple_of(4096))),
    ] {
        assert!(found >= 5, "{what}: {found} cases of 300");
    }
}

/// The algorithms that this veritysetup's cryptography has.
fn known_algorithms(veritysetup: &VeritySetup) -> Vec<&'static str> {
    let dir = memory_tempdir();
    let (data, hash) = (dir.path().join("data"), dir.path().join("hash"));
    files::write(&data, &[7; 8192]);
    let knows = |algorithm: &str| {
        veritysetup.try_format(&data, &hash, &[format!("--hash={algorithm}")]).is_ok()
    };
    let known: Vec<&str> =
        reference::ALGORITHMS.iter().copied().filter(|algorithm| knows(algorithm)).collect();
    for algorithm in ["sha1", "sha224", "sha256", "sha384", "sha512"] {
        assert!(known.contains(&algorithm), "veritysetup refuses {algorithm}");
    }
    known
}

/// Every algorithm, and so those that veritysetup lacks (blake2b-256). Where hashlib lacks one too
/// (sm3 depends on its OpenSSL), the slow twin judges alone, whose digests have known answers.
#[test]
fn trees_are_those_of_python_hashlib() {
    let Some(python) = oracle::require("python3") else { return };
    let dir = memory_tempdir();
    let data = dir.path().join("data");
    let mut prng = Prng::new(11);
    let bytes = prng.bytes(1100 * 512);
    files::write(&data, &bytes);
    let schemes = python_schemes(&mut prng);
    let answers = python_trees(&python, &data, &schemes);
    for ((scheme, data_blocks), expected) in schemes.iter().zip(answers) {
        let (name, covered) = (
            format!("{scheme:?}, {data_blocks} blocks"),
            data_blocks * u64::from(scheme.data_block_size),
        );
        let twin = reference::format(&bytes[..usize::try_from(covered).unwrap()], scheme);
        let (root_hash, tree) = format_tree(dir.path(), scheme, *data_blocks);
        assert_eq!(root_hash, hex::encode(&twin.root_hash), "{name}");
        assert!(tree == twin.tree, "{name}: the tree is not that of the slow twin");
        if expected.is_null() {
            oracle::skip(&format!("a python3 whose hashlib has {}", scheme.algorithm));
            continue;
        }
        assert_eq!(expected["root_hash"], root_hash, "{name}");
        assert_eq!(expected["tree_bytes"], size(&tree), "{name}");
        let tree_sha256 = hex::encode(reference::digest("sha256", &[&tree]));
        assert_eq!(expected["tree_sha256"], tree_sha256, "{name}");
    }
}

fn python_schemes(prng: &mut Prng) -> Vec<(Scheme, u64)> {
    let mut schemes = Vec::new();
    for algorithm in reference::ALGORITHMS {
        for (hash_type, data_block_size, hash_block_size, salt, data_blocks) in [
            (1, 512, 512, 32, 1100),
            (0, 512, 1024, 7, 1100),
            (1, 4096, 4096, 256, 129),
            (0, 4096, 512, 0, 65),
            (1, 1024, 4096, 1, 1),
        ] {
            let algorithm = (*algorithm).to_owned();
            let salt = prng.bytes(salt);
            let scheme = Scheme { algorithm, hash_type, data_block_size, hash_block_size, salt };
            schemes.push((scheme, data_blocks));
        }
    }
    schemes
}

fn python_trees(python: &Path, data: &Path, schemes: &[(Scheme, u64)]) -> Vec<Value> {
    let cases: Vec<Value> = schemes
        .iter()
        .map(|(scheme, data_blocks)| {
            json!({
                "data": data,
                "data_blocks": data_blocks,
                "algorithm": scheme.algorithm,
                "hash_type": scheme.hash_type,
                "data_block_size": scheme.data_block_size,
                "hash_block_size": scheme.hash_block_size,
                "salt": hex::encode(&scheme.salt),
            })
        })
        .collect();
    let mut child = Command::new(python)
        .args(["-c", include_str!("differential/tree.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // It reads everything before it writes anything.
    child.stdin.take().unwrap().write_all(Value::from(cases).to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "python3: {}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Formats without superblock; returns the root hash and the tree.
fn format_tree(dir: &Path, scheme: &Scheme, data_blocks: u64) -> (String, Vec<u8>) {
    let hash = dir.join("hash");
    let _ = std::fs::remove_file(&hash);
    let mut words =
        ["format", "data", "hash", "--no-superblock", "--json"].map(str::to_owned).to_vec();
    words.extend(oracle::arguments(scheme));
    words.push(format!("--data-blocks={data_blocks}"));
    let root_hash = run(&mut ours(dir, &words)).expect(0).string("root_hash");
    (root_hash, files::read(&hash))
}
