//! AVX2: eight words of sha256 in a vector, or four of sha512, SHA-3 or BLAKE2b.

use std::arch::asm;
use std::arch::x86_64::*;

use crate::cpu::{Avx2, entries};

use super::super::group::Group;
use super::super::lanes::{Lanes, block_start};
use super::super::text::{LittleLanes, Texts};
use super::super::{blake2b, keccak, walk};
use super::operations::operations;

entries! {
    Avx2: "avx2";
    pub(in crate::hash) fn sha256_x8(group: Group<'_, u32>) = walk::hash::<U32x8>;
    pub(in crate::hash) fn sha512_x4(group: Group<'_, u64>) = walk::hash::<U64x4>;
    pub(in crate::hash) fn keccak_x4(group: Texts<'_>) = keccak::hash::<U64x4, 4>;
    pub(in crate::hash) fn blake2b_x4(group: Texts<'_>) = blake2b::hash::<U64x4, 4>;
}

#[derive(Clone, Copy)]
struct U32x8(__m256i, Avx2);

impl Lanes for U32x8 {
    operations! {
        u32 in 8 lanes by Avx2,
        splat: _mm256_set1_epi32, store: _mm256_storeu_si256,
        add: _mm256_add_epi32, xor: _mm256_xor_si256, and: _mm256_and_si256,
        shr: _mm256_srlv_epi32, shl: _mm256_sllv_epi32
    }

    /// Four lanes of half a line.
    #[inline(always)]
    fn load(
        cpu: Avx2,
        blocks: &[u8],
        block_size: usize,
        offset: usize,
        quarter: usize,
    ) -> [Self; 4] {
        let (half, first) = (quarter / 2, quarter % 2 * 4);
        let offset = offset + 32 * half;
        let lines = [
            load_half_line(cpu, blocks, block_size, first, offset),
            load_half_line(cpu, blocks, block_size, first + 1, offset),
            load_half_line(cpu, blocks, block_size, first + 2, offset),
            load_half_line(cpu, blocks, block_size, first + 3, offset),
        ];
        // SAFETY: `cpu` is a token.
        let [a, b, c, d] = unsafe { turn_four(lines) };
        [U32x8(a, cpu), U32x8(b, cpu), U32x8(c, cpu), U32x8(d, cpu)]
    }

    #[inline(always)]
    fn turn(quarters: &[Self; 16]) -> [Self; 16] {
        let mut words = *quarters;
        for m in [0, 1, 2, 3, 8, 9, 10, 11] {
            let (q0, q1) = (quarters[m].0, quarters[4 + m].0);
            // SAFETY: `quarters` are made from a token.
            (words[m].0, words[4 + m].0) = unsafe {
                (
                    _mm256_permute2x128_si256::<0x20>(q0, q1),
                    _mm256_permute2x128_si256::<0x31>(q0, q1),
                )
            };
        }
        words
    }

    /// There is no such instruction.
    #[inline(always)]
    fn rotr(self, bits: u32) -> Self {
        self.shr(bits).xor(self.shl(32 - bits))
    }
}

/// 32 bytes of the block of a lane, as they lie in memory.
#[inline(always)]
fn load_half_line(
    _cpu: Avx2,
    blocks: &[u8],
    block_size: usize,
    lane: usize,
    offset: usize,
) -> __m256i {
    let start = block_start(blocks, block_size, lane) + offset;
    let line = &blocks[start..start + 32];
    // SAFETY: there is a token; `line` has 32 bytes.
    unsafe { _mm256_loadu_si256(line.as_ptr().cast()) }
}

/// Four half lines of big-endian words: part p (of 128 bits) of vector m gets word 4p + m of each.
#[inline]
#[target_feature(enable = "avx2")]
fn turn_four(lines: [__m256i; 4]) -> [__m256i; 4] {
    let swap = _mm_set_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203);
    let swap = _mm256_broadcastsi128_si256(swap);
    let (r0, r1) = (_mm256_shuffle_epi8(lines[0], swap), _mm256_shuffle_epi8(lines[1], swap));
    let (r2, r3) = (_mm256_shuffle_epi8(lines[2], swap), _mm256_shuffle_epi8(lines[3], swap));
    let (a0, a1) = (_mm256_unpacklo_epi32(r0, r1), _mm256_unpackhi_epi32(r0, r1));
    let (b0, b1) = (_mm256_unpacklo_epi32(r2, r3), _mm256_unpackhi_epi32(r2, r3));
    [
        _mm256_unpacklo_epi64(a0, b0),
        _mm256_unpackhi_epi64(a0, b0),
        _mm256_unpacklo_epi64(a1, b1),
        _mm256_unpackhi_epi64(a1, b1),
    ]
}

#[derive(Clone, Copy)]
struct U64x4(__m256i, Avx2);

impl Lanes for U64x4 {
    operations! {
        u64 in 4 lanes by Avx2,
        splat: _mm256_set1_epi64x, store: _mm256_storeu_si256,
        add: _mm256_add_epi64, xor: _mm256_xor_si256, and: _mm256_and_si256,
        shr: _mm256_srlv_epi64, shl: _mm256_sllv_epi64
    }

    /// Four words of each lane.
    #[inline(always)]
    fn load(
        cpu: Avx2,
        blocks: &[u8],
        block_size: usize,
        offset: usize,
        quarter: usize,
    ) -> [Self; 4] {
        let [a, b, c, d] = Self::load_four(cpu, blocks, block_size, offset + 32 * quarter);
        [a.shuffled(&SWAP), b.shuffled(&SWAP), c.shuffled(&SWAP), d.shuffled(&SWAP)]
    }

    #[inline(always)]
    fn turn(quarters: &[Self; 16]) -> [Self; 16] {
        *quarters
    }

    /// There is no such instruction; by whole bytes a shuffle does it, and by all bits but one an
    /// addition and a shift.
    #[inline(always)]
    fn rotr(self, bits: u32) -> Self {
        match bits {
            0 => self,
            8 => self.shuffled(&ROTATIONS[0]),
            16 => self.shuffled(&ROTATIONS[1]),
            24 => self.shuffled(&ROTATIONS[2]),
            32 => self.shuffled(&ROTATIONS[3]),
            56 => self.shuffled(&ROTATIONS[4]),
            63 => self.add(self).xor(self.shr(63)),
            _ => self.shr(bits).xor(self.shl(64 - bits)),
        }
    }
}

impl LittleLanes for U64x4 {
    #[inline(always)]
    fn load_four(cpu: Avx2, blocks: &[u8], block_size: usize, offset: usize) -> [Self; 4] {
        let rows = [
            load_half_line(cpu, blocks, block_size, 0, offset),
            load_half_line(cpu, blocks, block_size, 1, offset),
            load_half_line(cpu, blocks, block_size, 2, offset),
            load_half_line(cpu, blocks, block_size, 3, offset),
        ];
        // SAFETY: `cpu` is a token.
        let [a, b, c, d] = unsafe { turn_four_words(rows) };
        [U64x4(a, cpu), U64x4(b, cpu), U64x4(c, cpu), U64x4(d, cpu)]
    }
}

impl U64x4 {
    /// Each byte of a half is the one with the number that stands there.
    #[inline(always)]
    fn shuffled(self, bytes: &'static [u8; 32]) -> Self {
        // SAFETY: `self` is made from a token.
        U64x4(unsafe { shuffled(self.0, bytes) }, self.1)
    }
}

/// Each byte of a half is the one with the number that stands there. Left to itself, the compiler
/// moves such shuffles to where two are needed, or makes two of one.
#[inline]
#[target_feature(enable = "avx2")]
fn shuffled(vector: __m256i, bytes: &'static [u8; 32]) -> __m256i {
    let shuffled;
    // SAFETY: the instruction reads 32 bytes, which need not be aligned.
    unsafe {
        asm!(
            "vpshufb {shuffled}, {vector}, ymmword ptr [{bytes}]",
            shuffled = lateout(ymm_reg) shuffled,
            vector = in(ymm_reg) vector,
            bytes = in(reg) bytes.as_ptr(),
            options(pure, readonly, nostack, preserves_flags),
        );
    }
    shuffled
}

/// The bytes of four words turned round.
static SWAP: [u8; 32] = in_each_word([7, 6, 5, 4, 3, 2, 1, 0]);

/// Four words rotated to the right by 1, 2, 3, 4 and 7 bytes.
static ROTATIONS: [[u8; 32]; 5] = [
    in_each_word([1, 2, 3, 4, 5, 6, 7, 0]),
    in_each_word([2, 3, 4, 5, 6, 7, 0, 1]),
    in_each_word([3, 4, 5, 6, 7, 0, 1, 2]),
    in_each_word([4, 5, 6, 7, 0, 1, 2, 3]),
    in_each_word([7, 0, 1, 2, 3, 4, 5, 6]),
];

/// Which byte of its half each byte of a vector is, if within each word it is this one.
const fn in_each_word(bytes: [u8; 8]) -> [u8; 32] {
    let mut numbers = [0; 32];
    let mut at = 0;
    while at < 32 {
        let second = if at % 16 < 8 { 0 } else { 8 };
        numbers[at] = bytes[at % 8] + second;
        at += 1;
    }
    numbers
}

/// Four words of four lanes: vector m gets word m of each.
#[inline]
#[target_feature(enable = "avx2")]
fn turn_four_words(rows: [__m256i; 4]) -> [__m256i; 4] {
    let [r0, r1, r2, r3] = rows;
    let (a0, a1) = (_mm256_unpacklo_epi64(r0, r1), _mm256_unpackhi_epi64(r0, r1));
    let (b0, b1) = (_mm256_unpacklo_epi64(r2, r3), _mm256_unpackhi_epi64(r2, r3));
    [
        _mm256_permute2x128_si256::<0x20>(a0, b0),
        _mm256_permute2x128_si256::<0x20>(a1, b1),
        _mm256_permute2x128_si256::<0x31>(a0, b0),
        _mm256_permute2x128_si256::<0x31>(a1, b1),
    ]
}
