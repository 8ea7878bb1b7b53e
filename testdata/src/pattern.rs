//! Input bytes: the vectors' stream, painted buffers, and a small seeded generator.
//!
//! None of it is random in any sense that a key would need.

use std::ops::RangeInclusive;

use sha2::{Digest, Sha256};

use crate::number::{to_len, to_u64};

/// The input of the veritysetup vectors: the first `bytes` bytes of
/// SHA-256("verity" ‖ LE64(0)) ‖ SHA-256("verity" ‖ LE64(1)) ‖ …
#[must_use]
pub fn sha256_stream(bytes: usize) -> Vec<u8> {
    let mut stream = Vec::with_capacity(bytes.next_multiple_of(32));
    for i in (0_u64..).take(bytes.div_ceil(32)) {
        stream.extend_from_slice(
            &Sha256::new().chain_update("verity").chain_update(i.to_le_bytes()).finalize(),
        );
    }
    stream.truncate(bytes);
    stream
}

/// Byte i is i modulo 251, the largest prime under 256: two swapped blocks cannot agree by luck.
#[must_use]
pub fn painted(bytes: usize) -> Vec<u8> {
    (0..=250_u8).cycle().take(bytes).collect()
}

/// A seeded generator (splitmix64): the same seed gives the same cases on every machine.
#[derive(Clone, Debug)]
pub struct Prng {
    state: u64,
}

impl Prng {
    /// A generator that starts from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Prng {
        Prng { state: seed }
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number under `bound`; the slight bias of the remainder does not matter to a test.
    ///
    /// # Panics
    /// If `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next_u64() % bound
    }

    /// An index under `bound`, as [`Prng::below`].
    ///
    /// # Panics
    /// If `bound` is 0.
    pub fn index(&mut self, bound: usize) -> usize {
        to_len(self.below(to_u64(bound)))
    }

    /// A number in `range`.
    ///
    /// # Panics
    /// If the range is empty.
    pub fn range(&mut self, range: RangeInclusive<u64>) -> u64 {
        assert!(!range.is_empty(), "an empty range");
        match (range.end() - range.start()).checked_add(1) {
            Some(width) => range.start() + self.below(width),
            None => self.next_u64(),
        }
    }

    /// True once in `n` calls on average.
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of `choices`.
    ///
    /// # Panics
    /// If there is none.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.index(choices.len())]
    }

    /// Fills `buffer`.
    pub fn fill(&mut self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            chunk.copy_from_slice(&self.next_u64().to_le_bytes()[..chunk.len()]);
        }
    }

    /// A new buffer of `count` bytes.
    #[must_use]
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut buffer = vec![0; count];
        self.fill(&mut buffer);
        buffer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_splitmix64() {
        // The first outputs for seed 1234567, as the algorithm's author publishes them.
        let mut prng = Prng::new(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| prng.next_u64()).collect();
        assert_eq!(
            first,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn ranges_include_both_ends() {
        let mut prng = Prng::new(1);
        let seen: std::collections::BTreeSet<u64> = (0..100).map(|_| prng.range(3..=5)).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [3, 4, 5]);
        let _ = prng.range(0..=u64::MAX);
    }

    #[test]
    fn a_stream_is_the_start_of_a_longer_one() {
        assert_eq!(sha256_stream(100), sha256_stream(4096)[..100]);
        assert_eq!(painted(252)[250..], [250, 0]);
    }
}
