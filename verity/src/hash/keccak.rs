//! SHA-3 (FIPS 202), once, over any [`LittleLanes`].

use super::prefetch::{Cache, prefetch};
use super::text::{LittleLanes, Staged, Text, Texts, store};
use crate::{HashType, Salt};

/// The messages of blocks for a digest of that size, in bytes.
pub(super) fn text(
    digest_size: usize,
    hash_type: HashType,
    salt: &Salt,
    block_size: usize,
) -> Text {
    // FIPS 202, 5.1 and 6.1: the capacity is twice the digest; 01 behind the message, then 10*1.
    let rate = 200 - 2 * digest_size;
    Text::new(hash_type, salt, block_size, (rate, digest_size), (0x06, 0x80))
}

/// Hashes a group of at most `LANES` blocks, as many as `L` has.
#[inline(always)]
pub(super) fn hash<L: LittleLanes, const LANES: usize>(cpu: L::Cpu, group: Texts<'_>) {
    const { assert!(LANES == L::LANES) }
    let Texts { text, blocks, next, digests } = group;
    let staged = Staged::<LANES>::new(text, blocks);
    let mut state = [L::splat(cpu, 0); 25];
    for index in 0..text.chunks() {
        let (blocks, size, offset) = staged.chunk(index);
        prefetch(next.part(index * text.chunk * LANES, text.chunk * LANES), Cache::Second);
        // The rate has a word more than a multiple of four words: the last of the last four.
        for four in 0..text.chunk / 32 {
            let words = L::load_four(cpu, blocks, size, offset + 32 * four);
            for (state, word) in state[4 * four..4 * four + 4].iter_mut().zip(words) {
                *state = state.xor(word);
            }
        }
        let [.., word] = L::load_four(cpu, blocks, size, offset + text.chunk - 32);
        let last = text.chunk / 8 - 1;
        state[last] = state[last].xor(word);
        permute(cpu, &mut state);
    }
    let [a, b, c, d, e, f, g, h, ..] = state;
    store(&[a, b, c, d, e, f, g, h], text.digest_size, digests);
}

/// The permutation Keccak-f\[1600\] (3.3 and 3.4). Lane (x, y) is number x + 5y.
#[inline(always)]
fn permute<L: LittleLanes>(cpu: L::Cpu, state: &mut [L; 25]) {
    let mut a = *state;
    for &constant in &ROUND_CONSTANTS {
        macro_rules! column {
            ($x:literal) => {
                a[$x].xor3(a[$x + 5], a[$x + 10]).xor3(a[$x + 15], a[$x + 20])
            };
        }
        let (c0, c1, c2, c3, c4) = (column!(0), column!(1), column!(2), column!(3), column!(4));
        let d0 = c4.xor(c1.rotr(63));
        let d1 = c0.xor(c2.rotr(63));
        let d2 = c1.xor(c3.rotr(63));
        let d3 = c2.xor(c4.rotr(63));
        let d4 = c3.xor(c0.rotr(63));
        // θ, ρ and π of five lanes, then χ of the row that they make.
        macro_rules! row {
            ($($from:literal $d:ident $right:literal),*) => {{
                let [b0, b1, b2, b3, b4] = [$(a[$from].xor($d).rotr($right)),*];
                [
                    b0.xor(b1.not_and(b2)),
                    b1.xor(b2.not_and(b3)),
                    b2.xor(b3.not_and(b4)),
                    b3.xor(b4.not_and(b0)),
                    b4.xor(b0.not_and(b1)),
                ]
            }};
        }
        let [a0, a1, a2, a3, a4] = row!(0 d0 0, 6 d1 20, 12 d2 21, 18 d3 43, 24 d4 50);
        let [a5, a6, a7, a8, a9] = row!(3 d3 36, 9 d4 44, 10 d0 61, 16 d1 19, 22 d2 3);
        let [a10, a11, a12, a13, a14] = row!(1 d1 63, 7 d2 58, 13 d3 39, 19 d4 56, 20 d0 46);
        let [a15, a16, a17, a18, a19] = row!(4 d4 37, 5 d0 28, 11 d1 54, 17 d2 49, 23 d3 8);
        let [a20, a21, a22, a23, a24] = row!(2 d2 2, 8 d3 9, 14 d4 25, 15 d0 23, 21 d1 62);
        let a0 = a0.xor(L::splat(cpu, constant));
        a = [
            a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17, a18,
            a19, a20, a21, a22, a23, a24,
        ];
    }
    *state = a;
}

/// One a round (3.2.5).
const ROUND_CONSTANTS: [u64; 24] = [
    0x0000_0000_0000_0001,
    0x0000_0000_0000_8082,
    0x8000_0000_0000_808a,
    0x8000_0000_8000_8000,
    0x0000_0000_0000_808b,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8009,
    0x0000_0000_0000_008a,
    0x0000_0000_0000_0088,
    0x0000_0000_8000_8009,
    0x0000_0000_8000_000a,
    0x0000_0000_8000_808b,
    0x8000_0000_0000_008b,
    0x8000_0000_0000_8089,
    0x8000_0000_0000_8003,
    0x8000_0000_0000_8002,
    0x8000_0000_0000_0080,
    0x0000_0000_0000_800a,
    0x8000_0000_8000_000a,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8080,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8008,
];
