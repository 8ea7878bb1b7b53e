//! Which data blocks were found right once, for readers that check at most once.

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::number::to_len;

/// How many data blocks one piece of the bits is for: it is allocated with the first of them.
const PIECE_BLOCKS: u64 = 32 * 1024;

/// A bit for each data block. It says nothing about any other memory, so no order goes with it.
pub(super) struct CheckedBlocks {
    pieces: Vec<OnceLock<Box<[AtomicU64]>>>,
}

impl CheckedBlocks {
    /// For that many data blocks. Where there is no memory for them, none is remembered.
    pub(super) fn new(data_blocks: u64) -> CheckedBlocks {
        let mut pieces = Vec::new();
        if let Ok(count) = usize::try_from(data_blocks.div_ceil(PIECE_BLOCKS))
            && pieces.try_reserve_exact(count).is_ok()
        {
            pieces.resize_with(count, OnceLock::new);
        }
        CheckedBlocks { pieces }
    }

    pub(super) fn insert(&self, block: u64) {
        let Some(piece) = self.piece(block) else { return };
        let words =
            piece.get_or_init(|| (0..PIECE_BLOCKS / 64).map(|_| AtomicU64::new(0)).collect());
        if let Some(word) = words.get(word(block)) {
            word.fetch_or(bit(block), Ordering::Relaxed);
        }
    }

    pub(super) fn contains_all(&self, mut blocks: Range<u64>) -> bool {
        blocks.all(|block| self.contains(block))
    }

    fn contains(&self, block: u64) -> bool {
        let words = self.piece(block).and_then(OnceLock::get);
        let word = words.and_then(|words| words.get(word(block)));
        word.is_some_and(|word| word.load(Ordering::Relaxed) & bit(block) != 0)
    }

    fn piece(&self, block: u64) -> Option<&OnceLock<Box<[AtomicU64]>>> {
        self.pieces.get(usize::try_from(block / PIECE_BLOCKS).ok()?)
    }
}

/// The word of a block in its piece.
fn word(block: u64) -> usize {
    to_len(block % PIECE_BLOCKS / 64)
}

fn bit(block: u64) -> u64 {
    1 << (block % 64)
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
    fn blocks_of_other_pieces_are_others() {
        let checked = CheckedBlocks::new(1 << 40);
        for block in [0, PIECE_BLOCKS - 1, PIECE_BLOCKS, (1 << 40) - 1] {
            assert!(!checked.contains_all(block..block + 1));
            checked.insert(block);
            assert!(checked.contains_all(block..block + 1));
        }
        assert!(checked.contains_all(PIECE_BLOCKS - 1..PIECE_BLOCKS + 1));
        assert!(!checked.contains_all(PIECE_BLOCKS..PIECE_BLOCKS + 2));
        assert!(!checked.contains_all(2 * PIECE_BLOCKS - 1..2 * PIECE_BLOCKS));
    }

    #[test]
    fn more_than_memory_has_is_not_remembered() {
        let checked = CheckedBlocks::new(u64::MAX);
        checked.insert(0);
        assert!(!checked.contains_all(0..1));
    }
}
