//! Covered blocks by number, and sets of them.
//!
//! Blocks are numbered as parity covers them: the data from 0 on, then the tree from its highest
//! level down.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;

use crate::layout::Layer;
use crate::{BlockRange, BlockRef, Geometry, Params};

/// Which number is which block.
pub(super) struct Numbers<'a> {
    data_blocks: u64,
    geometry: &'a Geometry,
}

impl<'a> Numbers<'a> {
    pub(super) fn new(params: &'a Params) -> Numbers<'a> {
        Numbers { data_blocks: params.data_blocks(), geometry: params.geometry() }
    }

    /// The blocks of one layer.
    ///
    /// # Panics
    /// If the tree has no such level.
    pub(super) fn of(&self, layer: Layer) -> Range<u64> {
        match layer {
            Layer::Data => 0..self.data_blocks,
            Layer::Level(level) => {
                let shape = self.geometry.level(level);
                let start = self.data_blocks + shape.start;
                start..start + shape.blocks
            }
        }
    }

    /// The hash blocks of all levels.
    pub(super) fn tree(&self) -> Range<u64> {
        self.data_blocks..self.data_blocks + self.geometry.hash_blocks()
    }

    /// The number of a block, if there is one of this name.
    pub(super) fn number(&self, block: BlockRef) -> Option<u64> {
        let layer = self.geometry.layers().find(|layer| *layer == block.layer())?;
        let numbers = self.of(layer);
        let number = numbers.start.checked_add(block.block())?;
        numbers.contains(&number).then_some(number)
    }

    /// The name of a block of data or tree; others have none.
    pub(super) fn name(&self, number: u64) -> Option<BlockRef> {
        let layer = self.geometry.layers().find(|layer| self.of(*layer).contains(&number))?;
        Some(layer.block(number - self.of(layer).start))
    }

    /// The blocks of a set as ranges of one layer each, in the order in which they are reported.
    pub(super) fn ranges<'s>(&'s self, set: &'s BlockSet) -> impl Iterator<Item = BlockRange> + 's {
        self.geometry.layers().flat_map(|layer| {
            let numbers = self.of(layer);
            set.ranges_in(numbers.clone()).map(move |range| BlockRange {
                first: layer.block(range.start - numbers.start),
                blocks: range.end - range.start,
            })
        })
    }
}

/// A set of numbers: a bit for each, where there are any.
#[derive(Clone, Debug, Default)]
pub(super) struct BlockSet {
    /// Which of 64 numbers are in it, by the first of them over 64; never none.
    words: BTreeMap<u64, u64>,
}

impl BlockSet {
    pub(super) fn insert(&mut self, blocks: Range<u64>) {
        for (word, bits) in words(blocks) {
            *self.words.entry(word).or_default() |= bits;
        }
    }

    pub(super) fn remove(&mut self, blocks: Range<u64>) {
        for (word, bits) in words(blocks) {
            if let Entry::Occupied(mut entry) = self.words.entry(word) {
                *entry.get_mut() &= !bits;
                if *entry.get() == 0 {
                    entry.remove();
                }
            }
        }
    }

    /// Takes out everything that is in another set.
    pub(super) fn subtract(&mut self, other: &BlockSet) {
        self.words.retain(|word, bits| {
            *bits &= !other.words.get(word).copied().unwrap_or_default();
            *bits != 0
        });
    }

    /// How much memory it takes, in words of 64 numbers.
    pub(super) fn words(&self) -> usize {
        self.words.len()
    }

    pub(super) fn contains(&self, block: u64) -> bool {
        self.words.get(&(block / 64)).is_some_and(|bits| bits >> (block % 64) & 1 == 1)
    }

    /// How many of these numbers are in it.
    pub(super) fn count_in(&self, blocks: Range<u64>) -> u64 {
        self.ranges_in(blocks).map(|range| range.end - range.start).sum()
    }

    /// What of these numbers is in it, as ranges in order that do not touch.
    pub(super) fn ranges_in(&self, blocks: Range<u64>) -> impl Iterator<Item = Range<u64>> + '_ {
        let words = blocks.start / 64..blocks.end.div_ceil(64).max(blocks.start / 64);
        let pieces = self.words.range(words).flat_map(|(word, bits)| pieces(*word, *bits));
        let mut pieces = pieces
            .map(move |piece| piece.start.max(blocks.start)..piece.end.min(blocks.end))
            .filter(|piece| !piece.is_empty())
            .peekable();
        std::iter::from_fn(move || {
            let mut range = pieces.next()?;
            while let Some(next) = pieces.next_if(|next| next.start == range.end) {
                range.end = next.end;
            }
            Some(range)
        })
    }
}

/// A set of numbers that lie in few long ranges, however many they are.
#[derive(Clone, Debug, Default)]
pub(super) struct RangeSet {
    /// Where the ranges begin, and where they end; none touches another.
    ranges: BTreeMap<u64, u64>,
}

impl RangeSet {
    pub(super) fn insert(&mut self, mut blocks: Range<u64>) {
        if blocks.is_empty() {
            return;
        }
        // What overlaps or touches becomes part of it.
        while let Some((&start, &end)) = self.ranges.range(..=blocks.end).next_back()
            && end >= blocks.start
        {
            self.ranges.remove(&start);
            blocks = blocks.start.min(start)..blocks.end.max(end);
        }
        self.ranges.insert(blocks.start, blocks.end);
    }

    pub(super) fn remove(&mut self, blocks: Range<u64>) {
        if blocks.is_empty() {
            return;
        }
        while let Some((&start, &end)) = self.ranges.range(..blocks.end).next_back()
            && end > blocks.start
        {
            self.ranges.remove(&start);
            if end > blocks.end {
                self.ranges.insert(blocks.end, end);
            }
            if start < blocks.start {
                self.ranges.insert(start, blocks.start);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many of these numbers are in it.
    pub(super) fn count_in(&self, blocks: Range<u64>) -> u64 {
        self.ranges_in(blocks).map(|range| range.end - range.start).sum()
    }

    /// What of these numbers is in it, as ranges in order that do not touch.
    pub(super) fn ranges_in(&self, blocks: Range<u64>) -> impl Iterator<Item = Range<u64>> + '_ {
        let first = self.ranges.range(..=blocks.start).next_back().map_or(0, |(start, _)| *start);
        let ranges = self.ranges.range(first.min(blocks.start)..blocks.end.max(first));
        ranges
            .map(move |(start, end)| (*start).max(blocks.start)..(*end).min(blocks.end))
            .filter(|range| !range.is_empty())
    }

    /// What of these numbers is not in it, as ranges in order.
    pub(super) fn gaps_in(&self, blocks: Range<u64>) -> Vec<Range<u64>> {
        let mut gaps = Vec::new();
        let mut start = blocks.start;
        for range in self.ranges_in(blocks.clone()) {
            gaps.extend((start < range.start).then_some(start..range.start));
            start = range.end;
        }
        gaps.extend((start < blocks.end).then_some(start..blocks.end));
        gaps
    }
}

/// The words of a range, and its bits in each.
fn words(blocks: Range<u64>) -> impl Iterator<Item = (u64, u64)> {
    let words = if blocks.is_empty() { 0..0 } else { blocks.start / 64..(blocks.end - 1) / 64 + 1 };
    words.map(move |word| {
        let first = word * 64;
        let (start, end) = (blocks.start.max(first) - first, (blocks.end - first).min(64));
        let below = |bit: u64| if bit == 64 { u64::MAX } else { (1 << bit) - 1 };
        (word, below(end) & !below(start))
    })
}

/// The ranges of the bits of one word.
fn pieces(word: u64, mut bits: u64) -> impl Iterator<Item = Range<u64>> {
    std::iter::from_fn(move || {
        if bits == 0 {
            return None;
        }
        let start = bits.trailing_zeros();
        let len = (bits >> start).trailing_ones();
        let end = start + len;
        bits = if end == 64 { 0 } else { bits >> end << end };
        Some(word * 64 + u64::from(start)..word * 64 + u64::from(end))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Random numbers below a bound, the same for the same seed.
    fn random_numbers(seed: u64) -> impl FnMut(u64) -> u64 {
        let mut state = seed;
        move |below| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 20) % below
        }
    }

    #[test]
    fn sets_are_those_of_the_standard_library() {
        let mut random = random_numbers(7);
        for _ in 0..300 {
            let (mut set, mut model) = (BlockSet::default(), BTreeSet::new());
            for _ in 0..random(20) {
                let (start, len) =
                    (random(400), [0, 1, 3, 64, 130][usize::try_from(random(5)).unwrap()]);
                set.insert(start..start + len);
                model.extend(start..start + len);
                let (gone, len) = (random(500), random(3) * 40);
                set.remove(gone..gone + len);
                model.retain(|block| !(gone..gone + len).contains(block));
            }
            let mut other = BlockSet::default();
            let start = random(500);
            other.insert(start..start + 20);
            set.subtract(&other);
            model.retain(|block| !(start..start + 20).contains(block));
            let window = random(300)..300 + random(300);
            let ranges: Vec<_> = set.ranges_in(window.clone()).collect();
            assert!(ranges.windows(2).all(|two| two[0].end < two[1].start), "{ranges:?}");
            let listed: Vec<u64> = ranges.into_iter().flatten().collect();
            let expected: Vec<u64> = model.range(window.clone()).copied().collect();
            assert_eq!(listed, expected);
            assert_eq!(set.count_in(window), u64::try_from(expected.len()).unwrap());
            assert!((0..700).all(|block| set.contains(block) == model.contains(&block)));
            assert_eq!(set.words() == 0, model.is_empty());
        }
    }

    /// Parameters may claim blocks of any number.
    #[test]
    fn a_window_may_lie_anywhere() {
        let mut set = BlockSet::default();
        let last = u64::MAX - 100..u64::MAX - 90;
        set.insert(last.clone());
        assert!(set.ranges_in(1 << 63..u64::MAX).eq([last.clone()]));
        assert_eq!(set.count_in(0..1 << 63), 0);
        assert_eq!(set.count_in(last.start + 3..last.start + 4), 1);
        // Nothing lies between an end and a start behind it.
        assert_eq!(set.count_in(last.end..1 << 62), 0);
        let (start, end) = (64 * 100, 3);
        assert_eq!(set.count_in(start..end), 0);
    }

    #[test]
    fn ranges_are_those_of_the_standard_library() {
        let mut random = random_numbers(11);
        for _ in 0..2000 {
            let (mut set, mut model) = (RangeSet::default(), BTreeSet::new());
            for _ in 0..random(12) {
                let (start, len) = (random(60), random(12));
                if random(3) > 0 {
                    set.insert(start..start + len);
                    model.extend(start..start + len);
                } else {
                    set.remove(start..start + len);
                    model.retain(|block| !(start..start + len).contains(block));
                }
            }
            let window = random(40)..40 + random(40);
            let ranges: Vec<_> = set.ranges_in(window.clone()).collect();
            assert!(ranges.windows(2).all(|two| two[0].end < two[1].start), "{ranges:?}");
            let listed: Vec<u64> = ranges.into_iter().flatten().collect();
            let expected: Vec<u64> = model.range(window.clone()).copied().collect();
            assert_eq!(listed, expected);
            assert_eq!(set.count_in(window.clone()), u64::try_from(expected.len()).unwrap());
            let gaps: Vec<u64> = set.gaps_in(window.clone()).into_iter().flatten().collect();
            assert!(gaps.into_iter().eq(window.filter(|block| !model.contains(block))));
            assert_eq!(set.is_empty(), model.is_empty());
        }
        let mut all = RangeSet::default();
        all.insert(0..u64::MAX);
        all.remove(1 << 50..1 << 60);
        assert_eq!(all.ranges_in(0..u64::MAX).count(), 2);
    }

    #[test]
    fn numbers_and_names_belong_together() {
        let params = Params::builder().data_blocks(16_500).build().unwrap();
        let numbers = Numbers::new(&params);
        for number in 0..16_500 + 133 {
            let name = numbers.name(number);
            assert_eq!(name.and_then(|name| numbers.number(name)), name.map(|_| number));
            assert_eq!(name.is_some(), number < 16_500 + 132);
        }
        assert_eq!(numbers.name(16_500), Some(BlockRef::Hash { level: 2, block: 0 }));
        assert_eq!(numbers.number(BlockRef::Hash { level: 3, block: 0 }), None);
        assert_eq!(numbers.number(BlockRef::Hash { level: 0, block: 129 }), None);
        assert_eq!(numbers.number(BlockRef::Hash { level: 0, block: u64::MAX }), None);
        assert_eq!(numbers.number(BlockRef::Data { block: 16_500 }), None);
        let mut set = BlockSet::default();
        set.insert(16_499..16_502);
        let ranges: Vec<_> = numbers.ranges(&set).collect();
        let range = |first| BlockRange { first, blocks: 1 };
        assert_eq!(
            ranges,
            [
                range(BlockRef::Hash { level: 2, block: 0 }),
                range(BlockRef::Hash { level: 1, block: 0 }),
                range(BlockRef::Data { block: 16_499 }),
            ]
        );
    }
}
