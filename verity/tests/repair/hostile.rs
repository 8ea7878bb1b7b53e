//! Parity, parameters and damage that are meant to mislead.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Mutex;

use verity::io::{ReadAt, WriteAt};
use verity::{
    BlockRef, BlockSize, Error, FecArea, FecError, Params, RepairSink, Repairer, RootHash,
    TrustedParams, Verifier,
};
use verity_testdata::pattern::Prng;

use super::case::{Checked, Damage, Damages, Disks, Image, Shape, size, some_of};
use crate::definition::slow_parity;

fn image(seed: u64, data_blocks: u64, roots: u32) -> (Prng, Image) {
    let mut prng = Prng::new(seed);
    let image = Image::new(&mut prng, Shape::small(data_blocks, roots));
    (prng, image)
}

/// Replaces blocks by others and makes the parity anew, as those who control all devices can.
fn forge(image: &Image, disks: &mut Disks, prng: &mut Prng, blocks: &[u64]) {
    let damages: Damages = blocks.iter().map(|block| (*block, Damage::Changed)).collect();
    disks.damage(image, prng, &damages);
    let tree = image.hash_area.tree_range();
    let covered = [&disks.data.bytes, &disks.hash.bytes[size(tree.start)..size(tree.end)]].concat();
    disks.fec.bytes = slow_parity(&covered, image.block_size(), size(image.fec_area.roots()));
}

fn beyond(repaired: &verity::Repaired) -> Vec<BlockRef> {
    let report = repaired.beyond.as_ref().expect("something is beyond repair");
    report.corruptions.iter().map(|range| range.first).collect()
}

#[test]
fn f01_parity_made_over_forged_data_makes_it_no_truth() {
    let (mut prng, image) = image(1, 600, 2);
    let mut disks = image.disks();
    forge(&image, &mut disks, &mut prng, &[5]);
    let sink = Checked::new(&image);
    let repaired = disks.repair(&image.repairer(), &sink).unwrap();
    assert_eq!(beyond(&repaired), [BlockRef::Data { block: 5 }]);
    assert_eq!((repaired.repaired_blocks, sink.count()), (0, 0));
    // The parity itself is what it should be.
    let parity = image.repairer().verify_parity(&disks.data, &disks.hash, &disks.fec).unwrap();
    assert!(parity.is_intact());
}

/// A forged hash block with digests of forged data, and parity over all of it.
#[test]
fn f01_forged_hash_blocks_with_their_parity_are_no_truth() {
    let (mut prng, image) = image(2, 600, 4);
    let mut disks = image.disks();
    forge(&image, &mut disks, &mut prng, &[image.hash_number(0, 3), 50]);
    let sink = Checked::new(&image);
    let repaired = disks.repair(&image.repairer(), &sink).unwrap();
    assert_eq!(beyond(&repaired), [BlockRef::Hash { level: 0, block: 3 }]);
    let report = repaired.beyond.unwrap();
    assert_eq!((report.corrupt_blocks, report.unchecked_data_blocks), (1, 16));
    assert_eq!(sink.count(), 0);
}

/// The parity is that of another image, so what it gives back of a forged block is the forgery. A
/// block beside it, which both images have, comes back.
#[test]
fn f02_decoding_to_another_codeword_is_noticed() {
    let (mut prng, image) = image(3, 600, 2);
    let mut disks = image.disks();
    let round = image.round(1);
    forge(&image, &mut disks, &mut prng, &round[3..4]);
    let damages = Damages::from([(round[9], Damage::Changed)]);
    disks.damage(&image, &mut prng, &damages);
    let sink = Checked::new(&image);
    let repaired = disks.repair(&image.repairer(), &sink).unwrap();
    assert_eq!(beyond(&repaired), [BlockRef::Data { block: round[3] }]);
    assert!(sink.seen.into_inner().unwrap().into_iter().eq([round[9]]));
}

/// As many more errors than roots as there can be: whatever the code makes of them, none of it is
/// passed on.
#[test]
fn f02_more_damage_than_the_code_can_take_gives_nothing_wrong() {
    for (seed, roots) in [(4, 2), (5, 3), (6, 4), (7, 24)] {
        let (mut prng, image) = image(seed, 500, roots);
        for extra in 1..=4 {
            let mut disks = image.disks();
            let count = size(roots) + extra;
            let data: Vec<u64> = image.round(0).into_iter().filter(|block| *block < 500).collect();
            let blocks = some_of(&mut prng, &data, count);
            let damages = blocks.iter().map(|block| (*block, Damage::Changed)).collect();
            disks.damage(&image, &mut prng, &damages);
            let sink = Checked::new(&image);
            let repaired = disks.repair(&image.repairer(), &sink).unwrap();
            assert_eq!(sink.count(), 0);
            let report = repaired.beyond.unwrap();
            assert_eq!(report.corrupt_blocks, count as u64);
        }
    }
}

#[test]
fn f03_random_parity_recovers_nothing() {
    let (mut prng, image) = image(8, 600, 8);
    let mut disks = image.disks();
    disks.fec.bytes = prng.bytes(disks.fec.bytes.len());
    let damages = [3, 99, image.hash_number(1, 1)].map(|block| (block, Damage::Changed));
    disks.damage(&image, &mut prng, &damages.into());
    let sink = Checked::new(&image);
    let repaired = disks.repair(&image.repairer(), &sink).unwrap();
    assert_eq!(sink.count(), 0);
    assert_eq!(beyond(&repaired)[0], BlockRef::Hash { level: 1, block: 1 });
}

/// Nothing vouches for the geometry, and parity is that of something else: a few rounds are tried
/// in the whole repair, and it is told how many are not.
#[test]
fn f03_rounds_that_are_not_tried_are_counted() {
    let (mut prng, image) = image(18, 9000, 2);
    let rounds = image.fec_area.rounds();
    assert!(rounds > 30, "{rounds}");
    let (params, root_hash) = (image.params.clone(), image.root_hash);
    let stated =
        TrustedParams::from_unauthenticated_assumptions(params, root_hash, image.hash_area);
    let (data, tree) = (5000..5030, image.hash_number(0, 0)..image.hash_number(0, 12));
    for (lost, is_known) in [
        (data.clone().collect::<Vec<u64>>(), false),
        (data.clone().collect(), true),
        (tree.chain(data).collect(), false),
    ] {
        let mut disks = image.disks();
        disks.fec.bytes = prng.bytes(disks.fec.bytes.len());
        let damages = lost.iter().map(|block| (*block, Damage::Changed)).collect();
        disks.damage(&image, &mut prng, &damages);
        let trusted = if is_known { image.trusted() } else { stated.clone().unwrap() };
        let repairer = Repairer::new(trusted, image.fec_area).unwrap();
        let repaired = disks.repair(&repairer, &()).unwrap();
        assert_eq!(repaired.repaired_blocks, 0);
        assert_eq!(repaired.beyond.unwrap().corrupt_blocks, lost.len() as u64);
        let lost: BTreeSet<u64> = lost.iter().map(|block| block % rounds).collect();
        // Each round has 1 KiB of parity, which is read at the first look and at the second.
        let looks = disks.fec.read.into_inner() / 1024;
        let (untried, count) = (repaired.untried_rounds, lost.len() as u64);
        match is_known {
            true => assert_eq!((untried, looks), (0, 2 * count)),
            false => {
                assert!((2 * 12..=2 * 16).contains(&looks), "{looks}");
                assert_eq!(untried, count - looks / 2);
            }
        }
    }
}

#[test]
fn f03_short_parity_is_an_error_before_any_work() {
    let (_, image) = image(9, 900, 8);
    let len = image.fec.len();
    for kept in [0, 1, len - 1, len - 512] {
        let mut disks = image.disks();
        disks.fec.bytes.truncate(kept);
        let short = disks.repair(&image.repairer(), &()).unwrap_err();
        let is_named = |error: &Error| match error {
            Error::ShortParity { needed, actual, .. } => {
                (*needed, *actual) == (len as u64, kept as u64)
            }
            _ => false,
        };
        assert!(is_named(&short), "{kept}: {short:?}");
        let parity = image.repairer().verify_parity(&disks.data, &disks.hash, &disks.fec);
        assert!(is_named(&parity.unwrap_err()));
        let reader = verity::FecRepair::new(
            image.trusted(),
            image.fec_area,
            &disks.data,
            &disks.hash,
            &disks.fec,
        );
        assert!(is_named(&reader.err().expect("too short")));
        let read = std::sync::atomic::Ordering::Relaxed;
        assert_eq!(disks.data.read.load(read) + disks.hash.read.load(read), 0);
    }
}

#[test]
fn f03_parity_beyond_the_end_or_misaligned_is_refused() {
    let (_, image) = image(10, 600, 2);
    let blocks = image.fec_area.blocks();
    let area = |offset| FecArea::new(&image.params, &image.hash_area, 2, blocks, offset);
    assert!(matches!(area(100), Err(FecError::Unaligned { .. })));
    let disks = image.disks();
    for offset in [512, 1 << 20, 1 << 60] {
        let repairer = Repairer::new(image.trusted(), area(offset).unwrap()).unwrap();
        let refused = disks.repair(&repairer, &());
        assert!(matches!(refused, Err(Error::ShortParity { .. })), "{offset}: {refused:?}");
    }
}

/// Storage that gives few bytes a call: numbers of roots that do not divide a block, chunks of
/// every kind.
#[test]
fn f05_parity_in_chunks_of_any_size_is_the_same() {
    for roots in [17, 19, 21, 23] {
        let (mut prng, image) = image(u64::from(roots), 500, roots);
        let damages: Damages = some_of(&mut prng, &image.round(0)[..100], size(roots))
            .into_iter()
            .map(|block| (block, Damage::Changed))
            .collect();
        for most in [1, 7, size(roots), 100, 511, 512, 513, 5000] {
            let mut disks = image.disks();
            disks.damage(&image, &mut prng, &damages);
            disks.fec.most = most;
            let sink = Checked::new(&image);
            let repaired = disks.repair(&image.repairer(), &sink).unwrap();
            assert_eq!((repaired.beyond, sink.count()), (None, u64::from(roots)), "{most}");
        }
    }
}

#[test]
fn f06_all_roots_one_more_and_everything() {
    for roots in [2, 5, 24] {
        let (mut prng, image) = image(20 + u64::from(roots), 460, roots);
        let data: Vec<u64> = image.round(1).into_iter().filter(|block| *block < 460).collect();
        for count in [size(roots), size(roots) + 1, data.len()] {
            let mut disks = image.disks();
            let blocks = some_of(&mut prng, &data, count);
            let damages = blocks.iter().map(|block| (*block, Damage::Changed)).collect();
            disks.damage(&image, &mut prng, &damages);
            let sink = Checked::new(&image);
            let repaired = disks.repair(&image.repairer(), &sink).unwrap();
            if count == size(roots) {
                assert_eq!((repaired.beyond, sink.count()), (None, count as u64));
            } else {
                assert_eq!(sink.count(), 0);
                assert_eq!(repaired.beyond.unwrap().corrupt_blocks, count as u64);
            }
        }
    }
}

/// Nothing is looked for in the rounds of what is above it, and nothing twice: the reads stay in
/// proportion to the rounds.
#[test]
fn f07_damaged_hash_blocks_and_data_of_their_rounds_cost_a_bounded_number_of_reads() {
    let read = std::sync::atomic::Ordering::Relaxed;
    let (mut prng, image) = image(30, 5000, 8);
    let levels = image.params.geometry().levels().len() as u64;
    let rounds = image.fec_area.rounds();
    for everything in [false, true] {
        let mut damages = Damages::new();
        for level in 0..image.params.geometry().levels().len() {
            let number = image.hash_number(level, 0);
            damages.insert(number, Damage::Changed);
            let round = image.round(number % rounds);
            let mates = if everything { &round[..] } else { &round[..2] };
            damages.extend(mates.iter().map(|block| (*block, Damage::Changed)));
        }
        let mut disks = image.disks();
        disks.damage(&image, &mut prng, &damages);
        let sink = Checked::new(&image);
        let repaired = disks.repair(&image.repairer(), &sink).unwrap();
        assert_eq!(repaired.beyond.is_none(), !everything);
        let blocks = |disk: &super::case::Disk| disk.read.load(read) / 512;
        // One search, and for each pass, of which a level can make one more needed, two looks at
        // each round.
        let passes = levels + 2;
        let data = blocks(&disks.data);
        assert!(data <= 5000 + passes * 2 * 255 * rounds, "{data} blocks of data");
        let parity = blocks(&disks.fec);
        assert!(parity <= passes * 2 * 8 * rounds, "{parity} blocks of parity");
    }
}

/// The reads stay bounded for a single block too.
#[test]
fn f07_one_read_costs_two_looks_at_its_round_and_at_those_above() {
    let read = std::sync::atomic::Ordering::Relaxed;
    let (mut prng, image) = image(31, 5000, 4);
    let levels = image.params.geometry().levels().len();
    let damages = (0..levels).map(|level| image.hash_number(level, 0)).chain([0, 3]);
    let mut disks = image.disks();
    disks.damage(&image, &mut prng, &damages.map(|block| (block, Damage::Changed)).collect());
    let (data, hash, fec) = (&disks.data, &disks.hash, &disks.fec);
    let repair = verity::FecRepair::new(image.trusted(), image.fec_area, data, hash, fec).unwrap();
    let mut bytes = vec![0; 512];
    assert!(verity::Repair::repair(&repair, BlockRef::Data { block: 0 }, &mut bytes).unwrap());
    assert!(bytes == image.data[..512]);
    let steps = levels as u64 + 1;
    let count = disks.data.read.load(read) / 512;
    assert!(count <= steps * 2 * 255, "{count} blocks of data");
    // A row that is classified needs the hash blocks above it.
    let count = disks.hash.read.load(read) / 512;
    assert!(count <= steps * (2 * 255 + 255 * steps), "{count} hash blocks");
}

#[test]
fn wrong_root_hashes_salts_and_roots_recover_nothing() {
    let (mut prng, image) = image(40, 600, 6);
    let mut disks = image.disks();
    disks.damage(&image, &mut prng, &Damages::from([(7, Damage::Changed)]));
    let sink = Checked::new(&image);
    let root_hash: RootHash = "ab".repeat(32).parse().unwrap();
    let wrong = TrustedParams::pinned(image.params.clone(), root_hash, image.hash_area).unwrap();
    let repaired = disks.repair(&Repairer::new(wrong, image.fec_area).unwrap(), &sink).unwrap();
    let top = image.params.geometry().top_level().unwrap();
    assert_eq!(beyond(&repaired), [BlockRef::Hash { level: top, block: 0 }]);
    assert_eq!(repaired.beyond.unwrap().unchecked_data_blocks, 600);

    let block_size = BlockSize::new(512).unwrap();
    let salt = verity::Salt::from_seed("another");
    let params = Params::builder().data_block_size(block_size).hash_block_size(block_size);
    let params = params.data_blocks(600).salt(salt).build().unwrap();
    let wrong = TrustedParams::pinned(params, image.root_hash, image.hash_area).unwrap();
    let repaired = disks.repair(&Repairer::new(wrong, image.fec_area).unwrap(), &sink).unwrap();
    assert_eq!(beyond(&repaired), [BlockRef::Hash { level: top, block: 0 }]);

    // Fewer roots than there are: such parity is long enough, and wrong.
    for roots in 2..6 {
        let area = FecArea::new(&image.params, &image.hash_area, roots, image.fec_area.blocks(), 0)
            .unwrap();
        let repairer = Repairer::new(image.trusted(), area).unwrap();
        let repaired = disks.repair(&repairer, &sink).unwrap();
        assert_eq!(beyond(&repaired), [BlockRef::Data { block: 7 }]);
    }
    // Another number of covered blocks has other rounds.
    let area = FecArea::new(&image.params, &image.hash_area, 2, 900, 0).unwrap();
    let repaired = disks.repair(&Repairer::new(image.trusted(), area).unwrap(), &sink).unwrap();
    assert_eq!(beyond(&repaired), [BlockRef::Data { block: 7 }]);
    assert_eq!(sink.count(), 0);
}

/// More blocks covered than there can be bytes: parity for them on a device that claims to be as
/// long.
#[test]
fn g02_covered_blocks_beyond_64_bits_cost_work_only() {
    struct Endless;
    impl ReadAt for Endless {
        fn len(&self) -> std::io::Result<u64> {
            Ok(u64::MAX)
        }
        fn read_at(&self, buf: &mut [u8], _offset: u64) -> std::io::Result<usize> {
            buf.fill(0x5a);
            Ok(buf.len())
        }
    }
    let (mut prng, image) = image(41, 600, 2);
    let mut disks = image.disks();
    disks.damage(&image, &mut prng, &Damages::from([(7, Damage::Changed)]));
    let area = FecArea::new(&image.params, &image.hash_area, 2, 1 << 61, 0).unwrap();
    let sink = Checked::new(&image);
    let repairer = Repairer::new(image.trusted(), area).unwrap();
    let repaired = repairer.repair(&disks.data, &disks.hash, &Endless, &sink).unwrap();
    assert_eq!(beyond(&repaired), [BlockRef::Data { block: 7 }]);
}

#[test]
fn an_area_for_other_parameters_is_refused() {
    let (_, small) = image(42, 300, 2);
    let (_, large) = image(43, 3000, 2);
    let refused = Repairer::new(large.trusted(), small.fec_area).map(drop);
    assert!(matches!(refused, Err(FecError::Blocks { .. })), "{refused:?}");
}

/// Damaged bytes of the parity cost one root each, in their codewords.
#[test]
fn tampered_parity_is_found_or_costs_its_codewords() {
    let (mut prng, image) = image(44, 600, 4);
    let blocks = |count: usize| -> Damages {
        image.round(0)[..count].iter().map(|block| (*block, Damage::Changed)).collect()
    };
    for (count, comes_back) in [(1, true), (2, true), (4, false)] {
        let mut disks = image.disks();
        disks.damage(&image, &mut prng, &blocks(count));
        // The first equation of a codeword of round 0.
        disks.fec.bytes[4 * 100] ^= 0x10;
        let sink = Checked::new(&image);
        let repaired = disks.repair(&image.repairer(), &sink).unwrap();
        assert_eq!(repaired.beyond.is_none(), comes_back, "{count} blocks");
        assert_eq!(sink.count(), if comes_back { count as u64 } else { 0 });
    }
}

/// Unused bytes of a hash block that are not zero, under a digest that says so: no parity makes
/// that right.
#[test]
fn hash_blocks_with_unused_bytes_are_beyond_repair() {
    let (mut prng, image) = image(45, 600, 4);
    let mut forged = image.clone();
    // The last level-0 hash block has room for more digests than it has.
    let levels = image.params.geometry().levels();
    assert_eq!(levels.len(), 3);
    let mut number = image.hash_number(0, levels[0].blocks - 1);
    let (_, range) = image.place(number);
    forged.hash[range.end - 1] = 1;
    let hasher = verity::internals::BlockHasher::new(&image.params);
    for level in 1..=levels.len() {
        let mut digest = vec![0; 32];
        hasher.hash_many(forged.block(number), 512, &mut digest);
        if level == levels.len() {
            let root_hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            forged.root_hash = root_hash.parse().unwrap();
            break;
        }
        let position = number - image.hash_number(level - 1, 0);
        let slot = image.params.geometry().locate(u8::try_from(level).unwrap(), position);
        number = image.hash_number(level, slot.block);
        let start = image.place(number).1.start + size(slot.offset);
        forged.hash[start..start + 32].copy_from_slice(&digest);
    }
    let mut disks = forged.disks();
    forge(&forged, &mut disks, &mut prng, &[]);
    let sink = Checked::new(&forged);
    let repaired = disks.repair(&forged.repairer(), &sink).unwrap();
    let last = BlockRef::Hash { level: 0, block: levels[0].blocks - 1 };
    assert_eq!((beyond(&repaired), sink.count()), (vec![last], 0));
}

/// Repaired blocks go to where they are read from.
#[test]
fn an_image_can_be_repaired_in_place() {
    struct InPlace<'a>(&'a Image, Mutex<Vec<u8>>, Mutex<Vec<u8>>);
    impl RepairSink for InPlace<'_> {
        fn put(&self, block: BlockRef, bytes: &[u8]) -> std::io::Result<()> {
            let (is_data, range) = self.0.place(self.0.number(block));
            let device = if is_data { &self.1 } else { &self.2 };
            device.write_all_at(bytes, range.start as u64)
        }
    }
    let (mut prng, image) = image(46, 3000, 4);
    let mut damages = Damages::new();
    for round in 0..image.fec_area.rounds() {
        let blocks = some_of(&mut prng, &image.round(round), 2);
        damages.extend(blocks.into_iter().map(|block| (block, Damage::Changed)));
    }
    let top = image.params.geometry().levels().len() - 1;
    damages.insert(image.hash_number(top, 0), Damage::Changed);
    for threads in [1, 4] {
        let mut disks = image.disks();
        disks.damage(&image, &mut prng, &damages);
        let (data, hash) = (Mutex::new(disks.data.bytes), Mutex::new(disks.hash.bytes));
        let place = InPlace(&image, data, hash);
        let repairer = image.repairer().threads(NonZeroUsize::new(threads).unwrap());
        let repaired = repairer.repair(&place.1, &place.2, &image.fec, &place).unwrap();
        assert_eq!(repaired.beyond, None);
        Verifier::new(image.trusted()).verify(&place.1, &place.2).unwrap();
        assert!(*place.1.lock().unwrap() == image.data && *place.2.lock().unwrap() == image.hash);
    }
}
