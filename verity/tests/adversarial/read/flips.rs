//! T14, D01: every single bit of data, tree, salt and root hash.

use verity::{BlockRef, Salt, TrustedParams, VerifiedReader};
use verity_testdata::reference::Scheme;

use super::{assert_right, corrupt, read_block, reader};
use crate::adversarial::support::{Image, small, usize_of};

/// Both types, digests that fill their slots and that do not, with salt and without.
fn schemes() -> Vec<Scheme> {
    vec![
        small(),
        Scheme { hash_type: 0, algorithm: "sha1".to_owned(), salt: vec![3; 5], ..small() },
        Scheme { algorithm: "sha384".to_owned(), salt: vec![7; 32], ..small() },
    ]
}

/// Flips every bit of a block in turn, and reads the data blocks that `reads` says for that bit.
fn flip_all<R: Iterator<Item = u64>>(
    good: &Image,
    block: BlockRef,
    reads: impl Fn(usize, &[u64]) -> R,
) {
    let mut image = good.clone();
    let is_under = |data: &u64| {
        let data = BlockRef::Data { block: *data };
        data == block || good.ancestors(data).any(|above| above == block)
    };
    let under: Vec<u64> = (0..good.params.data_blocks()).filter(is_under).collect();
    assert!(!under.is_empty());
    for bit in 0..image.bytes(block).len() * 8 {
        image.bytes_mut(block)[bit / 8] ^= 1 << (bit % 8);
        // Each reader knows nothing yet; every other one also remembers nothing.
        let reader = reader(&image).cache_size([0, u64::MAX][bit % 2]);
        for data in reads(bit, &under) {
            match under.binary_search(&data) {
                Ok(_) => assert_eq!(corrupt(read_block(&reader, data)), block, "bit {bit}"),
                Err(_) => assert_right(good, data, read_block(&reader, data)),
            }
        }
        image.bytes_mut(block)[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn t14_d01_every_flipped_bit_of_small_images_fails_the_reads_it_affects_and_no_other() {
    for scheme in schemes() {
        for data_blocks in [1, 2, 3, 8, 17] {
            let image = Image::new(&scheme, data_blocks);
            for block in image.blocks() {
                flip_all(&image, block, |_, _| 0..data_blocks);
            }
        }
    }
}

/// Every bit; all reads for some, and for the others the affected blocks at both ends and those
/// beside them.
#[test]
fn t14_d01_every_flipped_bit_of_larger_images() {
    let image = Image::new(&schemes()[1], 131);
    for block in image.blocks() {
        flip_all(&image, block, |bit, under| {
            let (first, last) = (under[0], under[under.len() - 1]);
            let all = bit.is_multiple_of(67).then_some(0..131);
            let few = [first.checked_sub(1), Some(first), Some(last), Some(last + 1)];
            let few = few.into_iter().flatten().filter(|block| *block < 131);
            few.chain(all.into_iter().flatten())
        });
    }
}

/// With another salt or root hash the top block is not right, and so nothing is.
#[test]
fn t14_every_flipped_bit_of_salt_and_root_hash() {
    for data_blocks in [1, 2, 17, 131] {
        let scheme = Scheme { salt: (0..=255).collect(), ..small() };
        let image = Image::new(&scheme, data_blocks);
        let top = image.blocks().next().unwrap();
        let check = |trusted: TrustedParams| {
            let reader = VerifiedReader::new(trusted, &image.data, &image.hash).unwrap();
            for block in [0, data_blocks / 2, data_blocks - 1] {
                assert_eq!(corrupt(read_block(&reader, block)), top);
            }
        };
        for bit in 0..scheme.salt.len() * 8 {
            let mut salt = scheme.salt.clone();
            salt[bit / 8] ^= 1 << (bit % 8);
            let scheme = Scheme { salt, ..scheme.clone() };
            let params = crate::adversarial::support::params(&scheme, data_blocks);
            check(TrustedParams::pinned(params, image.root_hash, image.area).unwrap());
        }
        for bit in 0..256 {
            let mut root_hash = image.root_hash.digest().as_bytes().to_vec();
            root_hash[bit / 8] ^= 1 << (bit % 8);
            let root_hash = crate::adversarial::support::root(&root_hash);
            check(TrustedParams::pinned(image.params.clone(), root_hash, image.area).unwrap());
        }
        // A salt that is longer or shorter is another one too.
        for salt in [&scheme.salt[..255], &[][..]] {
            assert!(Salt::new(salt).is_ok());
            let scheme = Scheme { salt: salt.to_vec(), ..scheme.clone() };
            let params = crate::adversarial::support::params(&scheme, data_blocks);
            check(TrustedParams::pinned(params, image.root_hash, image.area).unwrap());
        }
    }
}

/// With pinned parameters the superblock and what is between it and the tree are not looked at.
#[test]
fn bits_outside_of_the_tree_change_nothing() {
    let good = Image::new(&Scheme { hash_block_size: 1024, ..small() }, 40);
    let mut image = good.clone();
    let start = usize_of(image.area.tree_range().start);
    for bit in 0..start * 8 {
        image.hash[bit / 8] ^= 1 << (bit % 8);
        assert_right(&good, 33, read_block(&reader(&image), 33));
        image.hash[bit / 8] ^= 1 << (bit % 8);
    }
}

/// The digests above are made right again: what is in a spare byte is nothing that was built.
#[test]
fn t04_every_spare_byte_fails_the_blocks_under_it() {
    for scheme in schemes() {
        let good = Image::new(&scheme, 131);
        let geometry = good.params.geometry();
        let slow = verity_testdata::reference::geometry(131, &scheme);
        let slot = usize_of(geometry.slot_size().into());
        let digest = usize_of(geometry.digest_size().into());
        for block in good.blocks().filter(|block| block.level().is_some()) {
            let hashes = slow.levels[usize::from(block.level().unwrap())].hashes;
            let first = block.block() * geometry.hashes_per_block();
            let used = u64::try_from(hashes).unwrap() - first;
            let used = usize_of(used.min(geometry.hashes_per_block()));
            for offset in (0..512).filter(|at| at / slot >= used || at % slot >= digest) {
                let mut image = good.clone();
                image.bytes_mut(block)[offset] ^= 0x40;
                image.rehash_above(block);
                for data in (0..131).step_by(10) {
                    let under =
                        image.ancestors(BlockRef::Data { block: data }).any(|above| above == block);
                    match under {
                        true => assert_eq!(corrupt(read_block(&reader(&image), data)), block),
                        false => assert_right(&good, data, read_block(&reader(&image), data)),
                    }
                }
            }
        }
    }
}
