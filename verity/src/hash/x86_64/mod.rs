//! Kernels for x86-64. Each file has a token that stands for instructions which this CPU was found to have:
//! who holds one may run its kernels.

pub(super) mod avx2;
pub(super) mod avx512;
pub(super) mod sha_ni;
pub(super) mod sha_ni_vl;

use std::arch::x86_64::{__cpuid, _MM_HINT_T0, _mm_prefetch, CpuidResult};

/// Whether 512-bit instructions go through units of half that width, two cycles each: AMD's family 19h
/// (Zen 4). Source: AMD, Software Optimization Guide for the AMD Zen 4 Microarchitecture, 2.11.
pub(super) fn has_half_width_avx512() -> bool {
    const AMD: [u32; 3] =
        [u32::from_le_bytes(*b"Auth"), u32::from_le_bytes(*b"enti"), u32::from_le_bytes(*b"cAMD")];
    let (vendor, signature) = (cpuid(0), cpuid(1).eax);
    // The family is the sum of two fields when the first is full (AMD, APM volume 3, CPUID Fn0000_0001).
    let family = match signature >> 8 & 0xf {
        0xf => 0xf + (signature >> 20 & 0xff),
        family => family,
    };
    [vendor.ebx, vendor.edx, vendor.ecx] == AMD && family == 0x19
}

fn cpuid(leaf: u32) -> CpuidResult {
    #[allow(unused_unsafe, reason = "a safe function in newer standard libraries")]
    // SAFETY: every CPU of this architecture has this instruction, and leaves 0 and 1.
    unsafe {
        __cpuid(leaf)
    }
}

/// Asks for the lines of these bytes, all the way to the level-1 cache.
#[inline(always)]
fn prefetch(bytes: &[u8]) {
    for line in bytes.chunks(64) {
        // SAFETY: a prefetch reads nothing and cannot fault; every CPU of this architecture has it.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) }
    }
}
