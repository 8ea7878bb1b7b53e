//! ARMv8's SHA-2 extension: four rounds of one message in two instructions.

use std::arch::aarch64::*;

use crate::cpu::{Sha2, entries};

use super::super::group::Group;
use super::super::streams::{self, Stream};
use super::super::word::Word;

entries! {
    Sha2: "neon,sha2";
    pub(in crate::hash) fn sha256_x1(group: Group<'_, u32>) = streams::hash::<State, 1, CHUNK>;
    pub(in crate::hash) fn sha256_x2(group: Group<'_, u32>) = streams::hash::<State, 2, CHUNK>;
    #[cfg(test)]
    pub(in crate::hash) fn sha256_x4(group: Group<'_, u32>) = streams::hash::<State, 4, CHUNK>;
}

/// The size of a chunk, in bytes.
const CHUNK: usize = <u32 as Word>::CHUNK;

/// The words a to d and e to h of a state.
#[derive(Clone, Copy)]
struct State {
    abcd: uint32x4_t,
    efgh: uint32x4_t,
    cpu: Sha2,
}

impl<const N: usize> Stream<N, CHUNK> for State {
    type Word = u32;
    type Cpu = Sha2;

    #[inline(always)]
    fn new(cpu: Sha2, state: &[u32; 8]) -> State {
        // SAFETY: `cpu` is a token; `state` has twice 16 bytes.
        let (abcd, efgh) =
            unsafe { (vld1q_u32(&raw const state[0]), vld1q_u32(&raw const state[4])) };
        State { abcd, efgh, cpu }
    }

    #[inline(always)]
    fn words(self) -> [u32; 8] {
        let mut words = [0; 8];
        let (abcd, efgh) = words.split_at_mut(4);
        // SAFETY: `self` is made from a token; each half has 16 bytes.
        unsafe {
            vst1q_u32(abcd.as_mut_ptr(), self.abcd);
            vst1q_u32(efgh.as_mut_ptr(), self.efgh);
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

/// The 64 rounds of one chunk a stream, four rounds of every stream at a time.
#[inline]
#[target_feature(enable = "neon,sha2")]
fn rounds<const N: usize>(_cpu: Sha2, states: &mut [State; N], chunks: &[&[u8; CHUNK]; N]) {
    let before = *states;
    let mut w = [[vdupq_n_u32(0); 4]; N];
    for (w, chunk) in w.iter_mut().zip(chunks) {
        for (words, bytes) in w.iter_mut().zip(chunk.chunks_exact(16)) {
            // SAFETY: `bytes` has 16 bytes.
            let bytes = unsafe { vld1q_u8(bytes.as_ptr()) };
            *words = vreinterpretq_u32_u8(vrev32q_u8(bytes));
        }
    }
    for (quarter, k) in u32::K.chunks_exact(16).enumerate() {
        for i in 0..4 {
            // SAFETY: four of sixteen constants are left from there on.
            let k = unsafe { vld1q_u32(&raw const k[4 * i]) };
            for (state, w) in states.iter_mut().zip(&mut w) {
                let kw = vaddq_u32(w[i], k);
                let abcd = state.abcd;
                state.abcd = vsha256hq_u32(abcd, state.efgh, kw);
                state.efgh = vsha256h2q_u32(state.efgh, abcd, kw);
                if quarter < 3 {
                    let (near, nearer) = (w[(i + 2) % 4], w[(i + 3) % 4]);
                    w[i] = vsha256su1q_u32(vsha256su0q_u32(w[i], w[(i + 1) % 4]), near, nearer);
                }
            }
        }
    }
    for (state, before) in states.iter_mut().zip(before) {
        state.abcd = vaddq_u32(state.abcd, before.abcd);
        state.efgh = vaddq_u32(state.efgh, before.efgh);
    }
}
