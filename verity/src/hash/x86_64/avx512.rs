//! AVX-512: sixteen words of sha256 or eight of sha512 in a vector, one instruction for each
//! rotation and for each function of three operands.

use std::arch::asm;
use std::arch::x86_64::*;

use crate::cpu::{Avx512, entries};

use super::super::group::Group;
use super::super::lanes::{Lanes, Pair, block_start};
use super::super::walk;
use super::operations::operations;

entries! {
    Avx512: "avx512f,avx512bw";
    pub(in crate::hash) fn sha256_x16(group: Group<'_, u32>) = walk::hash::<U32x16>;
    pub(in crate::hash) fn sha256_x32(group: Group<'_, u32>) = walk::hash::<Pair<U32x16>>;
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
        fn prefetch(_cpu: Avx512, bytes: &[u8]) {
            for line in bytes.chunks(64) {
                // SAFETY: a prefetch reads nothing and cannot fault;
                // every CPU of this architecture has it.
                unsafe { _mm_prefetch::<_MM_HINT_T1>(line.as_ptr().cast()) }
            }
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
        let line = |lane| load_line(cpu, blocks, block_size, 4 * quarter + lane, offset);
        // SAFETY: `cpu` is a token.
        let four = unsafe { turn_four_32([line(0), line(1), line(2), line(3)]) };
        four.map(|vector| U32x16(vector, cpu))
    }

    #[inline(always)]
    fn turn(quarters: &[Self; 16]) -> [Self; 16] {
        let mut words = *quarters;
        for m in 0..4 {
            let [q0, q1, q2, q3] = [0, 4, 8, 12].map(|quarter| quarters[quarter + m].0);
            // SAFETY: `quarters` are made from a token.
            let turned = unsafe { turn_parts(q0, q1, q2, q3) };
            for (words, turned) in words.iter_mut().skip(m).step_by(4).zip(turned) {
                words.0 = turned;
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
        let line = |lane| load_line(cpu, blocks, block_size, first + lane, offset + 64 * half);
        // SAFETY: `cpu` is a token.
        let four = unsafe { turn_four_64([line(0), line(1), line(2), line(3)]) };
        four.map(|vector| U64x8(vector, cpu))
    }

    #[inline(always)]
    fn turn(quarters: &[Self; 16]) -> [Self; 16] {
        let mut words = *quarters;
        for (quarters, words) in quarters.chunks_exact(8).zip(words.chunks_exact_mut(8)) {
            for m in 0..2 {
                let [q0, q1, q2, q3] = [0, 2, 4, 6].map(|pair| quarters[pair + m].0);
                // SAFETY: `quarters` are made from a token.
                let turned = unsafe { turn_parts(q0, q1, q2, q3) };
                for (words, turned) in words.iter_mut().skip(m).step_by(2).zip(turned) {
                    words.0 = turned;
                }
            }
        }
        words
    }
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
    let [r0, r1, r2, r3] = lines.map(|line| _mm512_shuffle_epi8(line, swap));
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
    let [r0, r1, r2, r3] = lines.map(|line| _mm512_shuffle_epi8(line, swap));
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
