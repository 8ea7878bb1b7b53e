//! SHA-NI: two rounds of one message an instruction.

use std::arch::x86_64::*;

use crate::cpu::{ShaNi, entries};

use super::super::group::Group;
use super::super::streams::{self, Stream};
use super::super::word::Word;

entries! {
    ShaNi: "sha,ssse3,sse4.1";
    pub(in crate::hash) fn sha256_x1(group: Group<'_, u32>) = streams::hash::<State, 1, CHUNK>;
    pub(in crate::hash) fn sha256_x2(group: Group<'_, u32>) = streams::hash::<State, 2, CHUNK>;
}

/// The size of a chunk, in bytes.
pub(super) const CHUNK: usize = <u32 as Word>::CHUNK;

/// The words of a state as the instructions take them: f e b a, then h g d c, from the lowest up.
#[derive(Clone, Copy)]
pub(super) struct State {
    pub(super) abef: __m128i,
    pub(super) cdgh: __m128i,
    cpu: ShaNi,
}

impl<const N: usize> Stream<N, CHUNK> for State {
    type Word = u32;
    type Cpu = ShaNi;

    #[inline(always)]
    fn new(cpu: ShaNi, state: &[u32; 8]) -> State {
        let [a, b, c, d, e, f, g, h] = state.map(u32::cast_signed);
        // SAFETY: every CPU of this architecture has these instructions.
        let (abef, cdgh) = unsafe { (_mm_set_epi32(a, b, e, f), _mm_set_epi32(c, d, g, h)) };
        State { abef, cdgh, cpu }
    }

    #[inline(always)]
    fn words(self) -> [u32; 8] {
        let ([f, e, b, a], [h, g, d, c]) = (to_words(self.abef), to_words(self.cdgh));
        [a, b, c, d, e, f, g, h]
    }

    #[inline(always)]
    fn compress(states: &mut [State; N], chunks: &[&[u8; CHUNK]; N]) {
        let Some(State { cpu, .. }) = states.first().copied() else { return };
        let mut pairs = [(load_zero(), load_zero()); N];
        for (pair, state) in pairs.iter_mut().zip(&*states) {
            *pair = (state.abef, state.cdgh);
        }
        // SAFETY: `cpu` is a token.
        unsafe { rounds(cpu, &mut pairs, chunks) }
        for (state, pair) in states.iter_mut().zip(pairs) {
            (state.abef, state.cdgh) = pair;
        }
    }
}

#[inline(always)]
fn load_zero() -> __m128i {
    // SAFETY: every CPU of this architecture has this instruction.
    unsafe { _mm_setzero_si128() }
}

#[inline(always)]
fn to_words(vector: __m128i) -> [u32; 4] {
    let mut words = [0; 4];
    // SAFETY: every CPU of this architecture has this instruction; `words` has 16 bytes.
    unsafe { _mm_storeu_si128(words.as_mut_ptr().cast(), vector) };
    words
}

/// The 64 rounds of one chunk a stream, four rounds of every stream at a time.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn rounds<const N: usize>(
    _cpu: ShaNi,
    states: &mut [(__m128i, __m128i); N],
    chunks: &[&[u8; CHUNK]; N],
) {
    let swap = _mm_set_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203);
    let before = *states;
    let mut w = [[_mm_setzero_si128(); 4]; N];
    for stream in 0..N {
        for quarter in 0..4 {
            let bytes = &chunks[stream][16 * quarter..16 * quarter + 16];
            // SAFETY: `bytes` has 16 bytes.
            let words = unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) };
            w[stream][quarter] = _mm_shuffle_epi8(words, swap);
        }
    }
    macro_rules! four_rounds {
        ($i:expr, $expand:expr) => {
            let [k0, k1, k2, k3] = [0, 1, 2, 3].map(|j| u32::K[4 * $i + j].cast_signed());
            let k = _mm_set_epi32(k3, k2, k1, k0);
            for stream in 0..N {
                let w = &mut w[stream];
                let (abef, cdgh) = states[stream];
                let kw = _mm_add_epi32(w[$i % 4], k);
                let new_cdgh = _mm_sha256rnds2_epu32(cdgh, abef, kw);
                let new_abef = _mm_sha256rnds2_epu32(abef, new_cdgh, _mm_shuffle_epi32::<0x0e>(kw));
                states[stream] = (new_abef, new_cdgh);
                if $expand {
                    let nine = _mm_alignr_epi8::<4>(w[($i + 3) % 4], w[($i + 2) % 4]);
                    let sum = _mm_add_epi32(_mm_sha256msg1_epu32(w[$i % 4], w[($i + 1) % 4]), nine);
                    w[$i % 4] = _mm_sha256msg2_epu32(sum, w[($i + 3) % 4]);
                }
            }
        };
    }
    macro_rules! sixteen_rounds {
        ($i:expr, $expand:expr) => {
            four_rounds!(4 * $i, $expand);
            four_rounds!(4 * $i + 1, $expand);
            four_rounds!(4 * $i + 2, $expand);
            four_rounds!(4 * $i + 3, $expand);
        };
    }
    sixteen_rounds!(0, true);
    sixteen_rounds!(1, true);
    sixteen_rounds!(2, true);
    sixteen_rounds!(3, false);
    for (state, before) in states.iter_mut().zip(before) {
        *state = (_mm_add_epi32(state.0, before.0), _mm_add_epi32(state.1, before.1));
    }
}
