//! Damage to valid inputs, for the replay and for every other input of the fuzzers.
//!
//! libFuzzer by itself soon has a corpus of refused inputs that reach ever more messages, and
//! seldom comes back to a valid one. But an input that is wrongly accepted is near a valid one.
//! Equal states of the generator give equal inputs.

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

/// Makes every other input of a fuzzer from a seed. Returns the new size, or `None` where libFuzzer
/// shall change the input by itself.
pub fn every_other(data: &mut [u8], seed: u32, seeds: &[Vec<u8>]) -> Option<usize> {
    let mut prng = Prng::new(seed.into());
    if prng.one_in(2) {
        return None;
    }
    let input = mutation(seeds, &mut prng);
    data.get_mut(..input.len())?.copy_from_slice(&input);
    Some(input.len())
}

fn damage(input: &mut Vec<u8>, seeds: &[Vec<u8>], prng: &mut Prng) {
    let range = random_range(input.len(), prng);
    match prng.below(10) {
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
        7 | 8 => change_number(input, range.start, prng),
        _ => {
            for byte in &mut input[range] {
                *byte ^= 1 << prng.below(8);
            }
        }
    }
}

/// Changes the first decimal number from `start` on to one near it, or to an extreme.
fn change_number(input: &mut Vec<u8>, start: usize, prng: &mut Prng) {
    let digit = |byte: &u8| byte.is_ascii_digit();
    let Some(start) = input[start..].iter().position(digit).map(|index| start + index) else {
        return;
    };
    let len = input[start..].iter().take_while(|byte| digit(byte)).count();
    let text = String::from_utf8_lossy(&input[start..start + len]).into_owned();
    let number = text.parse().unwrap_or(u64::MAX);
    let changed = match prng.below(5) {
        0 => number.wrapping_add(1),
        1 => number.wrapping_sub(1),
        2 => number / 2,
        3 => number.wrapping_mul(2),
        _ => *prng.pick(&NUMBERS),
    };
    drop(input.splice(start..start + len, changed.to_string().into_bytes()));
}

/// A range of up to 64 bytes in a buffer of that length, often of fewer than four.
fn random_range(len: usize, prng: &mut Prng) -> Range<usize> {
    let longest = if prng.one_in(2) { 4 } else { 65 };
    let start = prng.index(len + 1);
    start..(start + prng.index(longest)).min(len)
}
