//! Attacks `d` of `docs/ATTACKS.md`: data that is wrong in every place, too short, too long, or
//! different at the next look.

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;

use verity::{BlockRef, Corruption, Error, Report, Verifier};
use verity_testdata::pattern::Prng;
use verity_testdata::reference::Scheme;

use super::storage::{BadSector, Counting, TwoFaced};
use super::support::{Image, listed, only, report, small, threads, usize_of};

#[test]
fn d01_every_flipped_bit_of_small_images_names_its_block() {
    for hash_type in [0, 1] {
        for data_blocks in [1, 2, 8] {
            let mut image = Image::new(&Scheme { hash_type, ..small() }, data_blocks);
            let verifier = Verifier::new(image.pinned());
            for bit in 0..image.data.len() * 8 {
                image.data[bit / 8] ^= 1 << (bit % 8);
                let found = only(&report(verifier.verify(&image.data, &image.hash)));
                let block = BlockRef::Data { block: bit as u64 / (512 * 8) };
                assert!(matches!(found, (first, Corruption::Digest { .. }) if first == block));
                image.data[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }
}

#[test]
fn d01_sampled_bits_of_a_larger_image_name_their_block() {
    let mut image = Image::new(&small(), 129);
    let verifier = Verifier::new(image.pinned());
    for bit in (0..image.data.len() * 8).step_by(61) {
        image.data[bit / 8] ^= 1 << (bit % 8);
        let block = BlockRef::Data { block: bit as u64 / (512 * 8) };
        assert_eq!(only(&report(verifier.verify(&image.data, &image.hash))).0, block);
        image.data[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn g07_data_shorter_than_its_blocks_is_refused_and_never_filled_with_zeros() {
    // The last block is zeros, so that one filled with zeros would verify.
    let mut data = Image::new(&small(), 20).data;
    let end = data.len();
    data[end - 512..].fill(0);
    let image = Image::of(&small(), data);
    image.verify().unwrap();
    for missing in [1, 511, 512, 513] {
        let short = &image.data[..end - missing];
        for result in [
            Verifier::new(image.pinned()).verify(short, &image.hash),
            Verifier::new(image.pinned()).verify_all(short, &image.hash),
            Verifier::new(image.pinned()).ignore_zero_blocks(true).verify(short, &image.hash),
        ] {
            let needed = end as u64;
            let expected = needed - missing as u64;
            assert!(
                matches!(result, Err(Error::ShortData { needed: n, actual })
                    if (n, actual) == (needed, expected)),
                "{result:?}"
            );
        }
    }
}

#[test]
fn g08_bytes_after_the_last_block_are_neither_read_nor_verified() {
    let image = Image::new(&small(), 20);
    let mut longer = image.data.clone();
    longer.extend([0xee; 700]);
    let data = Counting::new(&longer);
    Verifier::new(image.pinned()).verify(&data, &image.hash).unwrap();
    data.assert_once(0..image.data.len());
}

#[test]
fn g03_a_hash_device_that_ends_in_the_tree_is_refused() {
    let image = Image::new(&small(), 300);
    let end = image.hash.len();
    for missing in [1, 512, end] {
        let result =
            Verifier::new(image.pinned()).verify(&image.data, &image.hash[..end - missing]);
        let Err(Error::ShortHashArea { needed, actual }) = result else { panic!("{result:?}") };
        assert_eq!((needed, actual), (end as u64, (end - missing) as u64));
    }
}

#[test]
fn d06_every_hash_block_and_every_data_block_is_read_once() {
    for data_blocks in [1, 2, 16, 17, 300, 5000] {
        let image = Image::new(&small(), data_blocks);
        let tree = image.area.tree_range();
        let tree = usize_of(tree.start)..usize_of(tree.end);
        for all in [false, true] {
            let (data, hash) = (Counting::new(&image.data), Counting::new(&image.hash));
            let verifier = Verifier::new(image.pinned()).threads(threads(3));
            let verified =
                if all { verifier.verify_all(&data, &hash) } else { verifier.verify(&data, &hash) };
            verified.unwrap();
            data.assert_once(0..image.data.len());
            hash.assert_once(tree.clone());
        }
    }
}

#[test]
fn d06_also_where_the_tree_is_larger_than_what_is_held_of_it() {
    // 8192 hash blocks of 512 bytes fill a wave of 4 MiB; these are 10,000 at the lowest level.
    let scheme = Scheme { algorithm: "sha512".to_owned(), ..small() };
    let image = Image::new(&scheme, 80_000);
    let tree = image.area.tree_range();
    let (data, hash) = (Counting::new(&image.data), Counting::new(&image.hash));
    Verifier::new(image.pinned()).threads(threads(3)).verify_all(&data, &hash).unwrap();
    data.assert_once(0..image.data.len());
    hash.assert_once(usize_of(tree.start)..usize_of(tree.end));
}

/// Who controls the storage may show good bytes once and bad ones later, or the reverse.
#[test]
fn d06_bytes_that_change_between_reads_are_never_taken_for_verified() {
    let image = Image::new(&small(), 300);
    let (mut bad_data, mut bad_hash) = (image.data.clone(), image.hash.clone());
    bad_data.iter_mut().for_each(|byte| *byte ^= 0x55);
    bad_hash[512..].iter_mut().for_each(|byte| *byte ^= 0x55);
    let seed = verity_testdata::cases::seed();
    let mut prng = Prng::new(seed);
    let (mut intact, mut corrupt) = (0, 0);
    for case in 0..600 {
        let mut schedule = |blocks: u64| -> HashMap<usize, Vec<bool>> {
            let some = prng.below(3);
            (0..some)
                .map(|_| {
                    let first = prng.one_in(2);
                    (usize_of(prng.below(blocks)), vec![first, !first, first])
                })
                .collect()
        };
        let data = TwoFaced::new(&image.data, &bad_data, 512, schedule(300));
        let hash = TwoFaced::new(&image.hash, &bad_hash, 512, schedule(23));
        let verifier = Verifier::new(image.pinned()).threads(threads(2));
        let result = if case % 2 == 0 {
            verifier.verify(&data, &hash)
        } else {
            verifier.verify_all(&data, &hash)
        };
        let lied = data.lied() || hash.lied();
        match result {
            Ok(_) => {
                assert!(!lied, "seed {seed:#x} case {case}: bad bytes were taken for good");
                intact += 1;
            }
            Err(Error::Corrupt(_)) => {
                assert!(lied, "seed {seed:#x} case {case}: good bytes were refused");
                corrupt += 1;
            }
            Err(error) => panic!("seed {seed:#x} case {case}: {error}"),
        }
    }
    assert!(intact > 50 && corrupt > 50, "{intact} intact, {corrupt} corrupt");
}

/// A device with `ignore_zero_blocks` shows zeros without a look; so garbage there is found only
/// without.
#[test]
fn t08_ignored_zero_blocks_are_counted_and_not_looked_at() {
    let mut data = Image::new(&small(), 300).data;
    for block in [0, 5, 6, 299] {
        data[block * 512..(block + 1) * 512].fill(0);
    }
    let mut image = Image::of(&Scheme { salt: vec![2; 5], ..small() }, data);
    image.spoil(BlockRef::Data { block: 5 });
    image.spoil(BlockRef::Data { block: 299 });
    let ignoring = Verifier::new(image.pinned()).ignore_zero_blocks(true);
    for verified in [
        ignoring.verify(&image.data, &image.hash).unwrap(),
        ignoring.verify_all(&image.data, &image.hash).unwrap(),
    ] {
        assert_eq!((verified.data_blocks, verified.zero_blocks), (296, 4));
    }
    let looked = [BlockRef::Data { block: 5 }, BlockRef::Data { block: 299 }];
    assert_eq!(listed(&report(image.verify_all())), looked);
    // A block that is not zero by its digest is checked, also when zeros lie there now.
    let place = BlockRef::Data { block: 7 };
    image.bytes_mut(place).fill(0);
    assert_eq!(only(&report(ignoring.verify_all(&image.data, &image.hash))).0, place);
}

#[test]
fn t08_a_run_of_ignored_zero_blocks_is_not_read_at_all() {
    let mut data = vec![0; 2 << 20];
    data[0] = 1;
    let image = Image::of(&small(), data);
    let data = Counting::new(&image.data);
    let verifier = Verifier::new(image.pinned()).ignore_zero_blocks(true);
    assert_eq!(verifier.verify(&data, &image.hash).unwrap().zero_blocks, 4095);
    // One run of a quarter of a MiB holds the only other block.
    data.assert_once(0..256 * 1024);
}

/// The lowest bad block is reported, or all of them, whatever the other threads met meanwhile.
#[test]
fn d11_a_bad_sector_is_an_error_that_names_its_block() {
    let image = Image::new(&small(), 9000);
    for broken in [vec![0], vec![8999], vec![1024, 1025, 4000], vec![3000, 5000, 7000], vec![1023]]
    {
        for round in 0..40 {
            let data = BadSector {
                bytes: &image.data,
                broken: broken.iter().map(|block| block * 512..block * 512 + 512).collect(),
                slow: round / 2,
                failing: AtomicUsize::new(0),
            };
            let verifier = Verifier::new(image.pinned()).threads(threads(8));
            if round % 2 == 0 {
                let result = verifier.verify(&data, &image.hash);
                let Err(Error::Read { block: BlockRef::Data { block }, source }) = result else {
                    panic!("{result:?}");
                };
                assert_eq!((block, source.raw_os_error()), (broken[0], Some(5)));
            } else {
                let result = verifier.verify_all(&data, &image.hash);
                let Err(Error::Unreadable(report)) = result else { panic!("{result:?}") };
                assert_eq!(unreadable_blocks(&report), broken);
            }
        }
    }
}

fn unreadable_blocks(report: &Report) -> Vec<u64> {
    let blocks = report.corruptions.iter().flat_map(|range| {
        let BlockRef::Data { block } = range.first else { panic!("{range:?}") };
        assert!(matches!(range.corruption, Corruption::Unreadable { .. }), "{range:?}");
        block..block + range.blocks
    });
    blocks.collect()
}

#[test]
fn d11_a_bad_sector_in_the_tree_names_its_block() {
    let image = Image::new(&small(), 300);
    for place in image.blocks().filter(|block| block.level().is_some()) {
        let range = image.range(place);
        let broken = std::iter::once(range.start as u64..range.end as u64).collect();
        let hash = BadSector { bytes: &image.hash, broken, slow: 0, failing: AtomicUsize::new(0) };
        for _ in 0..3 {
            let result =
                Verifier::new(image.pinned()).threads(threads(8)).verify(&image.data, &hash);
            let Err(Error::Read { block, .. }) = result else { panic!("{result:?}") };
            assert_eq!(block, place);
        }
    }
}
