//! A kernel for ARM: NEON.

use std::arch::aarch64::*;

use crate::cpu::{Neon, entries};

use super::map::{Constant, Job, Vector, accumulate};

entries! {
    Neon: "neon";
    pub(super) fn accumulate(job: Job<'_>) = accumulate::<B16>;
}

#[derive(Clone, Copy)]
struct B16(uint8x16_t, Neon);

impl Vector for B16 {
    type Cpu = Neon;
    /// The products of the lower and of the higher half of a byte.
    type Constant = (uint8x16_t, uint8x16_t);
    const LEN: usize = 16;

    #[inline(always)]
    fn zero(cpu: Neon) -> B16 {
        // SAFETY: `cpu` is a token.
        B16(unsafe { vdupq_n_u8(0) }, cpu)
    }

    #[inline(always)]
    fn load(cpu: Neon, bytes: &[u8]) -> B16 {
        let bytes = &bytes[..16];
        // SAFETY: `cpu` is a token; `bytes` has 16 bytes.
        B16(unsafe { vld1q_u8(bytes.as_ptr()) }, cpu)
    }

    #[inline(always)]
    fn store(self, bytes: &mut [u8]) {
        let bytes = &mut bytes[..16];
        // SAFETY: `self` was made with a token; `bytes` has 16 bytes.
        unsafe { vst1q_u8(bytes.as_mut_ptr(), self.0) }
    }

    #[inline(always)]
    fn add(self, other: B16) -> B16 {
        // SAFETY: `self` was made with a token.
        B16(unsafe { veorq_u8(self.0, other.0) }, self.1)
    }

    #[inline(always)]
    fn constant(_cpu: Neon, constant: &Constant) -> (uint8x16_t, uint8x16_t) {
        // SAFETY: the caller has a token; both have 16 bytes.
        unsafe { (vld1q_u8(constant.low.as_ptr()), vld1q_u8(constant.high.as_ptr())) }
    }

    #[inline(always)]
    fn times(self, (low, high): (uint8x16_t, uint8x16_t)) -> B16 {
        // SAFETY: `self` was made with a token.
        let product = unsafe {
            let below = vandq_u8(self.0, vdupq_n_u8(0x0f));
            veorq_u8(vqtbl1q_u8(low, below), vqtbl1q_u8(high, vshrq_n_u8::<4>(self.0)))
        };
        B16(product, self.1)
    }
}
