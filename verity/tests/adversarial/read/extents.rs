//! Which bytes a verified reader calls zero: those that the tree proves, never those that the
//! storage claims.

#![expect(clippy::single_range_in_vec_init, reason = "a list of one range is meant")]

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use verity::BlockRef;
use verity::io::{Extent, ReadAt};
use verity_testdata::pattern::Prng;

use super::{over, reader};
use crate::adversarial::storage::Sparse;
use crate::adversarial::support::{Image, small, usize_of};

const BLOCK: u64 = 512;

/// What a byte is said to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Data,
    Zero,
    Hole,
}

/// Asks for all extents, and returns what they say of each block.
fn said<R: ReadAt>(reader: &R) -> Vec<Said> {
    let size = reader.len().unwrap();
    let (mut said, mut offset) = (Vec::new(), 0);
    while offset < size {
        let extent = reader.extent_at(offset);
        let (end, what) = match extent {
            Extent::Data { end } => (end, Said::Data),
            Extent::Zero { end } => (end, Said::Zero),
            Extent::Hole { end } => (end, Said::Hole),
        };
        assert!(end > offset && end <= size, "{extent:?} at {offset}");
        assert!(what == Said::Data || end <= size, "{extent:?} at {offset}");
        // From any byte of a block on it is the same.
        assert_eq!(reader.extent_at(end - 1), extent);
        let blocks = (end.div_ceil(BLOCK) - offset.div_ceil(BLOCK)).try_into().unwrap();
        said.extend(std::iter::repeat_n(what, blocks));
        offset = end;
    }
    said
}

/// An image in which these blocks are zero.
fn image(blocks: u64, zeros: &[Range<u64>]) -> Image {
    let mut data = Image::new(&small(), blocks).data;
    for range in zeros {
        data[usize_of(range.start * BLOCK)..usize_of(range.end * BLOCK)].fill(0);
    }
    Image::of(&small(), data)
}

fn random_ranges(random: &mut Prng, size: u64) -> Vec<Range<u64>> {
    let (mut ranges, mut start) = (Vec::new(), random.below(size));
    while start < size {
        let end = (start + 1 + random.below(30)).min(size);
        ranges.push(start..end);
        start = end + 1 + random.below(30);
    }
    ranges
}

#[test]
fn d13_zeros_are_those_of_the_tree_and_holes_those_of_both() {
    let mut random = Prng::new(13);
    for _ in 0..200 {
        let blocks = 1 + random.below(600);
        let (zeros, holes) =
            (random_ranges(&mut random, blocks), random_ranges(&mut random, blocks));
        let image = image(blocks, &zeros);
        // It claims holes where there is data, too.
        let bytes = |range: &Range<u64>| range.start * BLOCK..range.end * BLOCK;
        let source = Sparse::new(&image.data, holes.iter().map(bytes).collect());
        let is_in =
            |ranges: &[Range<u64>], block| ranges.iter().any(|range| range.contains(&block));
        let expected = (0..blocks).map(|block| match is_in(&zeros, block) {
            true if is_in(&holes, block) => Said::Hole,
            true => Said::Zero,
            false => Said::Data,
        });
        let said = said(&over(&image, &source, &image.hash[..]));
        assert!(said.iter().copied().eq(expected), "{zeros:?} {holes:?}");
    }
}

/// What the storage holds does not matter either: a read says that it is corrupt.
#[test]
fn d13_storage_that_became_zero_is_data_and_zeros_that_changed_are_still_zero() {
    let mut image = image(300, &[100..200]);
    image.data[..usize_of(50 * BLOCK)].fill(0);
    image.spoil(BlockRef::Data { block: 150 });
    let expected = |block: u64| if (100..200).contains(&block) { Said::Zero } else { Said::Data };
    let reader = reader(&image);
    assert!(said(&reader).into_iter().eq((0..300).map(expected)));
    assert!(reader.read_at(&mut [0; 512], 150 * BLOCK).is_err());
}

#[test]
fn d13_blocks_whose_digests_cannot_be_proved_are_data() {
    let good = image(600, &[0..600]);
    assert!(said(&reader(&good)).iter().all(|said| *said == Said::Zero));
    for (bad, lost) in [
        (BlockRef::Hash { level: 0, block: 3 }, 48..64),
        (BlockRef::Hash { level: 0, block: 37 }, 592..600),
        (BlockRef::Hash { level: 1, block: 1 }, 256..512),
        (BlockRef::Hash { level: 2, block: 0 }, 0..600),
    ] {
        let mut image = good.clone();
        image.spoil(bad);
        let expected = |block| if lost.contains(&block) { Said::Data } else { Said::Zero };
        // Also where the source claims a hole.
        let source = Sparse::new(&image.data, vec![]);
        assert!(
            said(&over(&image, &source, &image.hash[..])).into_iter().eq((0..600).map(expected))
        );
        let all = 0..600 * BLOCK;
        let source = Sparse::new(&image.data, vec![all]);
        let said = said(&over(&image, &source, &image.hash[..]));
        let expected = |block| if lost.contains(&block) { Said::Data } else { Said::Hole };
        assert!(said.into_iter().eq((0..600).map(expected)), "{bad:?}");
    }
}

#[test]
fn d13_a_source_that_ends_its_extents_anywhere_is_not_followed_there() {
    struct Liar(Vec<u8>, Extent);

    impl ReadAt for Liar {
        fn len(&self) -> io::Result<u64> {
            ReadAt::len(&self.0)
        }

        fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
            self.0.read_at(buf, offset)
        }

        fn extent_at(&self, _offset: u64) -> Extent {
            self.1
        }
    }

    let image = image(40, &[20..40]);
    for end in [0, 1, 19 * BLOCK, 20 * BLOCK, 21 * BLOCK + 7, u64::MAX] {
        for extent in [Extent::Data { end }, Extent::Zero { end }, Extent::Hole { end }] {
            let reader = over(&image, Liar(image.data.clone(), extent), &image.hash[..]);
            assert_eq!(reader.extent_at(0), Extent::Data { end: 16 * BLOCK }, "{extent:?}");
            assert_eq!(reader.extent_at(16 * BLOCK), Extent::Data { end: 20 * BLOCK });
            let at = reader.extent_at(20 * BLOCK);
            let is_hole = matches!(extent, Extent::Hole { .. }) && end > 20 * BLOCK;
            assert_eq!(matches!(at, Extent::Hole { .. }), is_hole, "{extent:?}");
            assert!(!matches!(at, Extent::Data { .. }), "{extent:?}");
            assert!(at.end() > 20 * BLOCK && at.end() <= 32 * BLOCK, "{extent:?}: {at:?}");
        }
    }
}

/// Neither data nor more than one hash block of the lowest level is read for an answer.
#[test]
fn an_extent_costs_the_hash_blocks_of_one_path() {
    struct Counted<'a>(&'a [u8], AtomicU64);

    impl ReadAt for Counted<'_> {
        fn len(&self) -> io::Result<u64> {
            ReadAt::len(self.0)
        }

        fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.read_at(buf, offset)
        }
    }

    let image = image(4096, &[0..4096]);
    let counted = |bytes| Counted(bytes, AtomicU64::new(0));
    let (data, hash) = (counted(&image.data), counted(&image.hash));
    let reader = over(&image, &data, &hash).cache_size(0);
    let levels = u64::from(image.levels());
    for (asked, offset) in (1..).zip([0, 100 * BLOCK + 3, 4095 * BLOCK]) {
        assert!(matches!(reader.extent_at(offset), Extent::Zero { .. }));
        assert_eq!(hash.1.load(Ordering::Relaxed), asked * levels);
    }
    assert_eq!(data.1.load(Ordering::Relaxed), 0);
    assert_eq!(reader.extent_at(4096 * BLOCK), Extent::ALL_DATA);
    assert_eq!(reader.extent_at(u64::MAX), Extent::ALL_DATA);
}
