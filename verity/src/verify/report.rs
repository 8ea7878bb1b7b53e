//! What a verification found: corrupt blocks as ranges, in order, up to a bound.

use std::collections::BTreeMap;

use crate::layout::Layer;
use crate::{BlockRef, CorruptRange, Corruption, Report};

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
    corrupt_blocks: u64,
    dropped: bool,
}

impl Collector {
    pub(super) fn new(limit: usize) -> Collector {
        Collector { limit, layers: BTreeMap::new(), corrupt_blocks: 0, dropped: false }
    }

    pub(super) fn add(&mut self, range: CorruptRange) {
        self.corrupt_blocks += range.blocks;
        let ranges = self.layers.entry(range.first.layer()).or_default();
        if !append_within(ranges, range, self.limit) {
            self.dropped = true;
        }
    }

    /// The report, unless nothing is corrupt.
    pub(super) fn finish(self, unchecked_data_blocks: u64) -> Option<Report> {
        let in_order = self.layers.into_values().rev().flatten();
        let mut corruptions: Vec<_> = in_order.collect();
        let truncated = self.dropped || corruptions.len() > self.limit;
        corruptions.truncate(self.limit);
        (self.corrupt_blocks > 0).then_some(Report {
            corruptions,
            corrupt_blocks: self.corrupt_blocks,
            unchecked_data_blocks,
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
        let report = collector.finish(0).unwrap();
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
        let report = collector.finish(0).unwrap();
        assert_eq!(report.corruptions[0].first, BlockRef::Hash { level: 1, block: 0 });
        assert_eq!(report.corruptions[2].first, BlockRef::Data { block: 2 });
        assert_eq!((report.corruptions.len(), report.corrupt_blocks), (3, 101));
        assert!(report.truncated);
    }
}
