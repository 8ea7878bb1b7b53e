//! Random edits, held against a slow twin and against an installation of everything.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;

use verity::io::ReadAt;
use verity_testdata::cases;
use verity_testdata::pattern::Prng;

use super::edits;
use super::support::{BLOCK, Counting, Image, Installed, Judged, install, settings};

/// What the twin says of an update.
#[derive(Debug, Default, PartialEq, Eq)]
struct Expected {
    in_place: u64,
    zero: u64,
    copied: u64,
    moved: u64,
    repeated: u64,
    fetched: u64,
}

/// Looks for each block in the plainest way.
fn twin(new: &[u8], slot: &[u8], seeds: &[Vec<u8>], chunk: usize) -> Expected {
    let seeds: HashSet<&[u8]> = seeds.iter().flat_map(|seed| seed.chunks_exact(BLOCK)).collect();
    let last: HashMap<&[u8], usize> =
        slot.chunks_exact(BLOCK).enumerate().map(|(number, block)| (block, number)).collect();
    let slot: Vec<_> = slot.chunks_exact(BLOCK).collect();
    let (mut seen, mut expected) = (HashSet::new(), Expected::default());
    let new: Vec<_> = new.chunks_exact(BLOCK).collect();
    for (number, block) in new.iter().enumerate() {
        let stays = |there: &usize| {
            *there / chunk >= number / chunk
                || (slot[*there] == new.get(*there).copied().unwrap_or_default())
        };
        let is_first = seen.insert(*block);
        let count = if slot.get(number) == Some(block) {
            &mut expected.in_place
        } else if block.iter().all(|byte| *byte == 0) {
            &mut expected.zero
        } else if seeds.contains(block) {
            &mut expected.copied
        } else if last.get(block).is_some_and(stays) {
            &mut expected.moved
        } else if is_first {
            &mut expected.fetched
        } else {
            &mut expected.repeated
        };
        *count += 1;
    }
    expected
}

#[test]
fn u01_any_edit_from_any_seed_is_the_image_and_fetches_what_is_missing_alone() {
    let seed = cases::seed();
    for case in 0..u64::from(cases::cases(500)) {
        let prng = &mut Prng::new(seed ^ case.wrapping_mul(0x9e37_79b9));
        println!("VERITY_TEST_SEED={seed} case {case}");
        let old = edits::image(prng);
        let new = Image::new(edits::edited(&old, prng), "new", prng.one_in(2));
        let seeds: Vec<_> = (0..prng.below(3)).map(|_| edits::edited(&old, prng)).collect();
        let mut slot = if prng.one_in(2) { edits::edited(&old, prng) } else { Vec::new() };
        slot.resize(slot.len().max(new.data.len()) + BLOCK * prng.index(3), 0);
        let hash = match prng.below(3) {
            0 => Image::new(old.clone(), "new", true).hash,
            1 => new.hash.clone(),
            _ => Vec::new(),
        };
        let room = hash.len().max(new.hash.len());
        let hash: Vec<_> = hash.into_iter().chain(std::iter::repeat(0)).take(room).collect();
        let expected = twin(&new.data, &slot, &seeds, 16);
        let one = check(&new, &slot, &hash, &seeds, &expected, 1);
        if case % 10 == 0 {
            assert_eq!(one, check(&new, &slot, &hash, &seeds, &expected, 3), "threads");
        }
    }
}

fn check(
    new: &Image,
    slot: &[u8],
    hash: &[u8],
    seeds: &[Vec<u8>],
    expected: &Expected,
    threads: usize,
) -> Installed {
    let (source, source_hash) = (Counting::new(&new.data), Counting::new(&new.hash));
    let (data, tree) = (Judged::data(new, slot.to_vec()), Judged::hash(new, hash.to_vec()));
    let seeds: Vec<&dyn ReadAt> = seeds.iter().map(|seed| seed as &dyn ReadAt).collect();
    let devices = (&data, &tree);
    let done = install(new, (&source, &source_hash), &seeds, devices, &settings(threads)).unwrap();
    let counts = done.counts;
    let told = Expected {
        in_place: counts.in_place,
        zero: counts.zero,
        copied: counts.copied,
        moved: counts.moved,
        repeated: counts.repeated,
        fetched: counts.fetched,
    };
    assert_eq!(told, *expected);
    assert_eq!(source.read.load(Ordering::Relaxed), counts.fetched * BLOCK as u64);
    assert_eq!(source.requests.load(Ordering::Relaxed), counts.requests);
    assert_eq!(done.applied.fetched_bytes, counts.request_bytes);
    assert_eq!(done.applied.changed_blocks, 0, "nothing changed meanwhile");
    assert_eq!(source_hash.read.load(Ordering::Relaxed), done.tree_bytes);
    assert_eq!(data.written() + tree.written(), done.applied.written_bytes);
    assert_eq!(data.written(), (counts.blocks - counts.in_place) * BLOCK as u64);
    let (data, tree) = (data.device.into_bytes(), tree.device.into_bytes());
    assert!(data[..new.data.len()] == new.data && tree[..new.hash.len()] == new.hash);
    assert!(data[new.data.len()..] == slot[new.data.len()..], "nothing behind it is written");
    assert!(new.is_in(&data, &tree));
    again(new, data, tree);
    done
}

/// Done again, nothing is fetched and no block of the data is written.
fn again(new: &Image, data: Vec<u8>, tree: Vec<u8>) {
    let (source, source_hash) = (Counting::new(&new.data), Counting::new(&new.hash));
    let (data, tree) = (Judged::data(new, data), Judged::hash(new, tree));
    let done = install(new, (&source, &source_hash), &[], (&data, &tree), &settings(1)).unwrap();
    assert_eq!(done.counts.in_place, done.counts.blocks);
    assert_eq!((done.tree_bytes, data.written()), (0, 0));
    assert_eq!(source.requests.load(Ordering::Relaxed), 0);
}
