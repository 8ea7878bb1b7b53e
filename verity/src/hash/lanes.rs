//! What a kernel may do with the words of several messages at once: one
//! vector, one word of each message.
//!
//! [`Lanes`] is the whole list. Arrays implement it in ordinary code, for one message on any CPU
//! and for tests; each instruction set implements it with its vectors; [`Pair`] makes two out of
//! one, so that the instructions of one half fill the gaps that the other half leaves.

use super::word::Word;

/// One word of each of several messages.
///
/// Implementations are `#[inline(always)]` throughout and carry no target
/// feature: only the function that enters a kernel does, and everything
/// below becomes part of it. A value is the proof that the CPU can work with
/// it, since it is made from a `Cpu`, and that only where the CPU was asked.
pub(super) trait Lanes: Copy {
    /// The words in the lanes.
    type Word: Word;
    /// The proof that the CPU has the instructions.
    type Cpu: Copy;
    /// How many messages.
    const LANES: usize;
    /// Whether the next line is better loaded while one is hashed, a quarter at a time. It pays
    /// where the lines of all lanes together do not fit one set of the level-1 cache, so that each
    /// has to come from level 2.
    const AHEAD: bool = false;

    /// One word in every lane.
    fn splat(cpu: Self::Cpu, word: Self::Word) -> Self;

    /// A quarter of a line: of the sixteen words of each message, big endian, that stand `offset`
    /// bytes from the start of its block. Lane i has block i of `blocks`, or the last one if there
    /// are fewer. Which quarter holds what is for [`Lanes::turn`] to know.
    ///
    /// # Panics
    /// If a block has fewer bytes, or if there is no block.
    fn load(
        cpu: Self::Cpu,
        blocks: &[u8],
        block_size: usize,
        offset: usize,
        quarter: usize,
    ) -> [Self; 4];

    /// The sixteen words, from the four quarters.
    fn turn(quarters: &[Self; 16]) -> [Self; 16];

    /// The words of the lanes, in order; `words` has room for each.
    fn store(self, words: &mut [Self::Word]);

    /// Modulo 2 to the number of bits.
    fn add(self, other: Self) -> Self;
    /// Bit by bit.
    fn xor(self, other: Self) -> Self;
    /// Bit by bit.
    fn and(self, other: Self) -> Self;
    /// To the right, round. A constant in every call, so that it can become part of an instruction.
    fn rotr(self, bits: u32) -> Self;
    /// To the right, filled with zeros. Fewer bits than a word has.
    fn shr(self, bits: u32) -> Self;
    /// To the left, filled with zeros. Fewer bits than a word has.
    fn shl(self, bits: u32) -> Self;

    /// This value; what is worked out from it comes after what was pinned before. Compilers move
    /// additions and whole schedules to where their operands keep too many registers busy.
    #[inline(always)]
    fn pinned(self) -> Self {
        self
    }

    /// Bit by bit.
    #[inline(always)]
    fn xor3(self, b: Self, c: Self) -> Self {
        self.xor(b).xor(c)
    }

    /// Bits of `other` where `self` has zeros.
    #[inline(always)]
    fn not_and(self, other: Self) -> Self {
        self.and(other).xor(other)
    }

    /// FIPS 180-4's Ch: bits of `yes` where `self` has ones, of `no` elsewhere.
    #[inline(always)]
    fn ch(self, yes: Self, no: Self) -> Self {
        self.and(yes.xor(no)).xor(no)
    }

    /// FIPS 180-4's Maj: what at least two of three have.
    #[inline(always)]
    fn maj(self, b: Self, c: Self) -> Self {
        self.xor(b).and(c.xor(b)).xor(b)
    }
}

/// Where the block of a lane begins, when `blocks` may hold fewer blocks than there are lanes.
#[inline(always)]
pub(super) fn block_start(blocks: &[u8], block_size: usize, lane: usize) -> usize {
    (lane * block_size).min(blocks.len() - block_size)
}

/// Messages side by side in ordinary code; with one lane, the portable kernel.
impl<W: Word, const N: usize> Lanes for [W; N] {
    type Word = W;
    type Cpu = ();
    const LANES: usize = N;

    #[inline(always)]
    fn splat((): (), word: W) -> Self {
        [word; N]
    }

    /// Four words of every message.
    #[inline(always)]
    fn load((): (), blocks: &[u8], block_size: usize, offset: usize, quarter: usize) -> [Self; 4] {
        let mut four = [[W::default(); N]; 4];
        for lane in 0..N {
            let start = block_start(blocks, block_size, lane) + offset + 4 * W::BYTES * quarter;
            let bytes = &blocks[start..start + 4 * W::BYTES];
            for (words, bytes) in four.iter_mut().zip(bytes.chunks_exact(W::BYTES)) {
                words[lane] = W::read(bytes);
            }
        }
        four
    }

    #[inline(always)]
    fn turn(quarters: &[Self; 16]) -> [Self; 16] {
        *quarters
    }

    #[inline(always)]
    fn store(self, words: &mut [W]) {
        words[..N].copy_from_slice(&self);
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        zip(self, other, W::add)
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        zip(self, other, W::xor)
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        zip(self, other, W::and)
    }

    #[inline(always)]
    fn rotr(self, bits: u32) -> Self {
        self.map(|word| word.rotr(bits))
    }

    #[inline(always)]
    fn shr(self, bits: u32) -> Self {
        self.map(|word| word.shr(bits))
    }

    #[inline(always)]
    fn shl(self, bits: u32) -> Self {
        self.map(|word| word.shl(bits))
    }
}

#[inline(always)]
fn zip<W: Word, const N: usize>(a: [W; N], b: [W; N], with: fn(W, W) -> W) -> [W; N] {
    let mut both = a;
    for (word, other) in both.iter_mut().zip(b) {
        *word = with(*word, other);
    }
    both
}

/// Two vectors in flight.
#[derive(Clone, Copy)]
pub(super) struct Pair<L>(L, L);

impl<L: Lanes> Lanes for Pair<L> {
    type Word = L::Word;
    type Cpu = L::Cpu;
    const LANES: usize = 2 * L::LANES;
    const AHEAD: bool = L::AHEAD;

    #[inline(always)]
    fn splat(cpu: L::Cpu, word: L::Word) -> Self {
        let lanes = L::splat(cpu, word);
        Pair(lanes, lanes)
    }

    #[inline(always)]
    fn load(
        cpu: L::Cpu,
        blocks: &[u8],
        block_size: usize,
        offset: usize,
        quarter: usize,
    ) -> [Self; 4] {
        // A group that is not full has its last block in all lanes
        // without one, also in a whole half.
        let half = block_start(blocks, block_size, L::LANES);
        let [a, b, c, d] = L::load(cpu, blocks, block_size, offset, quarter);
        let [e, f, g, h] = L::load(cpu, &blocks[half..], block_size, offset, quarter);
        [Pair(a, e), Pair(b, f), Pair(c, g), Pair(d, h)]
    }

    #[inline(always)]
    fn turn(quarters: &[Self; 16]) -> [Self; 16] {
        let mut turned = *quarters;
        let (mut first, mut second) = ([quarters[0].0; 16], [quarters[0].1; 16]);
        for (index, pair) in quarters.iter().enumerate() {
            (first[index], second[index]) = (pair.0, pair.1);
        }
        let (first, second) = (L::turn(&first), L::turn(&second));
        for (index, pair) in turned.iter_mut().enumerate() {
            *pair = Pair(first[index], second[index]);
        }
        turned
    }

    #[inline(always)]
    fn store(self, words: &mut [L::Word]) {
        let (first, second) = words.split_at_mut(L::LANES);
        self.0.store(first);
        self.1.store(second);
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Pair(self.0.add(other.0), self.1.add(other.1))
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        Pair(self.0.xor(other.0), self.1.xor(other.1))
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        Pair(self.0.and(other.0), self.1.and(other.1))
    }

    #[inline(always)]
    fn rotr(self, bits: u32) -> Self {
        Pair(self.0.rotr(bits), self.1.rotr(bits))
    }

    #[inline(always)]
    fn shr(self, bits: u32) -> Self {
        Pair(self.0.shr(bits), self.1.shr(bits))
    }

    #[inline(always)]
    fn shl(self, bits: u32) -> Self {
        Pair(self.0.shl(bits), self.1.shl(bits))
    }

    #[inline(always)]
    fn pinned(self) -> Self {
        Pair(self.0.pinned(), self.1.pinned())
    }

    #[inline(always)]
    fn xor3(self, b: Self, c: Self) -> Self {
        Pair(self.0.xor3(b.0, c.0), self.1.xor3(b.1, c.1))
    }

    #[inline(always)]
    fn ch(self, yes: Self, no: Self) -> Self {
        Pair(self.0.ch(yes.0, no.0), self.1.ch(yes.1, no.1))
    }

    #[inline(always)]
    fn maj(self, b: Self, c: Self) -> Self {
        Pair(self.0.maj(b.0, c.0), self.1.maj(b.1, c.1))
    }
}
