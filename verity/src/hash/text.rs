//! Messages of hash functions whose words are little-endian and whose chunks need not divide a
//! block: all of a message but the block, and a group of them.
//!
//! ```text
//!  |salt ...|block                                                  |salt, padding|
//!  |chunk|chunk|chunk|chunk|chunk|chunk|chunk|chunk|chunk|chunk|chunk|chunk|chunk|
//!   staged: front       within the block, where it stands          staged: end
//! ```
//!
//! A chunk that is not all block is put together before the first one is hashed.

use super::lanes::{Lanes, block_start};
use crate::io::Ahead;
use crate::{HashType, Salt};

/// The most bytes of a message before the first chunk that is all block: the largest salt, and less
/// than a chunk.
const FRONT: usize = 256 + 143;
/// The most bytes behind the last chunk that is all block: less than a chunk, the largest salt,
/// and what fills the last chunk.
const END: usize = 143 + 256 + 144;

/// The messages of blocks of one size, but for the blocks.
pub(super) struct Text {
    /// The size of a block, in bytes.
    pub(super) block_size: usize,
    /// The size of a digest, in bytes.
    pub(super) digest_size: usize,
    /// The size of a chunk, in bytes: at most 144, and a word more than a multiple of four words
    /// or such a multiple.
    pub(super) chunk: usize,
    /// The size of a message, in bytes.
    pub(super) len: usize,
    before: Box<[u8]>,
    /// With the padding: whole chunks with what is before.
    after: Box<[u8]>,
}

impl Text {
    /// Messages whose padding begins with the byte `first`, and ends with the bits of `last`.
    pub(super) fn new(
        hash_type: HashType,
        salt: &Salt,
        block_size: usize,
        (chunk, digest_size): (usize, usize),
        (first, last): (u8, u8),
    ) -> Text {
        let (before, after) = match hash_type {
            HashType::ChromeOs => (&[][..], salt.as_bytes()),
            HashType::Normal => (salt.as_bytes(), &[][..]),
        };
        let len = before.len() + block_size + after.len();
        // A byte of padding takes room, zeros do not.
        let padded = (len + usize::from(first > 0)).next_multiple_of(chunk);
        let mut after = after.to_vec();
        after.resize(after.len() + padded - len, 0);
        if padded > len {
            let start = after.len() - (padded - len);
            after[start] |= first;
            if let Some(end) = after.last_mut() {
                *end |= last;
            }
        }
        Text { block_size, digest_size, chunk, len, before: before.into(), after: after.into() }
    }

    /// How many chunks a message has.
    pub(super) fn chunks(&self) -> usize {
        (self.before.len() + self.block_size + self.after.len()) / self.chunk
    }

    /// How many chunks end before the first that is all block.
    fn front(&self) -> usize {
        self.before.len().div_ceil(self.chunk)
    }

    /// How many chunks end within the block or before.
    fn within(&self) -> usize {
        (self.before.len() + self.block_size) / self.chunk
    }
}

/// Some blocks of one size that a kernel hashes together.
pub(super) struct Texts<'a> {
    /// What all messages have in common.
    pub(super) text: &'a Text,
    /// The blocks, back to back; at least one.
    pub(super) blocks: &'a [u8],
    /// What will be hashed after them.
    pub(super) next: Ahead,
    /// Room for their digests, back to back.
    pub(super) digests: &'a mut [u8],
}

/// Words of several messages, as [`Lanes`], loaded in the other order of bytes.
pub(super) trait LittleLanes: Lanes<Word = u64> {
    /// Four little-endian words of each message, `offset` bytes from the start of its block.
    /// Lane i has block i of `blocks`, or the last one if there are fewer.
    ///
    /// # Panics
    /// If a block has fewer bytes, or if there is no block.
    fn load_four(cpu: Self::Cpu, blocks: &[u8], block_size: usize, offset: usize) -> [Self; 4];
}

impl<const N: usize> LittleLanes for [u64; N] {
    #[inline(always)]
    fn load_four((): (), blocks: &[u8], block_size: usize, offset: usize) -> [Self; 4] {
        let mut four = [[0; N]; 4];
        for lane in 0..N {
            let start = block_start(blocks, block_size, lane) + offset;
            for (words, bytes) in four.iter_mut().zip(blocks[start..start + 32].chunks_exact(8)) {
                words[lane] = u64::from_le_bytes(bytes.try_into().unwrap_or_default());
            }
        }
        four
    }
}

/// The chunks that are not all block, of a group of at most `LANES` messages.
pub(super) struct Staged<'a, const LANES: usize> {
    text: &'a Text,
    blocks: &'a [u8],
    front: [[u8; FRONT]; LANES],
    end: [[u8; END]; LANES],
}

impl<'a, const LANES: usize> Staged<'a, LANES> {
    /// Puts them together.
    #[inline(always)]
    pub(super) fn new(text: &'a Text, blocks: &'a [u8]) -> Self {
        let (mut fronts, mut ends) = ([[0; FRONT]; LANES], [[0; END]; LANES]);
        let (salt, size) = (text.before.len(), text.block_size);
        let taken = text.front() * text.chunk - salt;
        let left = salt + size - text.within() * text.chunk;
        for (lane, (front, end)) in fronts.iter_mut().zip(&mut ends).enumerate() {
            let block = &blocks[block_start(blocks, size, lane)..][..size];
            front[..salt].copy_from_slice(&text.before);
            front[salt..salt + taken].copy_from_slice(&block[..taken]);
            end[..left].copy_from_slice(&block[size - left..]);
            end[left..left + text.after.len()].copy_from_slice(&text.after);
        }
        Staged { text, blocks, front: fronts, end: ends }
    }

    /// Where a chunk stands: in these blocks of that size, so many bytes from the start of each.
    #[inline(always)]
    pub(super) fn chunk(&self, index: usize) -> (&[u8], usize, usize) {
        let Text { chunk, block_size, .. } = *self.text;
        let within = self.text.within();
        if index < self.text.front() {
            (self.front.as_flattened(), FRONT, index * chunk)
        } else if index < within {
            (self.blocks, block_size, index * chunk - self.text.before.len())
        } else {
            (self.end.as_flattened(), END, (index - within) * chunk)
        }
    }
}

/// Writes the digests of as many lanes as there is room for.
#[inline(always)]
pub(super) fn store<L: LittleLanes>(state: &[L; 8], digest_size: usize, digests: &mut [u8]) {
    // No kernel has more lanes.
    let mut words = [[0; 8]; 8];
    for (lanes, words) in state.iter().zip(&mut words) {
        lanes.store(words);
    }
    for (lane, digest) in digests.chunks_exact_mut(digest_size).enumerate() {
        for (bytes, words) in digest.chunks_exact_mut(8).zip(&words) {
            bytes.copy_from_slice(&words[lane].to_le_bytes());
        }
    }
}
