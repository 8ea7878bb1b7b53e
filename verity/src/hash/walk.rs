//! The walk of a kernel over a group of blocks, once, over any [`Lanes`].
//!
//! ```text
//!  for each line of the block, 64 bytes for sha256:
//!      load it once for every lane, whole and aligned as the block is, and turn it: 16 vectors
//!      chunk = words carried from the line before, then the first words of this one
//!      compress(chunk); carry the words that are left
//!  then the chunk that the block's last bytes share with padding, then the chunks of padding alone
//! ```
//!
//! 1. **The carried line.** A salt of 32 bytes puts every block half a chunk off the grid of
//!    chunks. Reading chunk by chunk would touch each line twice, and lines of blocks that lie
//!    4096 bytes apart share one set of the level-1 cache, so that they are gone in between. So a
//!    line is loaded once; the words that belong to the next chunk wait in `window`. A salt that
//!    is no multiple of a word shifts the words too.
//! 2. **The schedule is worked out in place**, sixteen words before each sixteen rounds use them
//!    (`sha2`).
//! 3. **Padding is prepared**: its chunks are the same for every block, and so is their schedule
//!    (`message`).

use super::feed::Feed;
use super::group::Group;
use super::lanes::Lanes;
use super::prefetch::{Cache, prefetch};
use super::sha2::{compress, compress_constant};
use super::word::Word;

/// Does the same for each of sixteen numbers, without a loop.
macro_rules! sixteen {
    ($index:ident => $work:expr) => {
        sixteen!(@ $index $work; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
    };
    (@ $index:ident $work:expr; $($number:literal)*) => {
        $({
            let $index = $number;
            $work;
        })*
    };
}

/// Hashes a group of at most as many blocks as there are lanes.
#[inline(always)]
pub(super) fn hash<L: Lanes>(cpu: L::Cpu, group: Group<'_, L::Word>) {
    let Group { message, blocks, next, digests } = group;
    let (block_size, chunk_size) = (message.block_size, L::Word::CHUNK);
    let mut state: [L; 8] = splat_all(cpu, &message.state);
    let mut window = Window::<L>::new(cpu, &message.front);
    let mut feed = Feed::new(cpu, blocks, block_size);
    if L::AHEAD {
        feed.take_line();
    }
    let joint = message.joint.as_deref();
    // One call of the rounds serves the joint chunk too: it is much code.
    for offset in (0..block_size + joint.map_or(0, <[u8]>::len)).step_by(chunk_size) {
        if offset < block_size {
            if !L::AHEAD {
                feed.take_line();
            }
            window.take_line(&feed.rows);
        } else if let Some(joint) = joint {
            window.take_joint(cpu, joint);
        }
        feed.offset = (offset + chunk_size).min(block_size - chunk_size);
        prefetch(next.part(offset * L::LANES, chunk_size * L::LANES), Cache::Second);
        compress(cpu, &mut state, window.chunk(), &mut feed);
        window.carry();
    }
    for constant in &message.rest {
        compress_constant(cpu, &mut state, &constant.schedule);
    }
    store(&state, message.digest_size, digests);
}

/// The words of a chunk, and behind them those of the last line that belong to the next one.
struct Window<L> {
    words: [L; 32],
    /// How many words each line leaves to the next chunk.
    carried: usize,
    /// How many bits more.
    shift: u32,
    /// The word of which those bits are the lowest.
    last: L,
}

impl<L: Lanes> Window<L> {
    /// With what stands in front of each block.
    #[inline(always)]
    fn new(cpu: L::Cpu, front: &[u8]) -> Self {
        let carried = front.len() / L::Word::BYTES;
        let shift = u32::try_from(front.len() % L::Word::BYTES * 8).unwrap_or_default();
        let mut words = [L::splat(cpu, L::Word::default()); 32];
        for (words, bytes) in words.iter_mut().zip(front.chunks_exact(L::Word::BYTES)) {
            *words = L::splat(cpu, L::Word::read(bytes));
        }
        Window { words, carried, shift, last: L::splat(cpu, tail_word(front)) }
    }

    /// Puts a line behind what was carried.
    #[inline(always)]
    fn take_line(&mut self, rows: &[L; 16]) {
        let line = &mut self.words[self.carried..self.carried + 16];
        let turned = L::turn(rows);
        // As a loop over one of the arrays this would be a call of memcpy.
        sixteen!(index => line[index] = turned[index]);
        if self.shift > 0 {
            for words in line {
                let this = *words;
                *words = self.last.shl(L::Word::BITS - self.shift).xor(this.shr(self.shift));
                self.last = this;
            }
        }
    }

    /// Puts the padding of a chunk behind what was carried.
    #[inline(always)]
    fn take_joint(&mut self, cpu: L::Cpu, joint: &[u8]) {
        let padding = joint.chunks_exact(L::Word::BYTES).skip(self.carried);
        for (words, bytes) in self.words[self.carried..].iter_mut().zip(padding) {
            *words = L::splat(cpu, L::Word::read(bytes));
        }
        if self.shift > 0 {
            let first = &mut self.words[self.carried];
            *first = first.xor(self.last.shl(L::Word::BITS - self.shift));
        }
    }

    #[inline(always)]
    fn chunk(&mut self) -> &mut [L; 16] {
        (&mut self.words[..16]).try_into().unwrap_or_else(|_| unreachable!("sixteen words"))
    }

    #[inline(always)]
    fn carry(&mut self) {
        if self.carried > 0 {
            sixteen!(index => self.words[index] = self.words[16 + index]);
        }
    }
}

/// The bytes that are left when whole words are taken off, in the low bits of a word.
#[inline(always)]
fn tail_word<W: Word>(bytes: &[u8]) -> W {
    // No word has more bytes.
    let mut word = [0; 8];
    let tail = bytes.chunks_exact(W::BYTES).remainder();
    word[W::BYTES - tail.len()..W::BYTES].copy_from_slice(tail);
    W::read(&word[..W::BYTES])
}

#[inline(always)]
fn splat_all<L: Lanes>(cpu: L::Cpu, words: &[L::Word; 8]) -> [L; 8] {
    let mut lanes = [L::splat(cpu, words[0]); 8];
    for (lanes, &word) in lanes.iter_mut().zip(words) {
        *lanes = L::splat(cpu, word);
    }
    lanes
}

/// Writes the digests of as many lanes as there is room for.
#[inline(always)]
fn store<L: Lanes>(state: &[L; 8], digest_size: usize, digests: &mut [u8]) {
    // No kernel has more lanes.
    let mut words = [[L::Word::default(); 32]; 8];
    for (lanes, words) in state.iter().zip(&mut words) {
        lanes.store(words);
    }
    for (lane, digest) in digests.chunks_exact_mut(digest_size).enumerate() {
        for (bytes, words) in digest.chunks_mut(L::Word::BYTES).zip(&words) {
            words[lane].write(bytes);
        }
    }
}
