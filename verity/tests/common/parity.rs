//! Parity as the definition has it: long division, codeword by codeword.

/// A product in the field, bit by bit.
fn multiply(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    while b > 0 {
        if b & 1 == 1 {
            product ^= a;
        }
        a = (a << 1) ^ if a & 0x80 == 0 { 0 } else { 0x1d };
        b >>= 1;
    }
    product
}

/// The parity of a message.
fn divide(message: &[u8], generator: &[u8]) -> Vec<u8> {
    let mut rest = [message, &vec![0; generator.len() - 1]].concat();
    for index in 0..message.len() {
        let top = rest[index];
        for (place, &byte) in generator.iter().enumerate() {
            rest[index + place] ^= multiply(top, byte);
        }
    }
    rest.split_off(message.len())
}

fn generator(roots: usize) -> Vec<u8> {
    let (mut generator, mut power) = (vec![1], 1);
    for _ in 0..roots {
        let mut next = vec![0; generator.len() + 1];
        for (index, &byte) in generator.iter().enumerate() {
            next[index] ^= byte;
            next[index + 1] ^= multiply(byte, power);
        }
        (generator, power) = (next, multiply(power, 2));
    }
    generator
}

/// All parity of some covered bytes, codeword by codeword.
pub(crate) fn slow_parity(covered: &[u8], block_size: usize, roots: usize) -> Vec<u8> {
    let (rows, generator) = (255 - roots, generator(roots));
    let rounds = (covered.len() / block_size).div_ceil(rows);
    let mut parity = Vec::new();
    for round in 0..rounds {
        for byte in 0..block_size {
            let message: Vec<u8> = (0..rows)
                .map(|row| (row * rounds + round) * block_size + byte)
                .map(|place| covered.get(place).copied().unwrap_or(0))
                .collect();
            parity.extend(divide(&message, &generator));
        }
    }
    parity
}
