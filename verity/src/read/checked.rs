//! Which data blocks were found right once, for readers that check at most once.
//!
//! Bits are kept for blocks that were verified and for their neighbours, never for all blocks that
//! there are said to be.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::RwLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::lock::unpoisoned;
use crate::number::to_len;

/// How many data blocks one piece of the bits is for: it is allocated with the first of them that
/// was verified.
const PIECE_BLOCKS: u64 = 32 * 1024;

/// A bit for each data block. It says nothing about any other memory, so no order goes with it.
#[derive(Default)]
pub(super) struct CheckedBlocks {
    pieces: RwLock<BTreeMap<u64, Box<[AtomicU64]>>>,
}

impl CheckedBlocks {
    /// Remembers a block that was verified.
    pub(super) fn insert(&self, block: u64) {
        let number = block / PIECE_BLOCKS;
        let mark = |piece: &[AtomicU64]| {
            if let Some(word) = piece.get(word(block)) {
                word.fetch_or(bit(block), Ordering::Relaxed);
            }
        };
        if let Some(piece) = unpoisoned(self.pieces.read()).get(&number) {
            return mark(piece);
        }
        let new = || (0..PIECE_BLOCKS / 64).map(|_| AtomicU64::new(0)).collect();
        mark(unpoisoned(self.pieces.write()).entry(number).or_insert_with(new));
    }

    /// Whether all of these blocks were verified once.
    pub(super) fn contains_all(&self, mut blocks: Range<u64>) -> bool {
        let pieces = unpoisoned(self.pieces.read());
        blocks.all(|block| {
            let words = pieces.get(&(block / PIECE_BLOCKS));
            let word = words.and_then(|words| words.get(word(block)));
            word.is_some_and(|word| word.load(Ordering::Relaxed) & bit(block) != 0)
        })
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
        let checked = CheckedBlocks::default();
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
        let checked = CheckedBlocks::default();
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
    fn a14_memory_is_for_what_was_verified() {
        let checked = CheckedBlocks::default();
        let pieces = || unpoisoned(checked.pieces.read()).len();
        assert_eq!(pieces(), 0);
        assert!(!checked.contains_all(0..u64::MAX));
        assert_eq!(pieces(), 0);
        checked.insert(u64::MAX);
        checked.insert(u64::MAX - 1);
        assert!(checked.contains_all(u64::MAX - 1..u64::MAX));
        assert_eq!(pieces(), 1);
    }
}
