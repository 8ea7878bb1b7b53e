//! The field with 256 elements that dm-verity's code is made over: bytes as polynomials over GF(2),
//! modulo x^8 + x^4 + x^3 + x^2 + 1.
//!
//! Source: `rs_init(8, 0x11d, 0, 1, roots)` in the kernel's dm-verity-fec.c.

/// The polynomial, without its highest bit.
const POLYNOMIAL: u8 = 0x1d;

/// Products of any two elements.
pub(super) static PRODUCTS: [[u8; 256]; 256] = products();

/// Powers of x, which is the element 2; 255 of them are different.
pub(super) const POWERS: [u8; 255] = powers();

/// An element times x.
pub(super) const fn double(a: u8) -> u8 {
    let reduce = if a & 0x80 == 0 { 0 } else { POLYNOMIAL };
    (a << 1) ^ reduce
}

/// The product of two elements.
pub(super) fn multiply(a: u8, b: u8) -> u8 {
    PRODUCTS[usize::from(a)][usize::from(b)]
}

/// The element whose product with this one is 1; zero for zero, which has no such element.
pub(super) fn inverse(a: u8) -> u8 {
    INVERSES[usize::from(a)]
}

const INVERSES: [u8; 256] = {
    let mut inverses = [0; 256];
    let mut index = 0;
    while index < POWERS.len() {
        inverses[POWERS[index] as usize] = POWERS[(POWERS.len() - index) % POWERS.len()];
        index += 1;
    }
    inverses
};

const fn powers() -> [u8; 255] {
    let mut powers = [1; 255];
    let mut index = 1;
    while index < powers.len() {
        powers[index] = double(powers[index - 1]);
        index += 1;
    }
    powers
}

const fn products() -> [[u8; 256]; 256] {
    let mut products = [[0; 256]; 256];
    let mut a = 1;
    while a < 256 {
        let row = products[a >> 1];
        let mut b = 0;
        while b < 256 {
            // a·b is 2·(a/2)·b, plus b if a is odd.
            let odd = if a & 1 == 1 { B[b] } else { 0 };
            products[a][b] = double(row[b]) ^ odd;
            b += 1;
        }
        a += 1;
    }
    products
}

/// Every byte, at its own index.
const B: [u8; 256] = {
    let mut bytes = [0; 256];
    let mut index = 1;
    while index < bytes.len() {
        bytes[index] = bytes[index - 1] + 1;
        index += 1;
    }
    bytes
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_those_of_the_definition() {
        for a in 0..=255 {
            for b in 0..=255 {
                let (mut product, mut shifted) = (0, a);
                for bit in 0..8 {
                    product ^= if b >> bit & 1 == 1 { shifted } else { 0 };
                    shifted = double(shifted);
                }
                assert_eq!(multiply(a, b), product, "{a} {b}");
            }
        }
    }

    #[test]
    fn every_element_but_zero_has_an_inverse() {
        for a in 1..=255 {
            assert_eq!(multiply(a, inverse(a)), 1, "{a}");
        }
        assert_eq!(inverse(0), 0);
    }

    #[test]
    fn every_element_but_zero_is_a_power() {
        for a in 1..=255 {
            assert!(POWERS.contains(&a));
        }
        assert_eq!(double(POWERS[254]), 1);
    }
}
