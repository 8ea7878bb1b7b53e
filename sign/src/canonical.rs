//! One spelling for each value: what is read is written again, and the bytes must be the same.

/// Where two encodings part, if they do.
pub(crate) fn first_difference(one: &[u8], other: &[u8]) -> Option<usize> {
    let shorter = one.len().min(other.len());
    one.iter()
        .zip(other)
        .position(|(a, b)| a != b)
        .or_else(|| (one.len() != other.len()).then_some(shorter))
}
