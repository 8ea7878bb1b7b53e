//! What a verification found: corrupt blocks as ranges, in order, up to a bound.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::layout::Layer;
use crate::{BlockRange, BlockRef, CorruptRange, Corruption, Report};

/// An intact image: every data block and every hash block was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// The data blocks that were read and checked.
    pub data_blocks: u64,
    /// The hash blocks that were read and checked.
    pub hash_blocks: u64,
    /// The data blocks that count as zeros by their digest and were not checked, because the caller
    /// asked to ignore zero blocks.
    pub zero_blocks: u64,
}

/// Collects ranges. Those of each layer must come in ascending order; then what is kept under the
/// limit does not depend on how the work was split.
pub(super) struct Collector {
    limit: usize,
    layers: BTreeMap<Layer, Vec<CorruptRange>>,
    /// Corrupt and unreadable ones.
    corrupt_blocks: u64,
    unreadable_blocks: u64,
    /// Data blocks of which nothing can be said.
    unchecked: Vec<Range<u64>>,
    unchecked_blocks: u64,
    dropped: bool,
}

impl Collector {
    pub(super) fn new(limit: usize) -> Collector {
        Collector {
            limit,
            layers: BTreeMap::new(),
            corrupt_blocks: 0,
            unreadable_blocks: 0,
            unchecked: Vec::new(),
            unchecked_blocks: 0,
            dropped: false,
        }
    }

    pub(super) fn add(&mut self, range: CorruptRange) {
        self.corrupt_blocks += range.blocks;
        self.unreadable_blocks += if is_unreadable(&range) { range.blocks } else { 0 };
        let ranges = self.layers.entry(range.first.layer()).or_default();
        if !append_within(ranges, range, self.limit) {
            self.dropped = true;
        }
    }

    /// Adds data blocks under a corrupt hash block, in ascending order.
    pub(super) fn add_unchecked(&mut self, blocks: Range<u64>) {
        let room = self.unchecked.len() < self.limit;
        self.unchecked_blocks += blocks.end - blocks.start;
        match self.unchecked.last_mut() {
            _ if blocks.is_empty() => {}
            Some(last) if last.end == blocks.start => last.end = blocks.end,
            _ if room => self.unchecked.push(blocks),
            _ => self.dropped = true,
        }
    }

    /// The report, unless nothing is corrupt and everything could be read.
    pub(super) fn finish(self) -> Option<Report> {
        let in_order = self.layers.into_values().rev().flatten();
        let mut corruptions: Vec<_> = in_order.collect();
        let truncated = self.dropped || corruptions.len() > self.limit;
        corruptions.truncate(self.limit);
        (self.corrupt_blocks > 0).then_some(Report {
            corruptions,
            corrupt_blocks: self.corrupt_blocks,
            unreadable_blocks: self.unreadable_blocks,
            unchecked: self.unchecked.iter().map(BlockRange::of_data).collect(),
            unchecked_data_blocks: self.unchecked_blocks,
            truncated,
        })
    }
}

/// Appends a corrupt block to ranges in ascending order, joining neighbours.
pub(super) fn note(ranges: &mut Vec<CorruptRange>, first: BlockRef, corruption: Corruption) {
    append(ranges, CorruptRange { first, blocks: 1, corruption });
}

/// Appends to ranges in ascending order, joining neighbours.
pub(super) fn append(ranges: &mut Vec<CorruptRange>, range: CorruptRange) {
    append_within(ranges, range, usize::MAX);
}

/// Appends as [`append`], up to a limit; says whether the range was kept.
fn append_within(ranges: &mut Vec<CorruptRange>, range: CorruptRange, limit: usize) -> bool {
    if let Some(last) = ranges.last_mut()
        && last.first.block() + last.blocks == range.first.block()
        && is_unreadable(last) == is_unreadable(&range)
    {
        last.blocks += range.blocks;
        return true;
    }
    let room = ranges.len() < limit;
    if room {
        ranges.push(range);
    }
    room
}

fn is_unreadable(range: &CorruptRange) -> bool {
    matches!(range.corruption, Corruption::Unreadable { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: BlockRef, blocks: u64) -> CorruptRange {
        CorruptRange { first, blocks, corruption: Corruption::SpareBytes { offset: 0 } }
    }

    #[test]
    fn neighbours_are_joined_and_areas_are_not() {
        let mut collector = Collector::new(10);
        collector.add(range(BlockRef::Hash { level: 0, block: 6 }, 1));
        collector.add(range(BlockRef::Data { block: 7 }, 2));
        collector.add(range(BlockRef::Data { block: 9 }, 1));
        collector.add(range(BlockRef::Data { block: 11 }, 1));
        let report = collector.finish().unwrap();
        assert_eq!(
            report.corruptions,
            [
                range(BlockRef::Hash { level: 0, block: 6 }, 1),
                range(BlockRef::Data { block: 7 }, 3),
                range(BlockRef::Data { block: 11 }, 1),
            ]
        );
        assert_eq!((report.corrupt_blocks, report.truncated), (5, false));
    }

    #[test]
    fn r05_the_limit_keeps_the_first_and_counts_all() {
        let mut collector = Collector::new(3);
        for block in 0..100 {
            collector.add(range(BlockRef::Data { block: 2 * block }, 1));
        }
        collector.add(range(BlockRef::Hash { level: 1, block: 0 }, 1));
        let report = collector.finish().unwrap();
        assert_eq!(report.corruptions[0].first, BlockRef::Hash { level: 1, block: 0 });
        assert_eq!(report.corruptions[2].first, BlockRef::Data { block: 2 });
        assert_eq!((report.corruptions.len(), report.corrupt_blocks), (3, 101));
        assert!(report.truncated);
    }

    #[test]
    fn r05_no_layer_holds_more_than_the_limit() {
        let mut collector = Collector::new(3);
        for block in 0..100 {
            collector.add(range(BlockRef::Data { block: 2 * block }, 1));
            collector.add(range(BlockRef::Hash { level: 0, block: 2 * block }, 1));
            assert!(collector.layers.values().all(|ranges| ranges.len() <= 3));
        }
    }

    #[test]
    fn unreadable_neighbours_are_ranges_of_their_own_and_counted() {
        let unreadable = Corruption::unreadable(&std::io::ErrorKind::Other.into());
        let mut collector = Collector::new(10);
        collector.add(range(BlockRef::Data { block: 4 }, 1));
        for block in [5, 6] {
            let first = BlockRef::Data { block };
            collector.add(CorruptRange { first, blocks: 1, corruption: unreadable });
        }
        collector.add(range(BlockRef::Data { block: 7 }, 1));
        let report = collector.finish().unwrap();
        let blocks: Vec<u64> = report.corruptions.iter().map(|range| range.blocks).collect();
        assert_eq!(blocks, [1, 2, 1]);
        assert_eq!((report.corrupt_blocks, report.unreadable_blocks), (4, 2));
    }

    #[test]
    fn unchecked_neighbours_are_joined_up_to_the_limit() {
        let mut collector = Collector::new(2);
        collector.add(range(BlockRef::Hash { level: 0, block: 0 }, 1));
        for blocks in [0..8, 8..16, 20..20, 32..40, 48..56] {
            collector.add_unchecked(blocks);
        }
        let report = collector.finish().unwrap();
        let listed: Vec<_> = report.unchecked.iter().map(|r| (r.first.block(), r.blocks)).collect();
        assert_eq!(listed, [(0, 16), (32, 8)]);
        assert_eq!((report.unchecked_data_blocks, report.truncated), (32, true));
    }
}
