//! How fast memory can be read at all: all words of it are added up.

/// How many streams are read at once, which is faster than one: the CPU fetches ahead for each.
const STREAMS: usize = 4;
/// The words of a cache line.
const WORDS: usize = 8;
const LINE: usize = WORDS * 8;

/// The sum of all words, modulo 2^64, of whole lines.
pub(super) fn sum(bytes: &[u8]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        return sum_avx2(bytes);
    }
    sum_by_lines(bytes)
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "code for CPUs that have AVX2, called on one that has")]
fn sum_avx2(bytes: &[u8]) -> u64 {
    #[target_feature(enable = "avx2")]
    fn sum(bytes: &[u8]) -> u64 {
        sum_by_lines(bytes)
    }
    // SAFETY: the caller has asked the CPU for AVX2.
    unsafe { sum(bytes) }
}

/// The sum, in code that the compiler turns into vector code.
#[inline(always)]
fn sum_by_lines(bytes: &[u8]) -> u64 {
    let (lines, rest) = bytes.as_chunks::<LINE>();
    assert!(rest.is_empty(), "whole lines");
    let (streams, rest) = lines.split_at(lines.len() / STREAMS * STREAMS);
    let each = streams.len() / STREAMS;
    let mut sums = [[0_u64; WORDS]; STREAMS];
    for place in 0..each {
        for (stream, sums) in sums.iter_mut().enumerate() {
            add_line(sums, &streams[stream * each + place]);
        }
    }
    rest.iter().for_each(|line| add_line(&mut sums[0], line));
    sums.iter().flatten().fold(0, |sum, part| sum.wrapping_add(*part))
}

#[inline(always)]
fn add_line(sums: &mut [u64; WORDS], line: &[u8; LINE]) {
    for (sum, word) in sums.iter_mut().zip(line.as_chunks::<8>().0) {
        *sum = sum.wrapping_add(u64::from_le_bytes(*word));
    }
}

#[cfg(test)]
mod tests {
    use verity_testdata::pattern::Prng;

    use super::*;

    #[test]
    fn every_word_is_read_once() {
        for lines in [0, 1, 3, 4, 7, 64, 67] {
            let bytes = Prng::new(1).bytes(lines * LINE);
            let words = bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word));
            let expected = words.fold(0, u64::wrapping_add);
            assert_eq!((sum(&bytes), sum_by_lines(&bytes)), (expected, expected), "{lines} lines");
        }
    }
}
