//! Which blocks of an image are other ones than before, as a caller says it.

use std::ops::Range;

use crate::io::ReadAt;
use crate::{BlockSize, Params};

/// What tells the blocks of an image that changed from those that did not.
#[derive(Clone, Copy)]
pub enum Changes<'a> {
    /// Everything that changed lies in these ranges of bytes, in any order; and behind the end of
    /// the old image, if the new one is longer. A block that a range touches counts as changed. No
    /// other block is read: that these are what they were is the caller's word.
    Ranges(&'a [Range<u64>]),
    /// The old image. Both are read and compared; a block that the old one does not have, or not as
    /// a whole, counts as changed. That these are the bytes that the old tree was made of is the
    /// caller's word.
    Since(&'a dyn ReadAt),
}

/// Ranges over blocks, in ascending order, of which no two touch.
pub(super) struct ChangedBlocks(Vec<Range<u64>>);

impl ChangedBlocks {
    /// The blocks that ranges of bytes touch, and those from `old_blocks` on.
    pub(super) fn new(ranges: &[Range<u64>], params: &Params, old_blocks: u64) -> ChangedBlocks {
        let (size, end) = (params.data_block_size(), params.data_blocks());
        let touched = ranges.iter().filter(|bytes| bytes.start < bytes.end);
        let touched = touched.map(|bytes| touched_blocks(bytes, size));
        let mut blocks: Vec<_> = touched
            .chain(std::iter::once(old_blocks..end))
            .map(|range| range.start..range.end.min(end))
            .filter(|range| range.start < range.end)
            .collect();
        blocks.sort_unstable_by_key(|range| range.start);
        blocks.dedup_by(|next, last| {
            let is_one = next.start <= last.end;
            if is_one {
                last.end = last.end.max(next.end);
            }
            is_one
        });
        ChangedBlocks(blocks)
    }

    /// Whether the first of these blocks changed, and where the next one lies of which the contrary
    /// is true, or the end of them.
    pub(super) fn first_of(&self, blocks: &Range<u64>) -> (bool, u64) {
        let next = self.0.partition_point(|range| range.end <= blocks.start);
        match self.0.get(next) {
            Some(range) if range.start <= blocks.start => (true, range.end.min(blocks.end)),
            Some(range) => (false, range.start.min(blocks.end)),
            None => (false, blocks.end),
        }
    }
}

fn touched_blocks(bytes: &Range<u64>, size: BlockSize) -> Range<u64> {
    let size = u64::from(size);
    bytes.start / size..bytes.end.div_ceil(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ranges: &[Range<u64>], old_blocks: u64) -> Vec<Range<u64>> {
        let params = Params::builder().data_blocks(100).build().unwrap();
        ChangedBlocks::new(ranges, &params, old_blocks).0
    }

    #[test]
    #[expect(clippy::reversed_empty_ranges, reason = "a caller can say anything")]
    #[expect(clippy::single_range_in_vec_init, reason = "one range is meant")]
    fn ranges_are_widened_to_blocks_and_merged() {
        assert_eq!(of(&[], 100), []);
        assert_eq!(of(&[], 200), []);
        assert_eq!(of(&[], 90), [90..100]);
        assert_eq!(of(&[4095..4097], 100), vec![0..2; 1]);
        assert_eq!(of(&[4096..4097, 0..1], 100), vec![0..2; 1]);
        assert_eq!(of(&[8192..12288, 0..4096], 100), [0..1, 2..3]);
        assert_eq!(of(&[0..40960, 4096..8192], 100), vec![0..10; 1]);
        assert_eq!(of(&[0..u64::MAX], 3), vec![0..100; 1]);
        assert_eq!(of(&[u64::MAX - 1..u64::MAX, 5..5, 9..3], 100), []);
    }

    #[test]
    fn blocks_are_told_in_turn() {
        let params = Params::builder().data_blocks(100).build().unwrap();
        let range = 10 * 4096..20 * 4096;
        let changed = ChangedBlocks::new(std::slice::from_ref(&range), &params, 90);
        assert_eq!(changed.first_of(&(0..50)), (false, 10));
        assert_eq!(changed.first_of(&(0..5)), (false, 5));
        assert_eq!(changed.first_of(&(10..50)), (true, 20));
        assert_eq!(changed.first_of(&(19..20)), (true, 20));
        assert_eq!(changed.first_of(&(20..100)), (false, 90));
        assert_eq!(changed.first_of(&(95..100)), (true, 100));
    }
}
