//! ARMv8.2's SHA-512 instructions: two rounds of one message in two instructions.

use std::arch::aarch64::*;

use crate::cpu::{Sha512, entries};

use super::super::group::Group;
use super::super::streams::{self, Stream};
use super::super::word::Word;

entries! {
    Sha512: "neon,sha3";
    pub(in crate::hash) fn sha512_x1(group: Group<'_, u64>) = streams::hash::<State, 1, CHUNK>;
    pub(in crate::hash) fn sha512_x2(group: Group<'_, u64>) = streams::hash::<State, 2, CHUNK>;
    #[cfg(test)]
    pub(in crate::hash) fn sha512_x4(group: Group<'_, u64>) = streams::hash::<State, 4, CHUNK>;
}

/// The size of a chunk, in bytes.
const CHUNK: usize = <u64 as Word>::CHUNK;

/// The words of a state: a and b, c and d, e and f, g and h.
#[derive(Clone, Copy)]
struct State {
    pairs: [uint64x2_t; 4],
    cpu: Sha512,
}

impl<const N: usize> Stream<N, CHUNK> for State {
    type Word = u64;
    type Cpu = Sha512;

    #[inline(always)]
    fn new(cpu: Sha512, state: &[u64; 8]) -> State {
        // SAFETY: `cpu` is a token; two of eight words are left from each place on.
        let pairs = unsafe {
            [
                vld1q_u64(&raw const state[0]),
                vld1q_u64(&raw const state[2]),
                vld1q_u64(&raw const state[4]),
                vld1q_u64(&raw const state[6]),
            ]
        };
        State { pairs, cpu }
    }

    #[inline(always)]
    fn words(self) -> [u64; 8] {
        let mut words = [0; 8];
        for (words, pair) in words.chunks_exact_mut(2).zip(self.pairs) {
            // SAFETY: `self` is made from a token; two words have 16 bytes.
            unsafe { vst1q_u64(words.as_mut_ptr(), pair) }
        }
        words
    }

    #[inline(always)]
    fn compress(states: &mut [State; N], chunks: &[&[u8; CHUNK]; N]) {
        let Some(State { cpu, .. }) = states.first().copied() else { return };
        // SAFETY: `cpu` is a token.
        unsafe { rounds(cpu, states, chunks) }
    }
}

/// The 80 rounds of one chunk a stream, two rounds of every stream at a time.
#[inline]
#[target_feature(enable = "neon,sha3")]
fn rounds<const N: usize>(_cpu: Sha512, states: &mut [State; N], chunks: &[&[u8; CHUNK]; N]) {
    let before = *states;
    let mut w = [[vdupq_n_u64(0); 8]; N];
    for (w, chunk) in w.iter_mut().zip(chunks) {
        for (words, bytes) in w.iter_mut().zip(chunk.chunks_exact(16)) {
            // SAFETY: `bytes` has 16 bytes.
            let bytes = unsafe { vld1q_u8(bytes.as_ptr()) };
            *words = vreinterpretq_u64_u8(vrev64q_u8(bytes));
        }
    }
    for (sixteen, constants) in u64::K.chunks_exact(16).enumerate() {
        // The compiler knows these numbers, in each profile: else the words would be in memory.
        macro_rules! pairs {
            ($($i:expr),*) => {$(
                // SAFETY: two of sixteen constants are left from there on.
                let k = unsafe { vld1q_u64(&raw const constants[2 * $i]) };
                for (state, w) in states.iter_mut().zip(&mut w) {
                    two_rounds(&mut state.pairs, vaddq_u64(w[$i], k));
                    if sixteen < 4 {
                        let near = w[($i + 7) % 8];
                        let far = vsha512su0q_u64(w[$i], w[($i + 1) % 8]);
                        let middle = vextq_u64::<1>(w[($i + 4) % 8], w[($i + 5) % 8]);
                        w[$i] = vsha512su1q_u64(far, near, middle);
                    }
                }
            )*};
        }
        pairs!(0, 1, 2, 3, 4, 5, 6, 7);
    }
    for (state, before) in states.iter_mut().zip(before) {
        for (pair, before) in state.pairs.iter_mut().zip(before.pairs) {
            *pair = vaddq_u64(*pair, before);
        }
    }
}

/// Two rounds, with two words of the schedule to which their constants are added.
#[inline]
#[target_feature(enable = "neon,sha3")]
fn two_rounds(pairs: &mut [uint64x2_t; 4], kw: uint64x2_t) {
    let [ab, cd, ef, gh] = *pairs;
    let sum = vaddq_u64(gh, vextq_u64::<1>(kw, kw));
    let sum = vsha512hq_u64(sum, vextq_u64::<1>(ef, gh), vextq_u64::<1>(cd, ef));
    *pairs = [vsha512h2q_u64(sum, cd, ab), ab, vaddq_u64(cd, sum), ef];
}
