//! Requests: ranges over the blocks that are wanted.

use std::ops::Range;

use crate::number::to_u64;

/// Ranges over blocks in ascending order: gaps of up to `bridge` blocks are gone over, and none is
/// longer than `most`.
pub(super) fn merged(blocks: impl Iterator<Item = u64>, bridge: u64, most: u64) -> Vec<Range<u64>> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for block in blocks {
        match ranges.last_mut() {
            Some(last) if block - last.end <= bridge && block - last.start < most => {
                last.end = block + 1;
            }
            _ => ranges.push(block..block + 1),
        }
    }
    ranges
}

/// The bytes of ranges of blocks.
pub(super) fn bytes_of(ranges: &[Range<u64>], block_size: u64) -> u64 {
    ranges.iter().map(|range| (range.end - range.start) * block_size).sum()
}

/// How many ranges there are.
pub(super) fn count(ranges: &[Range<u64>]) -> u64 {
    to_u64(ranges.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_bridged_up_to_their_bound_and_requests_are_no_longer_than_theirs() {
        let blocks = || [1, 2, 3, 6, 7, 20, 21].into_iter();
        assert_eq!(merged(blocks(), 0, 100), [1..4, 6..8, 20..22]);
        assert_eq!(merged(blocks(), 1, 100), [1..4, 6..8, 20..22]);
        assert_eq!(merged(blocks(), 2, 100), [1..8, 20..22]);
        assert_eq!(merged(blocks(), u64::MAX, 100), vec![1..22; 1]);
        assert_eq!(merged(blocks(), u64::MAX, 6), [1..7, 7..8, 20..22]);
        assert_eq!(merged(0..5, 0, 2), [0..2, 2..4, 4..5]);
        assert_eq!(bytes_of(&merged(blocks(), 2, 100), 512), 9 * 512);
    }
}
