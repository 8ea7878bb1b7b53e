//! What a codeword says of its errors.
//!
//! Place p of a codeword is the coefficient of x^(254 - p); its *locator* is 2^(254 - p). A
//! syndrome is the value of a received word at a root 2^l of the generator. Right codewords have
//! none, so what remains is a sum over the errors: error times locator^l. That is linear in the
//! errors, and polynomials over the locators take it apart.
//!
//! Polynomials are lists of coefficients, lowest power first.

use crate::layout::CODEWORD;

use super::super::field::{POWERS, inverse, multiply};

/// The locator of a place: no two places have the same.
pub(super) fn locator(place: usize) -> u8 {
    POWERS[CODEWORD - 1 - place]
}

/// The syndromes of a codeword, as many as it has roots. The residue is what it leaves when it is
/// divided by the generator, highest power first, as parity is.
pub(super) fn syndromes(residue: &[u8]) -> Vec<u8> {
    let value = |&root| residue.iter().fold(0, |value, &byte| multiply(value, root) ^ byte);
    POWERS[..residue.len()].iter().map(value).collect()
}

/// The polynomial that is zero at the locators of these places and nowhere else; its highest
/// coefficient is 1.
pub(super) fn vanishing(places: &[usize]) -> Vec<u8> {
    places.iter().fold(vec![1], |product, &place| {
        let shifted = [0].into_iter().chain(product.iter().copied());
        let scaled = product.iter().map(|&byte| multiply(byte, locator(place))).chain([0]);
        shifted.zip(scaled).map(|(a, b)| a ^ b).collect()
    })
}

/// The syndromes without what errors at the zeros of a polynomial add
/// to them. They are as many fewer as it has zeros; what other errors
/// add stays of the same kind, with other values for the errors.
pub(super) fn without(zeros: &[u8], syndromes: &[u8]) -> Vec<u8> {
    syndromes.windows(zeros.len()).map(|window| sum_of_products(zeros, window)).collect()
}

/// For each of the places, the polynomial that is 1 at its locator and
/// 0 at those of the others. Its sum of products with the syndromes is
/// the error at this place, if there are errors at these places only.
pub(super) fn selectors(places: &[usize]) -> Vec<Vec<u8>> {
    let all = vanishing(places);
    let selector = |&place| {
        let others = without_zero(&all, locator(place));
        let scale = inverse(evaluate(&others, locator(place)));
        others.into_iter().map(|byte| multiply(byte, scale)).collect()
    };
    places.iter().map(selector).collect()
}

/// A sum of products, over the shorter of both.
pub(super) fn sum_of_products(a: &[u8], b: &[u8]) -> u8 {
    a.iter().zip(b).fold(0, |sum, (&a, &b)| sum ^ multiply(a, b))
}

/// The value of a polynomial.
pub(super) fn evaluate(polynomial: &[u8], at: u8) -> u8 {
    polynomial.iter().rev().fold(0, |value, &byte| multiply(value, at) ^ byte)
}

/// A polynomial divided by x - zero, which divides it.
fn without_zero(polynomial: &[u8], zero: u8) -> Vec<u8> {
    let mut quotient = polynomial[1..].to_vec();
    for index in (1..quotient.len()).rev() {
        quotient[index - 1] ^= multiply(quotient[index], zero);
    }
    quotient
}

#[cfg(test)]
mod tests {
    use super::super::super::MOST_ROOTS;
    use super::*;

    /// Errors at some places, as syndromes.
    fn of_errors(errors: &[(usize, u8)], roots: usize) -> Vec<u8> {
        let syndrome = |root: &u8| {
            let mut sum = 0;
            for &(place, error) in errors {
                // root^(254 - place), the slow way.
                sum ^= (place..CODEWORD - 1).fold(error, |value, _| multiply(value, *root));
            }
            sum
        };
        POWERS[..roots].iter().map(syndrome).collect()
    }

    #[test]
    fn errors_in_the_parity_are_their_own_residue() {
        for roots in 2..=MOST_ROOTS {
            for index in 0..roots {
                let mut residue = vec![0; roots];
                residue[index] = 0x5a;
                let errors = [(CODEWORD - roots + index, 0x5a)];
                assert_eq!(syndromes(&residue), of_errors(&errors, roots), "{roots} {index}");
            }
        }
    }

    #[test]
    fn selectors_give_back_the_errors() {
        let errors = [(0, 1), (3, 0xff), (100, 0), (252, 7), (254, 0x80)];
        let places = errors.map(|(place, _)| place);
        let syndromes = of_errors(&errors, 6);
        let values: Vec<u8> = selectors(&places)
            .iter()
            .map(|selector| sum_of_products(selector, &syndromes))
            .collect();
        assert_eq!(values, errors.map(|(_, error)| error));
    }

    #[test]
    fn known_places_leave_the_syndromes() {
        let syndromes = of_errors(&[(5, 9), (200, 40)], 8);
        assert_eq!(without(&vanishing(&[5, 77, 200]), &syndromes), [0; 5]);
        let rest = without(&vanishing(&[5]), &syndromes);
        let value = multiply(40, evaluate(&vanishing(&[5]), locator(200)));
        assert_eq!(rest, of_errors(&[(200, value)], 7));
        assert!(without(&vanishing(&[1, 2]), &syndromes[..2]).is_empty());
    }
}
