//! Storage that is another one at the next look.

use std::collections::HashMap;
use std::sync::Mutex;

use verity::{BlockRef, Error};
use verity_testdata::pattern::Prng;
use verity_testdata::reference::Scheme;

use super::{UNTOUCHED, assert_right, corrupt, over, read_block, unreadable};
use crate::adversarial::storage::TwoFaced;
use crate::adversarial::support::{Image, small, usize_of};

fn shared(bytes: &[u8]) -> Mutex<Vec<u8>> {
    Mutex::new(bytes.to_vec())
}

/// Another image with the same parameters, as good as the first but for its root hash.
fn other(image: &Image) -> Image {
    Image::of(&image.scheme, image.data.iter().map(|byte| byte ^ 0x55).collect())
}

#[test]
fn t11_a_tree_that_is_rewritten_is_not_looked_at_while_it_is_cached() {
    let image = Image::new(&small(), 300);
    let other = other(&image);
    for preload in [true, false] {
        let hash = shared(&image.hash);
        let reader = over(&image, &image.data, &hash);
        match preload {
            true => reader.preload().unwrap(),
            false => (0..300).for_each(|block| drop(read_block(&reader, block).unwrap())),
        }
        let before = reader.counters().hash_blocks_read;
        for replaced in [vec![0xff; image.hash.len()], other.hash.clone(), Vec::new()] {
            *hash.lock().unwrap() = replaced;
            (0..300).for_each(|block| assert_right(&image, block, read_block(&reader, block)));
        }
        assert_eq!(reader.counters().hash_blocks_read, before);
    }
}

#[test]
fn t11_what_was_evicted_is_verified_again() {
    let image = Image::new(&small(), 300);
    let other = other(&image);
    let all = super::reader(&image).trusted().params().clone();
    let all = verity::VerifiedReader::<&[u8], &[u8]>::cache_size_for(&all);
    let one = all / image.params.geometry().hash_blocks();
    for blocks in [0, 1, 2, 5] {
        let (data, hash) = (shared(&image.data), shared(&image.hash));
        let reader = over(&image, &data, &hash).cache_size(blocks * one);
        (0..300).for_each(|block| assert_right(&image, block, read_block(&reader, block)));
        // All of another image, whose tree is as consistent as this one.
        *data.lock().unwrap() = other.data.clone();
        *hash.lock().unwrap() = other.hash.clone();
        let mut blamed = 0;
        for block in (0..300).rev() {
            let found = corrupt(read_block(&reader, block));
            blamed += u64::from(found.level().is_some());
        }
        // Only blocks under the last cached hash block are blamed on the data.
        assert!(blamed >= 300 - 16 * blocks, "{blamed} with {blocks}");
        *data.lock().unwrap() = image.data.clone();
        *hash.lock().unwrap() = image.hash.clone();
        (0..300).for_each(|block| assert_right(&image, block, read_block(&reader, block)));
    }
}

/// One hash block of another, consistent image among those of this one, at the time it is read.
#[test]
fn t11_no_hash_block_of_another_image_is_believed_under_cached_ones() {
    let image = Image::new(&small(), 300);
    let other = other(&image);
    for place in image.blocks().filter(|block| block.level().is_some()) {
        let range = image.range(place);
        for cached in [false, true] {
            let hash = shared(&image.hash);
            let reader = over(&image, &image.data, &hash);
            if cached {
                // Everything above it, and it not.
                let beside = (0..300).find(|block| {
                    let mut above = image.ancestors(BlockRef::Data { block: *block });
                    !above.any(|above| above == place)
                });
                beside.into_iter().for_each(|block| drop(read_block(&reader, block).unwrap()));
            }
            hash.lock().unwrap()[range.clone()].copy_from_slice(&other.hash[range.clone()]);
            for block in 0..300 {
                let mut above = image.ancestors(BlockRef::Data { block });
                match above.any(|above| above == place) {
                    true => assert_eq!(corrupt(read_block(&reader, block)), place),
                    false => assert_right(&image, block, read_block(&reader, block)),
                }
            }
        }
    }
}

#[test]
fn g07_storage_that_is_cut_after_it_was_opened() {
    let image = Image::new(&small(), 300);
    let (data, hash) = (shared(&image.data), shared(&image.hash));
    let reader = over(&image, &data, &hash);
    assert_right(&image, 100, read_block(&reader, 100));
    data.lock().unwrap().truncate(200 * 512 + 100);
    let mut bytes = vec![UNTOUCHED; 300 * 512];
    let error = reader.read_at(&mut bytes, 512).unwrap_err();
    assert_eq!(error.verified, 199 * 512);
    assert!(bytes[..199 * 512] == image.data[512..200 * 512]);
    assert!(bytes[199 * 512..].iter().all(|byte| *byte == UNTOUCHED));
    assert_eq!(unreadable::<()>(Err(error.error)), BlockRef::Data { block: 200 });
    assert_eq!(unreadable(read_block(&reader, 299)), BlockRef::Data { block: 299 });

    let (data, hash) = (shared(&image.data), shared(&image.hash));
    let reader = over(&image, &data, &hash);
    assert_right(&image, 100, read_block(&reader, 100));
    let end = hash.lock().unwrap().len();
    hash.lock().unwrap().truncate(end - 13 * 512);
    // 19 blocks at the lowest level: six are there, and number 6, of data block 100, is cached.
    for block in (0..300).rev() {
        match block / 16 {
            0..=6 => assert_right(&image, block, read_block(&reader, block)),
            gone => {
                let gone = BlockRef::Hash { level: 0, block: gone };
                assert_eq!(unreadable(read_block(&reader, block)), gone);
            }
        }
    }
    let error = reader.preload().unwrap_err();
    assert!(matches!(error, Error::Read { block: BlockRef::Hash { level: 0, block: 7 }, .. }));
}

/// D06: good bytes once and bad ones later, or the reverse, for data and tree, whatever the reader
/// remembers.
#[test]
fn d06_bytes_that_change_between_reads_are_never_given_unproved() {
    let image = Image::new(&Scheme { salt: vec![4; 4], ..small() }, 300);
    let (mut bad_data, mut bad_hash) = (image.data.clone(), image.hash.clone());
    bad_data.iter_mut().for_each(|byte| *byte ^= 0x55);
    bad_hash[512..].iter_mut().for_each(|byte| *byte ^= 0x55);
    let seed = verity_testdata::cases::seed();
    let mut prng = Prng::new(seed);
    let (mut right, mut refused) = (0, 0);
    for case in 0..400 {
        let mut schedule = |blocks: u64| -> HashMap<usize, Vec<bool>> {
            let some = prng.below(blocks / 8);
            let mut random = || {
                let first = prng.one_in(2);
                (usize_of(prng.below(blocks)), vec![first, !first, first])
            };
            (0..some).map(|_| random()).collect()
        };
        let data = TwoFaced::new(&image.data, &bad_data, 512, schedule(300));
        let hash = TwoFaced::new(&image.hash, &bad_hash, 512, schedule(24));
        let bound = *prng.pick(&[0, 1000, 3000, u64::MAX]);
        let reader = over(&image, &data, &hash).cache_size(bound);
        for _ in 0..60 {
            let (offset, len) = (prng.below(300 * 512), prng.range(1..=6000));
            let mut bytes = vec![UNTOUCHED; usize_of(len)];
            let start = usize_of(offset);
            let len = bytes.len().min(image.data.len() - start);
            let verified = match reader.read_at(&mut bytes, offset) {
                Ok(size) => {
                    right += 1;
                    assert_eq!(size, len, "seed {seed:#x} case {case}");
                    size
                }
                Err(error) => {
                    refused += 1;
                    assert!(data.lied() || hash.lied(), "seed {seed:#x} case {case}");
                    corrupt::<()>(Err(error.error));
                    error.verified
                }
            };
            let expected = &image.data[start..start + verified];
            assert!(bytes[..verified] == *expected, "seed {seed:#x} case {case}: wrong bytes");
            assert!(bytes[verified..].iter().all(|byte| *byte == UNTOUCHED));
        }
    }
    assert!(right > 1000 && refused > 1000, "{right} right, {refused} refused");
}

/// What `check_at_most_once` gives up, and what it does not.
#[test]
fn d09_checked_once_is_believed_for_ever_and_nothing_else_is() {
    let image = Image::new(&small(), 300);
    let (data, hash) = (shared(&image.data), shared(&image.hash));
    let reader = over(&image, &data, &hash).check_at_most_once(true).cache_size(0);
    let always = over(&image, &data, &hash);
    for block in [3, 4, 5, 77] {
        assert_right(&image, block, read_block(&reader, block));
    }
    assert_eq!(reader.counters().unchecked_data_blocks, 0);
    data.lock().unwrap().iter_mut().for_each(|byte| *byte ^= 0x55);
    for block in 0..300 {
        let bad = BlockRef::Data { block };
        match block {
            3 | 4 | 5 | 77 => {
                let changed: Vec<u8> = image.bytes(bad).iter().map(|byte| byte ^ 0x55).collect();
                assert_eq!(read_block(&reader, block).unwrap(), changed);
            }
            _ => assert_eq!(corrupt(read_block(&reader, block)), bad),
        }
        assert_eq!(corrupt(read_block(&always, block)), bad);
    }
    // A corrupt block has not been checked, however often it was met.
    assert_eq!(corrupt(read_block(&reader, 6)), BlockRef::Data { block: 6 });
    assert_eq!(reader.counters().unchecked_data_blocks, 4);
    // Hash blocks are always checked, also above blocks that are not.
    hash.lock().unwrap()[600..].iter_mut().for_each(|byte| *byte ^= 0x55);
    assert_eq!(corrupt(read_block(&reader, 3)), BlockRef::Hash { level: 2, block: 0 });
    *hash.lock().unwrap() = image.hash.clone();
    *data.lock().unwrap() = image.data.clone();
    (0..300).for_each(|block| assert_right(&image, block, read_block(&reader, block)));
}

/// A block that came from a repair was not right in the storage: it is not "checked once".
#[test]
fn d09_a_repaired_block_is_checked_again() {
    struct Once(Mutex<Option<Vec<u8>>>);

    impl verity::Repair for Once {
        fn repair(&self, _block: BlockRef, bytes: &mut [u8]) -> std::io::Result<bool> {
            let Some(good) = self.0.lock().expect("no panic").take() else { return Ok(false) };
            bytes.copy_from_slice(&good);
            Ok(true)
        }
    }

    let mut image = Image::new(&small(), 300);
    let good = image.clone();
    let bad = BlockRef::Data { block: 9 };
    image.spoil(bad);
    let once = Once(Mutex::new(Some(good.bytes(bad).to_vec())));
    let reader = over(&image, &image.data, &image.hash).check_at_most_once(true);
    let reader = reader.repair(std::sync::Arc::new(once));
    assert_right(&good, 9, read_block(&reader, 9));
    assert_eq!(corrupt(read_block(&reader, 9)), bad);
    let counters = reader.counters();
    assert_eq!((counters.repairs, counters.corruptions), (1, 2));
}
