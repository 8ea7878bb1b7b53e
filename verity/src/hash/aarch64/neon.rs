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
        let offset = offset + 16 * quarter;
        let lines = [
            load_words(cpu, blocks, block_size, 0, offset),
            load_words(cpu, blocks, block_size, 1, offset),
            load_words(cpu, blocks, block_size, 2, offset),
            load_words(cpu, blocks, block_size, 3, offset),
        ];
        // SAFETY: `cpu` is a token.
        let [a, b, c, d] = unsafe { turn_four(lines) };
        [U32x4(a, cpu), U32x4(b, cpu), U32x4(c, cpu), U32x4(d, cpu)]
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

/// 16 bytes of the block of a lane, as they lie in memory.
#[inline(always)]
fn load_words(
    _cpu: Neon,
    blocks: &[u8],
    block_size: usize,
    lane: usize,
    offset: usize,
) -> uint8x16_t {
    let start = block_start(blocks, block_size, lane) + offset;
    let words = &blocks[start..start + 16];
    // SAFETY: there is a token; `words` has 16 bytes.
    unsafe { vld1q_u8(words.as_ptr()) }
}

/// Four words, big endian, of four lanes: vector m gets word m of each.
#[inline]
#[target_feature(enable = "neon")]
fn turn_four(lines: [uint8x16_t; 4]) -> [uint32x4_t; 4] {
    let [r0, r1, r2, r3] = lines;
    let (r0, r1) = (words(r0), words(r1));
    let (r2, r3) = (words(r2), words(r3));
    let (a0, a1) = (pairs(vtrn1q_u32(r0, r1)), pairs(vtrn2q_u32(r0, r1)));
    let (b0, b1) = (pairs(vtrn1q_u32(r2, r3)), pairs(vtrn2q_u32(r2, r3)));
    [
        vreinterpretq_u32_u64(vtrn1q_u64(a0, b0)),
        vreinterpretq_u32_u64(vtrn1q_u64(a1, b1)),
        vreinterpretq_u32_u64(vtrn2q_u64(a0, b0)),
        vreinterpretq_u32_u64(vtrn2q_u64(a1, b1)),
    ]
}

#[inline]
#[target_feature(enable = "neon")]
fn words(bytes: uint8x16_t) -> uint32x4_t {
    vreinterpretq_u32_u8(vrev32q_u8(bytes))
}

#[inline]
#[target_feature(enable = "neon")]
fn pairs(words: uint32x4_t) -> uint64x2_t {
    vreinterpretq_u64_u32(words)
}
