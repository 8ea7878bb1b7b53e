//! Asking the CPU for bytes that come next.

use crate::io::Ahead;

/// How near to the CPU bytes are fetched.
#[derive(Clone, Copy)]
pub(super) enum Cache {
    /// Level 1: for few lines that are loaded soon.
    First,
    /// Level 2: for what is copied from there before it is hashed, and for so many lines that in
    /// level 1 they would push out what is hashed.
    Second,
}

/// Asks for the lines of these bytes.
#[inline(always)]
pub(super) fn prefetch(bytes: Ahead, cache: Cache) {
    for line in bytes.lines() {
        match cache {
            Cache::First => to_first(line),
            Cache::Second => to_second(line),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn to_first(line: *const i8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a prefetch reads nothing and cannot fault; every CPU of this architecture has it.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(line) }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn to_second(line: *const i8) {
    use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
    // SAFETY: as above.
    unsafe { _mm_prefetch::<_MM_HINT_T1>(line) }
}

#[cfg(target_arch = "aarch64")]
#[inline(always)]
fn to_first(line: *const i8) {
    to_second(line);
}

#[cfg(target_arch = "aarch64")]
#[inline(always)]
fn to_second(line: *const i8) {
    use std::arch::asm;
    // SAFETY: a prefetch reads nothing and cannot fault; every CPU of this architecture has it.
    unsafe {
        asm!("prfm pldl2keep, [{}]", in(reg) line, options(readonly, nostack, preserves_flags));
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn to_first(_line: *const i8) {}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn to_second(_line: *const i8) {}
