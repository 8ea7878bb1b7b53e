//! Kernels for x86-64: GFNI with AVX-512, and AVX2.

use std::arch::x86_64::*;

use crate::cpu::{Avx2, Gfni, entries};

use super::map::{Constant, Job, Vector, accumulate};

entries! {
    Gfni: "gfni,avx512f,avx512bw";
    pub(super) fn accumulate(job: Job<'_>) = accumulate::<B64>;
}

entries! {
    Avx2: "avx2";
    pub(super) fn accumulate(job: Job<'_>) = accumulate::<B32>;
}

#[derive(Clone, Copy)]
struct B64(__m512i, Gfni);

impl Vector for B64 {
    type Cpu = Gfni;
    type Constant = __m512i;
    const LEN: usize = 64;

    #[inline(always)]
    fn zero(cpu: Gfni) -> B64 {
        // SAFETY: `cpu` is a token.
        B64(unsafe { _mm512_setzero_si512() }, cpu)
    }

    #[inline(always)]
    fn load(cpu: Gfni, bytes: &[u8]) -> B64 {
        let bytes = &bytes[..64];
        // SAFETY: `cpu` is a token; `bytes` has 64 bytes.
        B64(unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }, cpu)
    }

    #[inline(always)]
    fn store(self, bytes: &mut [u8]) {
        let bytes = &mut bytes[..64];
        // SAFETY: `self` was made with a token; `bytes` has 64 bytes.
        unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), self.0) }
    }

    #[inline(always)]
    fn add(self, other: B64) -> B64 {
        // SAFETY: `self` was made with a token.
        B64(unsafe { _mm512_xor_si512(self.0, other.0) }, self.1)
    }

    #[inline(always)]
    fn constant(_cpu: Gfni, constant: &Constant) -> __m512i {
        // SAFETY: the caller has a token.
        unsafe { _mm512_set1_epi64(constant.matrix.cast_signed()) }
    }

    #[inline(always)]
    fn times(self, constant: __m512i) -> B64 {
        // SAFETY: `self` was made with a token.
        B64(unsafe { _mm512_gf2p8affine_epi64_epi8::<0>(self.0, constant) }, self.1)
    }
}

#[derive(Clone, Copy)]
struct B32(__m256i, Avx2);

impl Vector for B32 {
    type Cpu = Avx2;
    /// The products of the lower and of the higher half of a byte.
    type Constant = (__m256i, __m256i);
    const LEN: usize = 32;

    #[inline(always)]
    fn zero(cpu: Avx2) -> B32 {
        // SAFETY: `cpu` is a token.
        B32(unsafe { _mm256_setzero_si256() }, cpu)
    }

    #[inline(always)]
    fn load(cpu: Avx2, bytes: &[u8]) -> B32 {
        let bytes = &bytes[..32];
        // SAFETY: `cpu` is a token; `bytes` has 32 bytes.
        B32(unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }, cpu)
    }

    #[inline(always)]
    fn store(self, bytes: &mut [u8]) {
        let bytes = &mut bytes[..32];
        // SAFETY: `self` was made with a token; `bytes` has 32 bytes.
        unsafe { _mm256_storeu_si256(bytes.as_mut_ptr().cast(), self.0) }
    }

    #[inline(always)]
    fn add(self, other: B32) -> B32 {
        // SAFETY: `self` was made with a token.
        B32(unsafe { _mm256_xor_si256(self.0, other.0) }, self.1)
    }

    #[inline(always)]
    fn constant(_cpu: Avx2, constant: &Constant) -> (__m256i, __m256i) {
        let twice = |products: &[u8; 16]| {
            // SAFETY: the caller has a token; `products` has 16 bytes.
            unsafe { _mm256_broadcastsi128_si256(_mm_loadu_si128(products.as_ptr().cast())) }
        };
        (twice(&constant.low), twice(&constant.high))
    }

    #[inline(always)]
    fn times(self, (low, high): (__m256i, __m256i)) -> B32 {
        // SAFETY: `self` was made with a token.
        let product = unsafe {
            let half = _mm256_set1_epi8(0x0f);
            let below = _mm256_and_si256(self.0, half);
            let above = _mm256_and_si256(_mm256_srli_epi64::<4>(self.0), half);
            _mm256_xor_si256(_mm256_shuffle_epi8(low, below), _mm256_shuffle_epi8(high, above))
        };
        B32(product, self.1)
    }
}
