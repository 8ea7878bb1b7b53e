//! AVX-512: sixteen words of sha256 or eight of sha512 in a vector, one instruction for each
//! rotation and for each function of three operands.
//!
//! No closure and no `map` stands between a kernel and its instructions: neither has the features
//! of the function around it, so that instructions in it stay calls, around which every vector is
//! saved.

use std::arch::asm;
use std::arch::x86_64::*;

use crate::cpu::{Avx512, entries};

use super::super::group::Group;
use super::super::lanes::{Lanes, Pair, block_start};
use super::super::walk;
use super::operations::operations;

entries! {
    Avx512: "avx512f,avx512bw";
    #[cfg(test)]
    pub(in crate::hash) fn sha256_x16(group: Group<'_, u32>) = walk::hash::<U32x16>;
    pub(in crate::hash) fn sha256_x32(group: Group<'_, u32>) = walk::hash::<Pair<U32x16>>;
    #[cfg(test)]
    pub(in crate::hash) fn sha512_x8(group: Group<'_, u64>) = walk::hash::<U64x8>;
    pub(in crate::hash) fn sha512_x16(group: Group<'_, u64>) = walk::hash::<Pair<U64x8>>;
}

#[derive(Clone, Copy)]
struct U32x16(__m512i, Avx512);

#[derive(Clone, Copy)]
struct U64x8(__m512i, Avx512);

/// What AVX-512 has besides, with the rotation of a size of words.
macro_rules! more_operations {
    ($rotr:ident) => {
        const AHEAD: bool = true;

        #[inline(always)]
        fn rotr(self, bits: u32) -> Self {
            let bits = Self::splat(self.1, bits.into());
            // SAFETY: `self` is made from a token.
            Self(unsafe { $rotr(self.0, bits.0) }, self.1)
        }

        #[inline(always)]
        fn pinned(self) -> Self {
            // SAFETY: `self` is made from a token.
            Self(unsafe { pinned(self.0) }, self.1)
        }

        #[inline(always)]
        fn xor3(self, b: Self, c: Self) -> Self {
            // SAFETY: `self` is made from a token.
            Self(unsafe { _mm512_ternarylogic_epi32::<0x96>(self.0, b.0, c.0) }, self.1)
        }

        #[inline(always)]
        fn ch(self, yes: Self, no: Self) -> Self {
            // SAFETY: `self` is made from a token.
            Self(unsafe { _mm512_ternarylogic_epi32::<0xca>(self.0, yes.0, no.0) }, self.1)
        }

        #[inline(always)]
        fn maj(self, b: Self, c: Self) -> Self {
            // SAFETY: `self` is made from a token.
            Self(unsafe { _mm512_ternarylogic_epi32::<0xe8>(self.0, b.0, c.0) }, self.1)
        }
    };
}

impl Lanes for U32x16 {
    operations! {
        u32 in 16 lanes by Avx512,
        splat: _mm512_set1_epi32, store: _mm512_storeu_si512,
        add: _mm512_add_epi32, xor: _mm512_xor_si512, and: _mm512_and_si512,
        shr: _mm512_srlv_epi32, shl: _mm512_sllv_epi32
    }
    more_operations!(_mm512_rorv_epi32);

    /// Four lanes.
    #[inline(always)]
    fn load(
        cpu: Avx512,
        blocks: &[u8],
        block_size: usize,
        offset: usize,
        quarter: usize,
    ) -> [Self; 4] {
        let lines = load_lines(cpu, blocks, block_size, 4 * quarter, offset);
        // SAFETY: `cpu` is a token.
        let [a, b, c, d] = unsafe { turn_four_32(lines) };
        [U32x16(a, cpu), U32x16(b, cpu), U32x16(c, cpu), U32x16(d, cpu)]
    }

    #[inline(always)]
    fn turn(quarters: &[Self; 16]) -> [Self; 16] {
        let mut words = *quarters;
        for m in 0..4 {
            let (q0, q1) = (quarters[m].0, quarters[4 + m].0);
            let (q2, q3) = (quarters[8 + m].0, quarters[12 + m].0);
            // SAFETY: `quarters` are made from a token.
            let turned = unsafe { turn_parts(q0, q1, q2, q3) };
            for part in 0..4 {
                words[4 * part + m].0 = turned[part];
            }
        }
        words
    }
}

impl Lanes for U64x8 {
    operations! {
        u64 in 8 lanes by Avx512,
        splat: _mm512_set1_epi64, store: _mm512_storeu_si512,
        add: _mm512_add_epi64, xor: _mm512_xor_si512, and: _mm512_and_si512,
        shr: _mm512_srlv_epi64, shl: _mm512_sllv_epi64
    }
    more_operations!(_mm512_rorv_epi64);

    /// Four lanes of half a line.
    #[inline(always)]
    fn load(
        cpu: Avx512,
        blocks: &[u8],
        block_size: usize,
        offset: usize,
        quarter: usize,
    ) -> [Self; 4] {
        let (half, first) = (quarter / 2, quarter % 2 * 4);
        let lines = load_lines(cpu, blocks, block_size, first, offset + 64 * half);
        // SAFETY: `cpu` is a token.
        let [a, b, c, d] = unsafe { turn_four_64(lines) };
        [U64x8(a, cpu), U64x8(b, cpu), U64x8(c, cpu), U64x8(d, cpu)]
    }

    #[inline(always)]
    fn turn(quarters: &[Self; 16]) -> [Self; 16] {
        let mut words = *quarters;
        for half in [0, 8] {
            for m in [half, half + 1] {
                let (q0, q1) = (quarters[m].0, quarters[m + 2].0);
                let (q2, q3) = (quarters[m + 4].0, quarters[m + 6].0);
                // SAFETY: `quarters` are made from a token.
                let turned = unsafe { turn_parts(q0, q1, q2, q3) };
                for part in 0..4 {
                    words[m + 2 * part].0 = turned[part];
                }
            }
        }
        words
    }
}

/// 64 bytes of the blocks of four lanes.
#[inline(always)]
fn load_lines(
    cpu: Avx512,
    blocks: &[u8],
    block_size: usize,
    first: usize,
    offset: usize,
) -> [__m512i; 4] {
    [
        load_line(cpu, blocks, block_size, first, offset),
        load_line(cpu, blocks, block_size, first + 1, offset),
        load_line(cpu, blocks, block_size, first + 2, offset),
        load_line(cpu, blocks, block_size, first + 3, offset),
    ]
}

/// 64 bytes of the block of a lane, as they lie in memory.
#[inline(always)]
fn load_line(
    _cpu: Avx512,
    blocks: &[u8],
    block_size: usize,
    lane: usize,
    offset: usize,
) -> __m512i {
    let start = block_start(blocks, block_size, lane) + offset;
    let line = &blocks[start..start + 64];
    // SAFETY: there is a token; `line` has 64 bytes.
    unsafe { _mm512_loadu_si512(line.as_ptr().cast()) }
}

/// Four lines of big-endian words: part p (of 128 bits) of vector m gets word 4p + m of each.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn turn_four_32(lines: [__m512i; 4]) -> [__m512i; 4] {
    let swap = _mm512_set4_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203);
    let (r0, r1) = (_mm512_shuffle_epi8(lines[0], swap), _mm512_shuffle_epi8(lines[1], swap));
    let (r2, r3) = (_mm512_shuffle_epi8(lines[2], swap), _mm512_shuffle_epi8(lines[3], swap));
    let (a0, a1) = (_mm512_unpacklo_epi32(r0, r1), _mm512_unpackhi_epi32(r0, r1));
    let (b0, b1) = (_mm512_unpacklo_epi32(r2, r3), _mm512_unpackhi_epi32(r2, r3));
    [
        _mm512_unpacklo_epi64(a0, b0),
        _mm512_unpackhi_epi64(a0, b0),
        _mm512_unpacklo_epi64(a1, b1),
        _mm512_unpackhi_epi64(a1, b1),
    ]
}

/// Four half lines of big-endian words: part p of vector 2i + m gets
/// word 2p + m of lines 2i and 2i + 1.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn turn_four_64(lines: [__m512i; 4]) -> [__m512i; 4] {
    let swap = _mm512_set4_epi32(0x0809_0a0b, 0x0c0d_0e0f, 0x0001_0203, 0x0405_0607);
    let (r0, r1) = (_mm512_shuffle_epi8(lines[0], swap), _mm512_shuffle_epi8(lines[1], swap));
    let (r2, r3) = (_mm512_shuffle_epi8(lines[2], swap), _mm512_shuffle_epi8(lines[3], swap));
    [
        _mm512_unpacklo_epi64(r0, r1),
        _mm512_unpackhi_epi64(r0, r1),
        _mm512_unpacklo_epi64(r2, r3),
        _mm512_unpackhi_epi64(r2, r3),
    ]
}

/// Four vectors of four parts of 128 bits: vector p gets part p of each.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn turn_parts(q0: __m512i, q1: __m512i, q2: __m512i, q3: __m512i) -> [__m512i; 4] {
    let (x0, x1) = (_mm512_shuffle_i32x4::<0x44>(q0, q1), _mm512_shuffle_i32x4::<0xee>(q0, q1));
    let (y0, y1) = (_mm512_shuffle_i32x4::<0x44>(q2, q3), _mm512_shuffle_i32x4::<0xee>(q2, q3));
    [
        _mm512_shuffle_i32x4::<0x88>(x0, y0),
        _mm512_shuffle_i32x4::<0xdd>(x0, y0),
        _mm512_shuffle_i32x4::<0x88>(x1, y1),
        _mm512_shuffle_i32x4::<0xdd>(x1, y1),
    ]
}

/// This vector, in a register at this point of the program.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn pinned(mut vector: __m512i) -> __m512i {
    // SAFETY: no instruction at all.
    unsafe { asm!("/* {0} */", inout(zmm_reg) vector, options(nomem, nostack, preserves_flags)) };
    vector
}
