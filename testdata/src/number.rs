//! Counts in memory (`usize`) and in files (`u64`): one name for each way between them.
//!
//! The `verity` crate has such functions too, and this crate knows nothing of it.

/// A count in memory, as a count in a file.
pub(crate) fn to_u64(count: usize) -> u64 {
    u64::try_from(count).expect("no count in memory has more than 64 bits")
}

/// A count of what is in memory, or about to be, as a length.
pub(crate) fn to_len(count: u64) -> usize {
    usize::try_from(count).expect("everything is in memory")
}
