//! Conversions between counts in files (`u64`) and counts in memory (`usize`).
//!
//! Lints deny casts that lose bits, so these two functions are the only way from one to the
//! other where the number is known to fit. A number that comes from outside and may not fit
//! takes `try_from` and an error.

/// A count of bytes or items in memory, as a count that files use.
pub const fn to_u64(count: usize) -> u64 {
    const { assert!(usize::BITS <= u64::BITS) };
    count as u64
}

/// A count of what already lies in memory, or is about to be put there, as a length.
///
/// The caller knows that it fits: it has bounded the count by a buffer, a block or a fixed
/// number of blocks.
///
/// # Panics
/// If it does not fit, which takes an address space of 32 bits and a caller that broke this
/// promise.
pub fn to_len(count: u64) -> usize {
    usize::try_from(count).expect("the caller has bounded the count by what fits into memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_survive_both_ways() {
        for count in [0, 1, 4096, usize::MAX] {
            assert_eq!(to_len(to_u64(count)), count);
        }
    }
}
