//! The hash blocks of one level that a wave needs, in memory.

use std::ops::Range;

use crate::BlockSize;

/// Verified hash blocks of one level, a row of them.
#[derive(Default)]
pub(super) struct Window {
    pub(super) first: u64,
    pub(super) bytes: Vec<u8>,
    /// Which of them may be used: their digests matched.
    pub(super) verified: Vec<bool>,
}

impl Window {
    /// Moves on to the hash blocks of `range`, which begins at the last block of the window or behind it.
    /// Keeps that block if it is in the range; returns how many blocks are new.
    pub(super) fn advance_to(&mut self, range: Range<u64>, block_size: BlockSize) -> usize {
        let blocks = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let one = block_size.buffer_len(1);
        let count = u64::try_from(self.verified.len()).unwrap_or(u64::MAX);
        let keep = count > 0 && self.first + count > range.start;
        if keep {
            let last = self.verified.len() - 1;
            self.bytes.copy_within(last * one.., 0);
            self.verified.swap(0, last);
        }
        let kept = usize::from(keep);
        self.first = range.start;
        self.bytes.resize(blocks * one, 0);
        self.verified.truncate(kept);
        self.verified.resize(blocks, false);
        blocks - kept
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
