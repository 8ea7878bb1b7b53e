//! What one tree's messages have in common: all of them but the block.
//!
//! ```text
//!  hash type 1  |salt chunk|...|salt rest, block ...|  whole lines of block  |... block, end|end|
//!  hash type 0                 |               whole lines of block          |salt, end|...|
//!                in `state`     `front`                                       `joint`    `rest`
//! ```
//!
//! A chunk is what SHA-2 takes at a time: 64 bytes for sha256, 128 for sha512. All messages of a
//! tree have the same length, so the state after whole chunks of salt, the rest of the salt in
//! front of the block, and everything behind the block are prepared once.

use crate::number::to_u64;
use crate::{HashType, Salt};

use super::sha2;
use super::word::Word;

/// The messages of blocks of one size, but for the blocks.
pub(super) struct Message<W> {
    /// The size of a block, in bytes; whole chunks.
    pub(super) block_size: usize,
    /// The size of a digest, in bytes; at most eight words.
    pub(super) digest_size: usize,
    /// The state before the first chunk that has bytes of the block.
    pub(super) state: [W; 8],
    /// What stands in front of the block in that chunk: less than a chunk.
    pub(super) front: Box<[u8]>,
    /// The chunk that begins with the last `front.len()` bytes of the block, with zeros for those;
    /// `None` if `front` is empty.
    pub(super) joint: Option<Box<[u8]>>,
    /// The chunks behind it, which have no byte of the block.
    pub(super) rest: Vec<Constant<W>>,
}

/// A chunk that is the same for every block.
pub(super) struct Constant<W> {
    /// The bytes.
    pub(super) bytes: Box<[u8]>,
    /// The message schedule, the round constants already added: one word a round.
    pub(super) schedule: Vec<W>,
}

impl<W: Word> Message<W> {
    /// For a hash function that begins with `start`. `None` if blocks
    /// of that size are not whole chunks.
    pub(super) fn new(
        start: [W; 8],
        digest_size: usize,
        hash_type: HashType,
        salt: &Salt,
        block_size: usize,
    ) -> Option<Message<W>> {
        if block_size == 0 || !block_size.is_multiple_of(W::CHUNK) {
            return None;
        }
        let (before, after) = match hash_type {
            HashType::ChromeOs => (&[][..], salt.as_bytes()),
            HashType::Normal => (salt.as_bytes(), &[][..]),
        };
        let (whole, front) = before.split_at(before.len() / W::CHUNK * W::CHUNK);
        let mut state = start;
        whole.chunks_exact(W::CHUNK).for_each(|chunk| sha2::compress_one(&mut state, chunk));
        let end = end::<W>(before.len() + block_size, front.len(), after);
        let mut chunks = end.chunks_exact(W::CHUNK).map(Box::from);
        let joint = if front.is_empty() { None } else { chunks.next() };
        let rest = chunks.map(Constant::new).collect();
        Some(Message { block_size, digest_size, state, front: front.into(), joint, rest })
    }
}

impl<W: Word> Constant<W> {
    fn new(bytes: Box<[u8]>) -> Constant<W> {
        let schedule = sha2::schedule(&bytes);
        Constant { bytes, schedule }
    }
}

/// What follows the block (`after`, a one, zeros, the length in bits), in whole chunks, of which
/// the first `gap` bytes are left for the block.
fn end<W: Word>(before: usize, gap: usize, after: &[u8]) -> Vec<u8> {
    let mut end = vec![0; gap];
    end.extend(after);
    end.push(0x80);
    // The length takes two words.
    let size = (end.len() + 2 * W::BYTES).next_multiple_of(W::CHUNK);
    end.resize(size, 0);
    let bits = 8 * u128::from(to_u64(before + after.len()));
    // FIPS 180-4 gives the length two words: 16 bytes for sha512, 8 for sha256. Blocks and salts
    // are far shorter than either can say.
    let bits = bits.to_be_bytes();
    let length = bits.len().min(2 * W::BYTES);
    end[size - length..].copy_from_slice(&bits[bits.len() - length..]);
    end
}
