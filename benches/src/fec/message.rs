//! What is encoded in memory, what must come of it, and what is lost of it.

use std::ops::Range;

use verity::FecArea;
use verity::internals::to_len;
use verity_testdata::pattern::Prng;

use crate::reads::BLOCK_SIZE;

use super::Word;

/// How many codewords side by side are taken apart at once, so that each line of memory is read
/// once and what is written stays in the level-1 cache.
pub(super) const SIDE_BY_SIDE: usize = 64;

/// Blocks as if data and tree lay side by side, with their parity.
#[derive(Debug)]
pub struct Message {
    /// The blocks.
    pub bytes: Vec<u8>,
    /// How parity covers them.
    pub area: FecArea,
    /// The parity by the crate `reed-solomon`, which takes its time.
    pub parity: Vec<u8>,
}

impl Message {
    /// Takes blocks, with zeros in the place of their parity.
    pub(super) fn without_parity(bytes: Vec<u8>, area: FecArea) -> Message {
        let range = area.range();
        Message { bytes, area, parity: vec![0; to_len(range.end - range.start)] }
    }

    /// How many rows of a round have a block.
    pub(super) fn rows(&self, round: u64) -> u64 {
        (self.area.blocks() - round).div_ceil(self.area.rounds())
    }

    /// Copies the blocks of some adjacent rounds, from row `first` on; zeros behind the last block.
    pub(super) fn gather(&self, rounds: &Range<u64>, first: u64, rows: &mut [u8]) {
        let row_len = to_len(rounds.end - rounds.start) * BLOCK_SIZE;
        for (row, number) in rows.chunks_exact_mut(row_len).zip(first..) {
            let start = to_len(number * self.area.rounds() + rounds.start) * BLOCK_SIZE;
            let there = self.bytes.get(start..).unwrap_or_default();
            let there = &there[..there.len().min(row_len)];
            let (covered, behind) = row.split_at_mut(there.len());
            covered.copy_from_slice(there);
            behind.fill(0);
        }
    }

    /// The messages of codewords side by side, from number `first` on.
    pub(super) fn take_apart(&self, first: usize, words: &mut [Word; SIDE_BY_SIDE]) {
        let (round, inside) = (first / BLOCK_SIZE, first % BLOCK_SIZE);
        for row in 0..to_len(self.area.rows()) {
            let start = (row * to_len(self.area.rounds()) + round) * BLOCK_SIZE + inside;
            let bytes = self.bytes.get(start..start + SIDE_BY_SIDE);
            let bytes = bytes.unwrap_or(&[0; SIDE_BY_SIDE]);
            words.iter_mut().zip(bytes).for_each(|(word, &byte)| word[row] = byte);
        }
    }
}

impl AsRef<[u8]> for Message {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A message of which each round has lost as many rows as parity can give back.
#[derive(Debug)]
pub struct Loss {
    /// The blocks that are lost have other bytes; the parity is that of the intact ones.
    pub message: Message,
    /// What is lost of each round, in ascending order.
    pub(super) rows: Vec<Vec<usize>>,
    /// The lost blocks, those of the first round first.
    pub(super) blocks: Vec<u8>,
}

impl Loss {
    /// Spoils blocks of a message, chosen by a seed.
    pub fn new(mut message: Message, seed: u64) -> Loss {
        let mut prng = Prng::new(seed);
        let mut blocks = Vec::new();
        let rows = (0..message.area.rounds()).map(|round| lost_rows(&message, round, &mut prng));
        let rows: Vec<_> = rows.collect();
        for (round, rows) in rows.iter().enumerate() {
            for row in rows {
                let start = (row * to_len(message.area.rounds()) + round) * BLOCK_SIZE;
                let block = &mut message.bytes[start..start + BLOCK_SIZE];
                blocks.extend_from_slice(block);
                prng.fill(block);
            }
        }
        Loss { message, rows, blocks }
    }

    /// How many bytes are lost.
    pub fn lost(&self) -> usize {
        self.blocks.len()
    }

    /// The bytes of the parity of one round.
    pub(super) fn parity_len(&self) -> usize {
        self.message.parity.len() / self.rows.len()
    }
}

impl AsRef<[u8]> for Loss {
    fn as_ref(&self) -> &[u8] {
        self.message.as_ref()
    }
}

/// Chooses as many rows as there are roots, or all.
fn lost_rows(message: &Message, round: u64, prng: &mut Prng) -> Vec<usize> {
    let mut rows: Vec<_> = (0..to_len(message.rows(round))).collect();
    let wanted = to_len(message.area.roots().into()).min(rows.len());
    for place in 0..wanted {
        let other = place + to_len(prng.below((rows.len() - place) as u64));
        rows.swap(place, other);
    }
    rows.truncate(wanted);
    rows.sort_unstable();
    rows
}
