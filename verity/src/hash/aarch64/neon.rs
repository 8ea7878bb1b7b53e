//! NEON: four words of sha256 in a vector.

use std::arch::aarch64::*;

use crate::cpu::{Neon, entries};

use super::super::group::Group;
use super::super::lanes::{Lanes, Pair, block_start};
use super::super::walk;

entries! {
    Neon: "neon";
    pub(in crate::hash) fn sha256_x4(group: Group<'_, u32>) = walk::hash::<U32x4>;
    pub(in crate::hash) fn sha256_x8(group: Group<'_, u32>) = walk::hash::<Pair<U32x4>>;
}

#[derive(Clone, Copy)]
struct U32x4(uint32x4_t, Neon);

impl Lanes for U32x4 {
    type Word = u32;
    type Cpu = Neon;
    const LANES: usize = 4;

    #[inline(always)]
    fn splat(cpu: Neon, word: u32) -> Self {
        // SAFETY: `cpu` is a token.
        U32x4(unsafe { vdupq_n_u32(word) }, cpu)
    }

    /// Four words of each lane.
    #[inline(always)]
    fn load(
        cpu: Neon,
        blocks: &[u8],
        block_size: usize,
        offset: usize,
        quarter: usize,
    ) -> [Self; 4] {
        let line = |lane| {
            let start = block_start(blocks, block_size, lane) + offset + 16 * quarter;
            let line = &blocks[start..start + 16];
            // SAFETY: `cpu` is a token; `line` has 16 bytes.
            unsafe { vld1q_u8(line.as_ptr()) }
        };
        // SAFETY: `cpu` is a token.
        let four = unsafe { turn_four([line(0), line(1), line(2), line(3)]) };
        four.map(|vector| U32x4(vector, cpu))
    }

    #[inline(always)]
    fn turn(quarters: &[Self; 16]) -> [Self; 16] {
        *quarters
    }

    #[inline(always)]
    fn store(self, words: &mut [u32]) {
        let words = &mut words[..4];
        // SAFETY: `self` is made from a token; `words` has 16 bytes.
        unsafe { vst1q_u32(words.as_mut_ptr(), self.0) }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: `self` is made from a token.
        U32x4(unsafe { vaddq_u32(self.0, other.0) }, self.1)
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: `self` is made from a token.
        U32x4(unsafe { veorq_u32(self.0, other.0) }, self.1)
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        // SAFETY: `self` is made from a token.
        U32x4(unsafe { vandq_u32(self.0, other.0) }, self.1)
    }

    /// There is no such instruction.
    #[inline(always)]
    fn rotr(self, bits: u32) -> Self {
        self.shr(bits).xor(self.shl(32 - bits))
    }

    #[inline(always)]
    fn shr(self, bits: u32) -> Self {
        // SAFETY: `self` is made from a token.
        U32x4(unsafe { vshlq_u32(self.0, vnegq_s32(vdupq_n_s32(bits.cast_signed()))) }, self.1)
    }

    #[inline(always)]
    fn shl(self, bits: u32) -> Self {
        // SAFETY: `self` is made from a token.
        U32x4(unsafe { vshlq_u32(self.0, vdupq_n_s32(bits.cast_signed())) }, self.1)
    }

    #[inline(always)]
    fn ch(self, yes: Self, no: Self) -> Self {
        // SAFETY: `self` is made from a token.
        U32x4(unsafe { vbslq_u32(self.0, yes.0, no.0) }, self.1)
    }

    #[inline(always)]
    fn maj(self, b: Self, c: Self) -> Self {
        self.xor(b).ch(c, b)
    }
}

/// Four words, big endian, of four lanes: vector m gets word m of each.
#[inline]
#[target_feature(enable = "neon")]
fn turn_four(lines: [uint8x16_t; 4]) -> [uint32x4_t; 4] {
    let [r0, r1, r2, r3] = lines.map(|line| vreinterpretq_u32_u8(vrev32q_u8(line)));
    let pairs = [vtrn1q_u32(r0, r1), vtrn2q_u32(r0, r1), vtrn1q_u32(r2, r3), vtrn2q_u32(r2, r3)];
    let [a0, a1, b0, b1] = pairs.map(|pair| vreinterpretq_u64_u32(pair));
    let words = [vtrn1q_u64(a0, b0), vtrn1q_u64(a1, b1), vtrn2q_u64(a0, b0), vtrn2q_u64(a1, b1)];
    words.map(|word| vreinterpretq_u32_u64(word))
}
