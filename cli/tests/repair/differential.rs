//! Random images of veritysetup, with damage of every kind: what is called whole has its old bytes
//! again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use verity::internals::FecPlatform;
use verity_testdata::oracle::{self, Header, VeritySetup};
use verity_testdata::pattern::Prng;
use verity_testdata::{cases, files};

use crate::fec::case::Case;

#[test]
fn f08_what_is_called_whole_is_what_it_was() {
    let Some(veritysetup) = VeritySetup::find() else { return };
    let (seed, count) = (cases::seed(), cases::cases(69));
    println!("VERITY_TEST_SEED={seed}, {count} cases, veritysetup {}", veritysetup.version());
    let mut endings = BTreeMap::new();
    for number in 0..count {
        let mut prng = Prng::new(seed ^ u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let platforms: Vec<_> = FecPlatform::available().map(FecPlatform::name).collect();
        let platform = platforms[number as usize % platforms.len()];
        let case = Case::random(&mut prng, number, platform);
        let damage = Damage::random(&case, &mut prng, number);
        println!("case {number}: {case:?}\n  {damage:?}");
        let ending = try_repair(&veritysetup, &case, &damage, &mut prng);
        *endings.entry(ending).or_insert(0) += 1;
    }
    println!("{endings:#?}");
}

/// What is damaged, by covered block: those of the data, then those of the tree, the top level
/// first.
#[derive(Debug)]
struct Damage {
    blocks: BTreeSet<u64>,
    /// Only one bit of each.
    bit: bool,
}

impl Damage {
    fn random(case: &Case, prng: &mut Prng, number: u32) -> Damage {
        let (all, rounds) = (case.data_blocks + case.hash_blocks(), case.rounds());
        let round = prng.below(rounds.min(all));
        let of_round: Vec<u64> = (round..all).step_by(usize::try_from(rounds).unwrap()).collect();
        let any = |prng: &mut Prng, count| (0..count).map(|_| prng.below(all)).collect();
        let some =
            |prng: &mut Prng, count: u64| (0..count).map(|_| *prng.pick(&of_round)).collect();
        let blocks: BTreeSet<u64> = match number % 6 {
            0 => [prng.below(case.data_blocks)].into(),
            1 => some(prng, case.roots),
            2 => some(prng, 2 * case.roots + 2),
            3 => any(prng, 1 + rounds * case.roots / 4),
            4 if case.hash_blocks() > 0 => {
                [case.data_blocks + prng.below(case.hash_blocks())].into()
            }
            4 => [0].into(),
            _ => (0..(case.roots * rounds).min(case.data_blocks)).collect(),
        };
        Damage { blocks, bit: prng.one_in(3) }
    }

    /// How many blocks are damaged in the round that has the most.
    fn most(&self, case: &Case) -> u64 {
        let mut rounds = BTreeMap::new();
        self.blocks
            .iter()
            .for_each(|block| *rounds.entry(block % rounds_of(case)).or_insert(0) += 1);
        rounds.into_values().max().unwrap_or(0)
    }

    fn apply(&self, case: &Case, dir: &Path, prng: &mut Prng) {
        for covered in &self.blocks {
            let [data, hash, _] = case.layout.names();
            let tree = case.tree_end() - case.hash_blocks() * case.block();
            let (name, offset) = match covered.checked_sub(case.data_blocks) {
                None => (data, covered * case.block()),
                Some(block) => (hash, tree + block * case.block()),
            };
            let path = dir.join(name);
            if self.bit {
                files::flip_bit(&path, offset + prng.below(case.block()), 5);
            } else {
                let mut bytes = files::read(&path);
                let start = usize::try_from(offset).unwrap();
                let end = start + usize::try_from(case.block()).unwrap();
                bytes[start..end].iter_mut().for_each(|byte| *byte = !*byte);
                files::write(&path, &bytes);
            }
        }
    }
}

/// As many as the parity has, which may cover more than data and tree.
fn rounds_of(case: &Case) -> u64 {
    let [_, hash, fec] = case.layout.names();
    let length = |name: &str| {
        case.lengths.iter().find(|(of, _)| *of == name).map_or(0, |(_, length)| *length)
    };
    let end = if hash == fec { case.fec_offset } else { length(hash).max(case.tree_end()) };
    let tree = case.tree_end() - case.hash_blocks() * case.block();
    let blocks = (end / case.block()).saturating_sub(tree / case.block()).max(case.hash_blocks());
    (case.data_blocks + blocks).div_ceil(255 - case.roots)
}

fn try_repair(
    veritysetup: &VeritySetup,
    case: &Case,
    damage: &Damage,
    prng: &mut Prng,
) -> (&'static str, bool) {
    let dir = files::tempdir();
    let dir = dir.path();
    for (name, length) in case.lengths.into_iter().filter(|(_, length)| *length > 0) {
        files::write(&dir.join(name), &prng.bytes(usize::try_from(length).unwrap()));
    }
    let mut format = veritysetup.command();
    let formatted = oracle::run_ok(format.args(case.format_words()).current_dir(dir));
    let root_hash = Header::parse(formatted).root_hash().to_owned();
    let good = contents(dir);
    damage.apply(case, dir, prng);
    let damaged = contents(dir);

    let words = [&case.verify_words(&root_hash)[..], &case.fec_words()].concat();
    let mut theirs = veritysetup.command();
    let theirs = oracle::run(theirs.args(&words).current_dir(dir)).status.success();
    let ours = |command: &str, options: &[&str]| {
        let mut ours = std::process::Command::new(env!("CARGO_BIN_EXE_verity"));
        ours.arg(command).args(&words[1..]).args(options).args(case.own_words());
        oracle::run(ours.current_dir(dir))
    };
    let code = |output: &Output| output.status.code().unwrap();
    let verified = code(&ours("verify", &[]));
    assert!(contents(dir) == damaged, "verify writes nothing");
    let repaired = ours("repair", &["--in-place"]);
    match code(&repaired) {
        0 => {
            assert_eq!(verified, 6, "{repaired:?}");
            assert!(contents(dir) == good, "not what it was: {repaired:?}");
            assert_eq!(code(&ours("verify", &["--all"])), 0);
        }
        1 => {
            assert_eq!(verified, 1, "{repaired:?}");
            for (name, bytes) in contents(dir) {
                for (at, byte) in bytes.iter().enumerate() {
                    let (good, damaged) = (good[&name][at], damaged[&name][at]);
                    assert!(*byte == good || *byte == damaged, "byte {at} of {}", name.display());
                }
            }
        }
        _ => panic!("{repaired:?}"),
    }
    let (most, whole) = (damage.most(case), code(&repaired) == 0);
    let no_tree = damage.blocks.iter().all(|block| *block < case.data_blocks);
    let certain = most <= case.roots && (no_tree || damage.blocks.len() == 1);
    assert!(whole || !certain, "{most} blocks of a round: {repaired:?}");
    // Single bits are mostly in codewords of their own, so that more of them can be recovered.
    assert!(!whole || damage.bit || most <= case.roots, "{most} blocks of a round");
    (if whole { "whole" } else { "beyond repair" }, theirs)
}

fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    names.map(|name| (PathBuf::from(&name), files::read(&dir.join(&name)))).collect()
}
