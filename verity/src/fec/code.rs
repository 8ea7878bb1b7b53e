//! The Reed-Solomon code: which multiples of a message's bytes make its parity.
//!
//! A codeword has 255 bytes: 255 - roots of the message, then `roots` of parity,
//! as the coefficients of a polynomial from the highest power down. It is a
//! multiple of the generator, the product of x - 2^i for i below `roots`. So the
//! parity is the message, times x^roots, modulo the generator; and as that is
//! linear, it is a sum over the message's bytes of a constant times the byte.

use crate::layout::CODEWORD;

use super::field::{POWERS, multiply};

/// For each byte of the message, in order, its multiples in the parity:
/// `roots` bytes, highest power first.
pub(super) fn coefficients(roots: usize) -> Vec<Vec<u8>> {
    let generator = generator(roots);
    // x^roots modulo the generator is the rest of the generator, as its highest coefficient is 1.
    let mut coefficients = vec![generator[1..].to_vec()];
    while coefficients.len() < CODEWORD - roots {
        let last = &coefficients[coefficients.len() - 1];
        coefficients.push(times_x(last, &generator));
    }
    coefficients.reverse();
    coefficients
}

/// The generator, highest power first.
fn generator(roots: usize) -> Vec<u8> {
    let mut product = vec![1];
    for power in &POWERS[..roots] {
        // Times x, plus times 2^i.
        let shifted = product.iter().copied().chain([0]);
        let scaled = [0].into_iter().chain(product.iter().map(|&byte| multiply(byte, *power)));
        product = shifted.zip(scaled).map(|(a, b)| a ^ b).collect();
    }
    product
}

/// A remainder times x, modulo the generator.
fn times_x(remainder: &[u8], generator: &[u8]) -> Vec<u8> {
    let top = remainder[0];
    let shifted = remainder[1..].iter().copied().chain([0]);
    shifted.zip(&generator[1..]).map(|(byte, &g)| byte ^ multiply(top, g)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::MOST_ROOTS;
    use super::*;

    #[test]
    fn generators_are_those_of_the_kernel() {
        assert_eq!(generator(2), [1, 3, 2]);
        assert_eq!(generator(4), [0x01, 0x0f, 0x36, 0x78, 0x40]);
        let known = "017a76a946b2edd8667396e54982483d2bce01edf77fd99075";
        assert_eq!(hex::encode(generator(24)), known);
    }

    fn parity(message: &[u8], roots: usize) -> Vec<u8> {
        let mut parity = vec![0; roots];
        for (byte, coefficients) in message.iter().zip(coefficients(roots)) {
            for (parity, coefficient) in parity.iter_mut().zip(coefficients) {
                *parity ^= multiply(*byte, coefficient);
            }
        }
        parity
    }

    #[test]
    fn codewords_are_those_that_veritysetup_makes() {
        let (mut first, mut last) = ([0; 253], [0; 253]);
        (first[0], last[252]) = (1, 1);
        assert_eq!(parity(&first, 2), [0x8e, 0x8f]);
        assert_eq!(parity(&last, 2), [0x03, 0x02]);
        let message: Vec<u8> = (0..253).collect();
        assert_eq!(parity(&message, 2), [0x3e, 0xc2]);
        let known = "1f92a06d1b5947e381996fb80befb8ff901049c4f8bc0c68";
        assert_eq!(hex::encode(parity(&message[..231], 24)), known);
    }

    #[test]
    fn codewords_vanish_at_the_roots() {
        for roots in 2..=MOST_ROOTS {
            let message: Vec<u8> =
                (0..).map(|i: u32| i.to_le_bytes()[0]).take(255 - roots).collect();
            let word = [&message[..], &parity(&message, roots)].concat();
            for root in &POWERS[..roots] {
                let value = word.iter().fold(0, |value, &byte| multiply(value, *root) ^ byte);
                assert_eq!(value, 0, "{roots}");
            }
        }
    }
}
