//! The hash blocks of one level that a wave needs, in memory.

use std::ops::Range;

use crate::BlockSize;
use crate::number::{to_len, to_u64};

/// Verified hash blocks of one level, a row of them.
#[derive(Default)]
pub(super) struct Window {
    first: u64,
    bytes: Vec<u8>,
    /// Which of them may be used: their digests matched.
    verified: Vec<bool>,
}

/// The hash blocks of a window that are still to be read and verified.
pub(super) struct Fresh<'w> {
    pub(super) first: u64,
    pub(super) bytes: &'w mut [u8],
    pub(super) verified: &'w mut [bool],
}

impl Window {
    /// Moves on to the hash blocks of `range`, which begins at the last block of the window or
    /// behind it. Keeps that block if it is in the range; returns the others, which are new.
    pub(super) fn advance_to(&mut self, range: Range<u64>, block_size: BlockSize) -> Fresh<'_> {
        let kept = self.keep_last(range.start, block_size);
        let blocks = to_len(range.end - range.start);
        self.first = range.start;
        self.bytes.resize(block_size.buffer_len(blocks), 0);
        self.verified.truncate(kept);
        self.verified.resize(blocks, false);
        Fresh {
            first: self.first + to_u64(kept),
            bytes: &mut self.bytes[block_size.buffer_len(kept)..],
            verified: &mut self.verified[kept..],
        }
    }

    /// Moves the last block to the front if it is block `start`; says how many blocks that are.
    fn keep_last(&mut self, start: u64, block_size: BlockSize) -> usize {
        let count = self.verified.len();
        if count == 0 || self.first + to_u64(count) <= start {
            return 0;
        }
        self.bytes.copy_within(block_size.buffer_len(count - 1).., 0);
        self.verified.swap(0, count - 1);
        1
    }

    /// Whether any of its hash blocks may be used.
    pub(super) fn is_any_verified(&self) -> bool {
        self.verified.contains(&true)
    }

    /// The bytes of a hash block of this level, if its digest matched.
    pub(super) fn block(&self, block: u64, block_size: BlockSize) -> Option<&[u8]> {
        let index = usize::try_from(block.checked_sub(self.first)?).ok()?;
        if !*self.verified.get(index)? {
            return None;
        }
        self.bytes.chunks_exact(block_size.buffer_len(1)).nth(index)
    }
}
