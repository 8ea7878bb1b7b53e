//! Trees that are made from old ones, held against what the builder makes of the whole image.

use std::io;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Mutex;

use proptest::prelude::*;
use verity::internals::{to_len, to_u64};
use verity::io::{Extent, MemoryFile, ReadAt};
use verity::{
    Algorithm, BlockRef, BlockSize, Builder, Changes, Corruption, Error, HashArea, HashType,
    Params, Rehashed, Rehasher, Salt, TrustedParams, Verifier,
};
use verity_testdata::pattern::Prng;

/// An image and its tree, as the builder makes it.
struct Built {
    image: Vec<u8>,
    hash: Vec<u8>,
    trusted: TrustedParams,
}

impl Built {
    fn new(image: Vec<u8>, params: &Params) -> Built {
        let area = HashArea::new(params, 0, true).unwrap();
        let hash = MemoryFile::new();
        let root_hash = Builder::new(params).build(&image, &hash, &area).unwrap();
        let trusted = TrustedParams::pinned(params.clone(), root_hash, area).unwrap();
        Built { image, hash: hash.into_bytes(), trusted }
    }

    fn params(&self) -> &Params {
        self.trusted.params()
    }

    /// Another version of the image, with its whole tree.
    fn next(&self, image: Vec<u8>) -> Built {
        let params = self.params().to_builder().data_size(to_u64(image.len())).build().unwrap();
        Built::new(image, &params)
    }

    /// The tree of `new`, out of this one.
    fn rehash(
        &self,
        new: &Built,
        changes: Changes<'_>,
        threads: usize,
    ) -> Result<(Rehashed, Vec<u8>), Error> {
        self.rehash_of(&new.image, new.params().data_blocks(), changes, threads)
    }

    fn rehash_of(
        &self,
        source: &impl ReadAt,
        data_blocks: u64,
        changes: Changes<'_>,
        threads: usize,
    ) -> Result<(Rehashed, Vec<u8>), Error> {
        let rehasher = Rehasher::new(&self.trusted, data_blocks).unwrap();
        let rehasher = rehasher.threads(NonZeroUsize::new(threads).unwrap());
        let area = HashArea::new(rehasher.params(), 0, true).unwrap();
        let hash = MemoryFile::new();
        let made = rehasher.rehash(source, changes, &self.hash, &hash, &area)?;
        Ok((made, hash.into_bytes()))
    }
}

fn random(blocks: u64, size: u32, prng: &mut Prng) -> Vec<u8> {
    let mut bytes = vec![0; to_len(blocks * u64::from(size))];
    // Some blocks stay zero, and are equal.
    for block in bytes.chunks_exact_mut(to_len(size.into())) {
        if prng.below(4) > 0 {
            block[..8].copy_from_slice(&prng.next_u64().to_le_bytes());
        }
    }
    bytes
}

/// Changes some bytes of an image, and its length, which stays a number of blocks; returns what
/// was changed of the bytes that both have, and perhaps more.
fn edit(image: &mut Vec<u8>, size: u32, prng: &mut Prng) -> Vec<Range<u64>> {
    let size = u64::from(size);
    let old_len = to_u64(image.len());
    let blocks = match prng.below(4) {
        0 => prng.range(1..=old_len / size),
        1 => old_len / size + prng.below(200),
        _ => old_len / size,
    };
    image.resize(to_len(blocks * size), 0x77);
    let mut ranges = Vec::new();
    for _ in 0..prng.below(6) {
        let start = prng.below(old_len);
        let end = start + 1 + prng.below(3 * size);
        ranges.push(start..end);
        let end = end.min(to_u64(image.len()));
        if start < end && prng.below(5) > 0 {
            image[to_len(start)..to_len(end)].iter_mut().for_each(|byte| *byte ^= 0x5a);
        }
    }
    ranges
}

/// How many blocks of the new image are not those of the old one.
fn changed_blocks(old: &Built, new: &Built) -> u64 {
    let size = to_len(u64::from(new.params().data_block_size()));
    let before = old.image.chunks(size).map(Some).chain(std::iter::repeat(None));
    to_u64(new.image.chunks(size).zip(before).filter(|(now, old)| Some(*now) != *old).count())
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(300)
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases())
    })]

    /// Whatever is edited, and wherever the image ends afterwards.
    #[test]
    fn a_tree_from_the_old_one_is_the_tree_of_the_builder(
        seed in any::<u64>(),
        algorithm in prop::sample::select(vec![
            Algorithm::Sha256, Algorithm::Sha1, Algorithm::Sha512,
        ]),
        hash_type in prop::sample::select(vec![HashType::ChromeOs, HashType::Normal]),
        sizes in (9_u32..=12, 9_u32..=12),
        salt in prop::sample::select(vec![0, 1, 32]),
        blocks in prop_oneof![1_u64..4, 1_u64..600],
        threads in 1_usize..4,
    ) {
        let size = |power: u32| BlockSize::new(1 << power).unwrap();
        let params = Params::builder()
            .algorithm(algorithm)
            .hash_type(hash_type)
            .data_block_size(size(sizes.0))
            .hash_block_size(size(sizes.1))
            .salt(Salt::new(&vec![9; salt]).unwrap())
            .data_blocks(blocks)
            .build()
            .unwrap();
        let mut prng = Prng::new(seed);
        let old = Built::new(random(blocks, 1 << sizes.0, &mut prng), &params);
        let mut image = old.image.clone();
        let ranges = edit(&mut image, 1 << sizes.0, &mut prng);
        let new = old.next(image);
        let changed = changed_blocks(&old, &new);

        let (told, told_hash) = old.rehash(&new, Changes::Ranges(&ranges), threads).unwrap();
        prop_assert_eq!(told.root_hash, new.trusted.root_hash());
        prop_assert!(told_hash == new.hash);
        prop_assert!(told.hashed_blocks >= changed);

        let (found, found_hash) = old.rehash(&new, Changes::Since(&old.image), threads).unwrap();
        prop_assert_eq!(found.root_hash, new.trusted.root_hash());
        prop_assert!(found_hash == new.hash);
        prop_assert_eq!(found.hashed_blocks, changed);
        for made in [told, found] {
            let all = made.hashed_blocks + made.kept_blocks;
            prop_assert_eq!(all, new.params().data_blocks());
        }
    }
}

/// An old image of three levels, and a new one with these blocks changed.
fn three_levels(changed: &[u64]) -> (Built, Built) {
    let params = Params::builder()
        .data_block_size(BlockSize::MIN)
        .hash_block_size(BlockSize::MIN)
        .data_blocks(400)
        .build()
        .unwrap();
    let old = Built::new(random(400, 512, &mut Prng::new(7)), &params);
    assert_eq!(params.geometry().levels().len(), 3);
    let mut image = old.image.clone();
    for block in changed {
        image[to_len(block * 512)] ^= 1;
    }
    let new = old.next(image);
    (old, new)
}

fn bytes_of(block: u64) -> Range<u64> {
    block * 512..(block + 1) * 512
}

/// Every byte of the old tree decides: a change of one that is needed is found, with the hash block
/// that it is in, and what is not needed is not read.
#[test]
fn u13_a_changed_byte_of_the_old_tree_gives_no_digest() {
    // All of the first level-0 hash block is new.
    let changed: Vec<u64> = (0..16).collect();
    let (mut old, new) = three_levels(&changed);
    let ranges: Vec<_> = changed.iter().copied().map(bytes_of).collect();
    let area = old.trusted.hash_area();
    let unused = area.offset_of(old.params(), 0, 0);
    for offset in to_len(area.tree_range().start)..old.hash.len() {
        old.hash[offset] ^= 0x10;
        let made = old.rehash(&new, Changes::Ranges(&ranges), 1);
        let is_unused = (unused..unused + 512).contains(&to_u64(offset));
        match made {
            Ok((made, hash)) => {
                assert!(is_unused, "{offset}");
                assert_eq!(made.root_hash, new.trusted.root_hash());
                assert!(hash == new.hash);
            }
            Err(Error::Corrupt(report)) => {
                assert!(!is_unused, "{offset}");
                let BlockRef::Hash { level, block } = report.corruptions[0].first else {
                    panic!("{report}")
                };
                let start = area.offset_of(old.params(), level, block);
                assert!((start..start + 512).contains(&to_u64(offset)), "{offset}: {report}");
            }
            Err(error) => panic!("{offset}: {error}"),
        }
        old.hash[offset] ^= 0x10;
    }
}

#[test]
fn u13_an_old_tree_of_another_root_hash_is_refused() {
    let (mut old, new) = three_levels(&[3]);
    let other = new.trusted.root_hash();
    old.trusted =
        TrustedParams::pinned(old.params().clone(), other, old.trusted.hash_area()).unwrap();
    let refused = old.rehash(&new, Changes::Ranges(&[bytes_of(3)]), 2);
    let Err(Error::Corrupt(report)) = refused else { panic!("taken") };
    assert_eq!(report.corruptions[0].first, BlockRef::Hash { level: 2, block: 0 });
}

/// What nobody verifies is found by whoever verifies the new image.
#[test]
fn u14_a_change_outside_the_ranges_is_corrupt_in_the_new_tree() {
    let (old, new) = three_levels(&[3, 250]);
    let (made, hash) = old.rehash(&new, Changes::Ranges(&[bytes_of(3)]), 2).unwrap();
    assert_ne!(made.root_hash, new.trusted.root_hash());
    let trusted =
        TrustedParams::pinned(new.params().clone(), made.root_hash, new.trusted.hash_area());
    let refused = Verifier::new(trusted.unwrap()).verify_all(&new.image, &hash);
    let Err(Error::Corrupt(report)) = refused else { panic!("verified") };
    let [range] = report.corruptions.as_slice() else { panic!("{report}") };
    assert_eq!((range.first, range.blocks), (BlockRef::Data { block: 250 }, 1));
    assert!(matches!(range.corruption, Corruption::Digest { .. }));
}

/// An image of which only some bytes can be read.
struct Readable(Vec<u8>, Mutex<Vec<Range<u64>>>);

impl ReadAt for Readable {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(&self.0)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let end = offset + to_u64(buf.len());
        let readable = self.1.lock().unwrap();
        match readable.iter().any(|range| range.start <= offset && end <= range.end) {
            true => self.0.read_at(buf, offset),
            false => Err(io::Error::other("not readable")),
        }
    }
}

#[test]
fn no_block_outside_the_ranges_is_read() {
    let (old, new) = three_levels(&[3, 250, 399]);
    let ranges = [3, 250, 399].map(bytes_of);
    let source = Readable(new.image.clone(), Mutex::new(ranges.to_vec()));
    let (made, hash) = old.rehash_of(&source, 400, Changes::Ranges(&ranges), 1).unwrap();
    assert_eq!((made.root_hash, made.hashed_blocks), (new.trusted.root_hash(), 3));
    assert!(hash == new.hash);
    source.1.lock().unwrap().remove(1);
    let failed = old.rehash_of(&source, 400, Changes::Ranges(&ranges), 1);
    assert!(matches!(failed, Err(Error::Read { block: BlockRef::Data { block: 250 }, .. })));
}

#[test]
fn an_old_image_that_cannot_be_read_is_told_from_the_new_one() {
    let (old, new) = three_levels(&[3]);
    let image = Readable(old.image.clone(), Mutex::new(Vec::new()));
    let failed = old.rehash(&new, Changes::Since(&image), 2);
    let Err(error @ Error::ReadOld { block: BlockRef::Data { block: 0 }, .. }) = failed else {
        panic!("read")
    };
    assert_eq!(error.block(), Some(BlockRef::Data { block: 0 }));
    assert!(error.storage_error().is_some());
}

/// A shorter old image has fewer blocks to compare with, and the others are hashed.
#[test]
fn what_the_old_image_does_not_have_is_hashed() {
    let (old, new) = three_levels(&[3]);
    let cut = old.image[..200 * 512 + 511].to_vec();
    let (made, hash) = old.rehash(&new, Changes::Since(&cut), 2).unwrap();
    assert_eq!((made.hashed_blocks, made.kept_blocks), (201, 199));
    assert!(made.root_hash == new.trusted.root_hash() && hash == new.hash);
}

#[test]
fn a_short_source_or_old_tree_is_refused_before_anything_is_read() {
    let (mut old, new) = three_levels(&[3]);
    let short = old.rehash_of(&new.image, 401, Changes::Ranges(&[]), 1);
    assert!(matches!(short, Err(Error::ShortData { needed: 205_312, actual: 204_800 })));
    old.hash.pop();
    let short = old.rehash(&new, Changes::Ranges(&[]), 1);
    assert!(matches!(short, Err(Error::ShortHashArea { .. })));
}

/// Zeros that are a hole in the new image.
struct Hole(Vec<u8>, Range<u64>);

impl ReadAt for Hole {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(&self.0)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let end = offset + to_u64(buf.len());
        assert!(end <= self.1.start || offset >= self.1.end, "a hole is not read");
        self.0.read_at(buf, offset)
    }

    fn extent_at(&self, offset: u64) -> Extent {
        match offset {
            _ if offset < self.1.start => Extent::Data { end: self.1.start },
            _ if offset < self.1.end => Extent::Hole { end: self.1.end },
            _ => Extent::ALL_DATA,
        }
    }
}

#[test]
fn holes_are_not_read_and_hash_as_zeros() {
    let (old, _) = three_levels(&[]);
    let mut image = old.image.clone();
    image[100 * 512..300 * 512].fill(0);
    let new = old.next(image.clone());
    let source = Hole(image, 100 * 512..300 * 512);
    let range = 51_200..153_600;
    for changes in [Changes::Ranges(std::slice::from_ref(&range)), Changes::Since(&old.image)] {
        let (made, hash) = old.rehash_of(&source, 400, changes, 2).unwrap();
        assert_eq!((made.root_hash, made.hashed_blocks), (new.trusted.root_hash(), 200));
        assert!(hash == new.hash);
    }
}
