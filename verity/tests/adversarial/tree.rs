//! Attacks `t` of `docs/ATTACKS.md`: hash trees that are wrong in every place.

use verity::{Algorithm, BlockRef, Corruption, Error, HashType, Params, TrustedParams, Verifier};
use verity_testdata::pattern::painted;
use verity_testdata::reference::Scheme;

use super::support::{Image, listed, only, report, root, small, usize_of};

#[test]
fn t04_spare_bytes_must_be_zero_although_every_digest_above_is_right() {
    // sha1 in hash blocks of 512 bytes: type 1 leaves 12 bytes in every slot, type 0 has 192 behind
    // the slots. The last hash block of each level has empty slots besides.
    for hash_type in [0, 1] {
        let scheme = Scheme { algorithm: "sha1".to_owned(), hash_type, ..small() };
        let good = Image::new(&scheme, 40);
        let slot_size = usize::try_from(good.params.geometry().slot_size()).unwrap();
        for block in good.blocks().filter(|block| block.level().is_some()) {
            let level = good.params.geometry().levels()[usize::from(block.level().unwrap())];
            let slots = usize::try_from((level.hashes - block.block() * 16).min(16)).unwrap();
            let spare =
                (0..512).filter(|byte| byte % slot_size >= 20 || *byte >= slots * slot_size);
            for byte in spare {
                let mut image = good.clone();
                image.bytes_mut(block)[byte] = 1;
                image.rehash_above(block);
                let expected = Corruption::SpareBytes { offset: byte as u64 };
                assert_eq!(only(&report(image.verify_all())), (block, expected));
                assert_eq!(report(image.verify()).corruptions[0].first, block);
            }
        }
    }
}

/// The digest of such a block is right, so what it says of the blocks under it can be relied on.
#[test]
fn t04_blocks_under_a_hash_block_with_spare_bytes_are_still_checked() {
    let mut image = Image::new(&small(), 40);
    let last = BlockRef::Hash { level: 0, block: 2 };
    *image.bytes_mut(last).last_mut().unwrap() = 1;
    image.rehash_above(last);
    image.spoil(BlockRef::Data { block: 39 });
    let report = report(image.verify_all());
    assert_eq!(listed(&report), [last, BlockRef::Data { block: 39 }]);
    assert_eq!(report.unchecked_data_blocks, 0);
}

#[test]
fn t05_two_subtrees_swapped_with_their_data() {
    let mut image = Image::new(&small(), 300);
    let (one, other) =
        (BlockRef::Hash { level: 0, block: 3 }, BlockRef::Hash { level: 0, block: 9 });
    let (one_range, other_range) = (image.range(one), image.range(other));
    let bytes = image.hash[one_range.clone()].to_vec();
    image.hash.copy_within(other_range.clone(), one_range.start);
    image.hash[other_range].copy_from_slice(&bytes);
    let half = 16 * 512;
    let data = image.data[3 * half..4 * half].to_vec();
    image.data.copy_within(9 * half..10 * half, 3 * half);
    image.data[9 * half..10 * half].copy_from_slice(&data);
    let report = report(image.verify_all());
    assert_eq!(listed(&report), [one, other]);
    assert_eq!(report.unchecked_data_blocks, 32);
}

#[test]
fn t06_d02_a_block_of_another_place_zeros_or_noise_is_found_at_its_index_only() {
    let good = Image::new(&small(), 300);
    let noise = painted(512);
    for block in [0, 1, 15, 16, 150, 298, 299] {
        let place = BlockRef::Data { block };
        let neighbour = good.bytes(BlockRef::Data { block: (block + 1) % 300 }).to_vec();
        for bytes in [&neighbour, &vec![0; 512], &noise] {
            let mut image = good.clone();
            image.bytes_mut(place).copy_from_slice(bytes);
            assert_eq!(only(&report(image.verify_all())).0, place);
        }
    }
}

#[test]
fn t07_hash_blocks_of_another_level_are_found_where_they_lie() {
    let good = Image::new(&small(), 300);
    let top = BlockRef::Hash { level: 2, block: 0 };
    let (middle, low) =
        (BlockRef::Hash { level: 1, block: 0 }, BlockRef::Hash { level: 0, block: 0 });
    for (from, to) in [(low, middle), (middle, low), (low, top), (top, low), (middle, top)] {
        let mut image = good.clone();
        let range = image.range(from);
        let start = image.range(to).start;
        image.hash.copy_within(range, start);
        assert_eq!(only(&report(image.verify_all())).0, to);
    }
}

#[test]
fn t10_every_algorithm_type_and_salt_is_told_from_the_other_type() {
    for algorithm in Algorithm::ALL {
        for salt in [0, 1, 32, 63, 64, 65, 255, 256] {
            for hash_type in [0, 1] {
                let scheme = Scheme {
                    algorithm: algorithm.name().to_owned(),
                    hash_type,
                    salt: painted(salt),
                    ..small()
                };
                let image = Image::new(&scheme, 20);
                image.verify().unwrap();
                let other = match image.params.hash_type() {
                    HashType::ChromeOs => HashType::Normal,
                    _ => HashType::ChromeOs,
                };
                let mixed = Params::builder()
                    .algorithm(*algorithm)
                    .hash_type(other)
                    .data_block_size(image.params.data_block_size())
                    .hash_block_size(image.params.hash_block_size())
                    .salt(image.params.salt().clone())
                    .data_blocks(20)
                    .build()
                    .unwrap();
                let trusted = TrustedParams::pinned(mixed, image.root_hash, image.area).unwrap();
                let result = Verifier::new(trusted).verify(&image.data, &image.hash);
                // E11: without salt, and with digests that fill their slots, both types are one.
                let same = salt == 0 && algorithm.digest_size().is_power_of_two();
                assert_eq!(result.is_ok(), same, "{scheme:?}");
            }
        }
    }
}

#[test]
fn t12_one_block_needs_no_tree_and_no_hash_device() {
    for hash_type in [0, 1] {
        let mut image = Image::new(&Scheme { hash_type, salt: vec![1; 32], ..small() }, 1);
        assert_eq!(image.levels(), 0);
        for hash in [vec![], vec![0xff; 100], vec![0; 4096]] {
            image.hash = hash;
            let verified = image.verify().unwrap();
            assert_eq!((verified.data_blocks, verified.hash_blocks), (1, 0));
        }
        image.spoil(BlockRef::Data { block: 0 });
        assert_eq!(only(&report(image.verify())).0, BlockRef::Data { block: 0 });
        assert_eq!(only(&report(image.verify_all())).0, BlockRef::Data { block: 0 });
    }
}

/// Every bit of the tree: the very block is named, and no data is blamed for it.
#[test]
fn t14_every_flipped_bit_of_the_tree_names_its_hash_block() {
    for (hash_type, algorithm, data_blocks) in
        [(0, "sha256", 2), (1, "sha256", 8), (1, "sha1", 20), (0, "sha1", 40), (1, "sha256", 300)]
    {
        let scheme = Scheme { hash_type, algorithm: algorithm.to_owned(), ..small() };
        let mut image = Image::new(&scheme, data_blocks);
        let verifier = Verifier::new(image.pinned());
        // All bits of the small ones, a bit of every third byte of the large one.
        let step = if data_blocks < 300 { 1 } else { 25 };
        for block in image.blocks().filter(|block| block.level().is_some()).collect::<Vec<_>>() {
            for bit in (0..512 * 8).step_by(step) {
                image.bytes_mut(block)[bit / 8] ^= 1 << (bit % 8);
                let report = report(verifier.verify(&image.data, &image.hash));
                assert!(
                    matches!(only(&report), (found, Corruption::Digest { .. }) if found == block)
                );
                image.bytes_mut(block)[bit / 8] ^= 1 << (bit % 8);
            }
        }
        verifier.verify(&image.data, &image.hash).unwrap();
    }
}

/// The defect that is told of in other tools: damage to the tree reported as damage to the data.
#[test]
fn a_corrupt_hash_block_is_never_blamed_on_the_data_under_it() {
    let good = Image::new(&small(), 300);
    for block in good.blocks().filter(|block| block.level().is_some()) {
        let mut image = good.clone();
        image.spoil(block);
        let under: Vec<_> = image
            .blocks()
            .filter(|below| image.ancestors(*below).any(|above| above == block))
            .collect();
        // Whatever lies under it, damaged or not.
        for below in under.iter().step_by(7) {
            image.spoil(*below);
        }
        let report = report(image.verify_all());
        assert_eq!(only(&report).0, block);
        let data = under.iter().filter(|below| below.level().is_none()).count();
        assert_eq!(report.unchecked_data_blocks, data as u64);
    }
}

#[test]
fn a_report_states_the_digest_that_is_expected_and_the_one_there_is() {
    let mut image = Image::new(&Scheme { salt: vec![9; 8], ..small() }, 20);
    let block = BlockRef::Data { block: 17 };
    let digest = |image: &Image| {
        let digest = verity_testdata::reference::hash_block(&image.scheme, image.bytes(block));
        verity::Digest::new(&digest).unwrap()
    };
    let expected = digest(&image);
    image.spoil(block);
    let actual = digest(&image);
    let report = report(image.verify());
    assert_eq!(only(&report), (block, Corruption::Digest { expected, actual }));
    let text = Error::Corrupt(report).to_string();
    let wanted = format!(
        "data block 17 is corrupt: expected digest {expected}, actual {actual}; there may be more"
    );
    assert_eq!(text, wanted);
}

/// A digest that is right but for its last byte, or any other, is wrong.
#[test]
fn digests_are_compared_whole() {
    for algorithm in ["sha1", "sha256", "sha512"] {
        let scheme = Scheme { algorithm: algorithm.to_owned(), ..small() };
        let good = Image::new(&scheme, 70);
        let digest_size = usize_of(good.params.geometry().digest_size().into());
        for block in good.blocks() {
            let Some(parent) = good.parent(block) else { continue };
            let level = parent.level().unwrap();
            let slot = good.params.geometry().locate(level, block.block()).offset;
            for byte in [0, digest_size / 2, digest_size - 1] {
                // What the parent says differs in one byte, and the root hash vouches for the
                // parent.
                let mut image = good.clone();
                image.bytes_mut(parent)[usize_of(slot.into()) + byte] ^= 1;
                image.rehash_above(parent);
                assert_eq!(only(&report(image.verify_all())).0, block, "{algorithm} byte {byte}");
            }
        }
        for byte in 0..digest_size {
            let mut image = good.clone();
            let mut root_hash = good.root_hash.digest().as_bytes().to_vec();
            root_hash[byte] ^= 1;
            image.root_hash = root(&root_hash);
            let top = image.blocks().next().unwrap();
            assert_eq!(only(&report(image.verify())).0, top, "{algorithm} byte {byte}");
        }
    }
}
