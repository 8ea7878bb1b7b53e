//! Which data blocks were found right once, for readers that check at most once.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// A bit for each data block. It says nothing about any other memory, so no order goes with it.
pub(super) struct CheckedBlocks {
    words: Vec<AtomicU64>,
}

impl CheckedBlocks {
    /// For that many data blocks. Where there is no memory for them, none is remembered.
    pub(super) fn new(data_blocks: u64) -> CheckedBlocks {
        let mut words = Vec::new();
        if let Ok(count) = usize::try_from(data_blocks.div_ceil(64))
            && words.try_reserve_exact(count).is_ok()
        {
            words.resize_with(count, AtomicU64::default);
        }
        CheckedBlocks { words }
    }

    pub(super) fn insert(&self, block: u64) {
        if let Some((word, bit)) = self.place(block) {
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    pub(super) fn contains_all(&self, mut blocks: Range<u64>) -> bool {
        blocks.all(|block| {
            self.place(block).is_some_and(|(word, bit)| word.load(Ordering::Relaxed) & bit != 0)
        })
    }

    fn place(&self, block: u64) -> Option<(&AtomicU64, u64)> {
        let word = self.words.get(usize::try_from(block / 64).ok()?)?;
        Some((word, 1 << (block % 64)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_put_in_is_not_there() {
        let checked = CheckedBlocks::new(200);
        (0..200).filter(|block| block % 3 > 0).for_each(|block| checked.insert(block));
        for block in 0..200 {
            assert_eq!(checked.contains_all(block..block + 1), block % 3 > 0);
        }
        assert!(checked.contains_all(64..66));
        assert!(!checked.contains_all(64..67));
        assert!(!checked.contains_all(199..300));
    }

    #[test]
    fn more_than_memory_has_is_not_remembered() {
        let checked = CheckedBlocks::new(u64::MAX);
        checked.insert(0);
        assert!(!checked.contains_all(0..1));
    }
}
