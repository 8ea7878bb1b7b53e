//! Numbers of every width as places in memory: the slow twin counts in 128 bits.

/// A number that counts bytes or blocks in memory.
pub(crate) fn index<N: TryInto<usize>>(number: N) -> usize {
    number.try_into().ok().expect("in memory")
}
