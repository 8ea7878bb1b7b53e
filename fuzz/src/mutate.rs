//! Damage, the same on every run: what the replay does to seeds on machines without libFuzzer.

use std::ops::Range;

use verity_testdata::pattern::Prng;

/// Numbers at which things tend to break, as little-endian fields.
const NUMBERS: [u64; 9] = [0, 1, 511, 512, 1 << 31, 1 << 32, (1 << 52) - 1, 1 << 63, u64::MAX];
/// Bytes that mean something to one of the formats.
const BYTES: &[u8] = b"\0\x01\x20\x22\x2c\x2d\x30\x39\x3b\x5c\x7b\x7d\x7f\x80\xa0\xff";

/// Every input that differs from this one in a single bit.
pub fn bit_flips(seed: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    (0..seed.len() * 8).map(|bit| {
        let mut input = seed.to_vec();
        input[bit / 8] ^= 1 << (bit % 8);
        input
    })
}

/// Every proper beginning of this input, the empty one included.
pub fn truncations(seed: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    (0..seed.len()).map(|len| seed[..len].to_vec())
}

/// One of the seeds, damaged once to four times.
pub fn mutation(seeds: &[Vec<u8>], prng: &mut Prng) -> Vec<u8> {
    let mut input = prng.pick(seeds).clone();
    for _ in 0..prng.range(1..=4) {
        damage(&mut input, seeds, prng);
    }
    input
}

fn damage(input: &mut Vec<u8>, seeds: &[Vec<u8>], prng: &mut Prng) {
    let range = random_range(input.len(), prng);
    match prng.below(8) {
        0 => input.truncate(range.start),
        1 => drop(input.drain(range)),
        2 => drop(input.splice(range, [*prng.pick(BYTES)])),
        3 => input.insert(range.start, *prng.pick(BYTES)),
        4 => {
            let copy = input[range.clone()].to_vec();
            drop(input.splice(range.end..range.end, copy));
        }
        5 => {
            let other = prng.pick(seeds);
            let part = &other[random_range(other.len(), prng)];
            drop(input.splice(range, part.iter().copied()));
        }
        6 => {
            for (byte, new) in
                input[range.start..].iter_mut().zip(prng.pick(&NUMBERS).to_le_bytes())
            {
                *byte = new;
            }
        }
        _ => {
            for byte in &mut input[range] {
                *byte ^= 1 << prng.below(8);
            }
        }
    }
}

/// Up to 64 bytes of a buffer of that length, often fewer than four.
fn random_range(len: usize, prng: &mut Prng) -> Range<usize> {
    let mut below = |bound: usize| {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX);
        usize::try_from(prng.below(bound)).unwrap_or(usize::MAX)
    };
    let longest = if below(2) == 0 { 4 } else { 65 };
    let start = below(len + 1);
    start..(start + below(longest)).min(len)
}
