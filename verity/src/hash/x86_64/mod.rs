//! Kernels for x86-64: methods of the tokens of `cpu`, each in the file of its instructions.

mod avx2;
mod avx512;
mod operations;
mod rows;
mod sha_ni;
mod sha_ni_vl;

use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

/// Asks for the lines of these bytes, all the way to the level-1 cache.
#[inline(always)]
fn prefetch(bytes: &[u8]) {
    for line in bytes.chunks(64) {
        // SAFETY: a prefetch reads nothing and cannot fault; every CPU of this architecture has it.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) }
    }
}
