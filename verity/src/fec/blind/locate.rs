//! Where errors are.
//!
//! The answer is an *error locator*: the polynomial whose zeros are the locators of the places with
//! errors, highest coefficient 1. It is a rule that the syndromes keep: sum of products of it and
//! as many of them in a row is zero.
//!
//! One codeword leads to it when it has at most half as many errors as syndromes (Berlekamp and
//! Massey). Codewords that have their errors at the same places have one locator and give more
//! rules for it: with t such places and syndromes of r dimensions, it is the only one that all keep
//! if 2t - r is less than the syndromes a codeword has. If what is wrong with one place is no sum
//! of what is wrong with others, r is t, and one syndrome more than errors is enough. Source:
//! Metzner and Kapturowski 1990; Haslach and Vinck 1999; Roth and Vontobel 2014.

use super::super::field::{inverse, multiply};
use super::syndromes::{evaluate, locator};

/// The error locator of one codeword with the fewest errors that its syndromes can come from; none
/// if more than half as many as there are syndromes.
pub(super) fn in_codeword(syndromes: &[u8]) -> Option<Vec<u8>> {
    // The locator so far, its coefficients in the other order, and the
    // last one that had fewer zeros.
    let (mut current, mut shorter) = (vec![1], vec![1]);
    let (mut errors, mut behind, mut missed) = (0, 1, 1);
    for (index, _) in syndromes.iter().enumerate() {
        let recent = syndromes[..=index].iter().rev();
        let off = current.iter().zip(recent).fold(0, |sum, (&a, &b)| sum ^ multiply(a, b));
        let before = current.clone();
        if off != 0 {
            let factor = multiply(off, inverse(missed));
            current.resize(current.len().max(behind + shorter.len()), 0);
            for (byte, &other) in current[behind..].iter_mut().zip(&shorter) {
                *byte ^= multiply(factor, other);
            }
        }
        if off != 0 && 2 * errors <= index {
            (errors, shorter, missed, behind) = (index + 1 - errors, before, off, 1);
        } else {
            behind += 1;
        }
    }
    current.resize(errors + 1, 0);
    current.reverse();
    (2 * errors <= syndromes.len()).then_some(current)
}

/// The error locators that codewords with their errors at the same places may have, fewest errors
/// first, from the dimensions that their syndromes have.
pub(super) fn in_common(syndromes: &Independent) -> impl Iterator<Item = Vec<u8>> {
    let (rank, len) = (syndromes.rank(), syndromes.len());
    (rank..=(len + rank).saturating_sub(1) / 2).filter_map(move |errors| {
        let mut rules = Independent::new(errors + 1);
        for syndromes in syndromes.vectors() {
            syndromes.windows(errors + 1).for_each(|window| rules.add(window.to_vec()));
        }
        let mut locator = rules.solution()?;
        locator.push(1);
        Some(locator)
    })
}

/// The places, of those given, at which an error locator has its zeros;
/// none unless all of them are there.
pub(super) fn places(error_locator: &[u8], among: &[usize]) -> Option<Vec<usize>> {
    let has_error = |&place: &usize| evaluate(error_locator, locator(place)) == 0;
    let places: Vec<usize> = among.iter().copied().filter(has_error).collect();
    (places.len() + 1 == error_locator.len()).then_some(places)
}

/// Vectors of which none is a sum of multiples of the others.
///
/// Each begins, after zeros, with a 1, and all others have a zero there.
pub(super) struct Independent {
    /// By the place of the 1.
    vectors: Vec<Option<Vec<u8>>>,
}

impl Independent {
    /// None yet, of that length.
    pub(super) fn new(len: usize) -> Independent {
        Independent { vectors: vec![None; len] }
    }

    /// The length of each.
    pub(super) fn len(&self) -> usize {
        self.vectors.len()
    }

    /// How many there are.
    pub(super) fn rank(&self) -> usize {
        self.vectors().count()
    }

    /// Each of them.
    pub(super) fn vectors(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.vectors.iter().flatten()
    }

    /// Adds what is new about a vector of that length, if anything is.
    pub(super) fn add(&mut self, mut vector: Vec<u8>) {
        for (first, other) in self.vectors.iter().enumerate() {
            if let Some(other) = other {
                clear(&mut vector, first, other);
            }
        }
        let Some(first) = vector.iter().position(|&byte| byte != 0) else { return };
        let scale = inverse(vector[first]);
        vector.iter_mut().for_each(|byte| *byte = multiply(*byte, scale));
        for other in self.vectors.iter_mut().flatten() {
            clear(other, first, &vector);
        }
        self.vectors[first] = Some(vector);
    }

    /// The only list of factors, one byte shorter than the vectors, whose sum of products with the
    /// beginning of each is its last byte; if there is just one.
    fn solution(&self) -> Option<Vec<u8>> {
        let (last, vectors) = self.vectors.split_last()?;
        let value = |vector: &Option<Vec<u8>>| vector.as_ref()?.last().copied();
        vectors.iter().map(value).collect::<Option<_>>().filter(|_| last.is_none())
    }
}

/// Adds that multiple of another vector, which has a 1 at this place, that leaves a zero there.
fn clear(vector: &mut [u8], place: usize, other: &[u8]) {
    let factor = vector[place];
    for (byte, &other) in vector.iter_mut().zip(other) {
        *byte ^= multiply(factor, other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::CODEWORD;

    #[test]
    fn vectors_stay_independent() {
        let mut vectors = Independent::new(3);
        for vector in [[0, 0, 0], [0, 2, 4], [0, 1, 2], [5, 0, 0], [5, 1, 2]] {
            vectors.add(vector.to_vec());
        }
        assert_eq!(vectors.vectors().collect::<Vec<_>>(), [&[1, 0, 0], &[0, 1, 2]]);
        assert_eq!((vectors.rank(), vectors.len()), (2, 3));
    }

    #[test]
    fn only_what_is_certain_is_a_solution() {
        let solution = |rows: &[[u8; 3]]| {
            let mut rules = Independent::new(3);
            rows.iter().for_each(|row| rules.add(row.to_vec()));
            rules.solution()
        };
        assert_eq!(solution(&[[1, 1, 9], [0, 1, 4], [1, 0, 13]]), Some(vec![13, 4]));
        assert_eq!(solution(&[[1, 1, 9], [2, 2, 18]]), None, "many");
        assert_eq!(solution(&[[1, 1, 9], [0, 1, 4], [1, 0, 12]]), None, "none");
    }

    /// Syndromes of codewords with their errors at the same places, one for each list of errors.
    fn in_places(places: &[usize], errors: &[Vec<u8>], len: usize) -> Independent {
        let mut syndromes = Independent::new(len);
        for errors in errors {
            let mut vector = vec![0; len];
            for (&place, &error) in places.iter().zip(errors) {
                vector.iter_mut().fold(error, |term, sum| {
                    *sum ^= term;
                    multiply(term, locator(place))
                });
            }
            syndromes.add(vector);
        }
        syndromes
    }

    /// With t places and r dimensions that is where 2t - r is less than the syndromes; what may be
    /// found beyond is not certain, and is not looked for.
    #[test]
    fn places_in_common_are_found_as_far_as_they_are_certain() {
        for (len, rank) in [(6, 1), (7, 1), (10, 5), (10, 4), (23, 22), (2, 1)] {
            let errors = |count: usize| -> Vec<Vec<u8>> {
                let error = |row: usize, place: usize| {
                    ((row * 41 + place * row * 7 + place) % 255 + 1).to_le_bytes()[0]
                };
                (0..rank).map(|row| (0..count).map(|place| error(row, place)).collect()).collect()
            };
            let all: Vec<usize> = (0..CODEWORD).collect();
            let certain = (len + rank - 1) / 2;
            for count in rank..len {
                let wrong: Vec<usize> = (0..count).map(|index| 11 * index + 3).collect();
                let syndromes = in_places(&wrong, &errors(count), len);
                assert_eq!(syndromes.rank(), rank);
                let found: Vec<_> = in_common(&syndromes).collect();
                let is_found = found.iter().any(|it| places(it, &all).as_ref() == Some(&wrong));
                assert_eq!(is_found, count <= certain, "{count} places, {len} syndromes, {rank}");
                assert!(found.iter().all(|it| it.len() - 1 <= certain));
            }
        }
    }

    #[test]
    fn no_errors_are_found_where_none_are() {
        assert_eq!(in_codeword(&[0; 24]), Some(vec![1]));
        assert_eq!(in_codeword(&[]), Some(vec![1]));
        assert_eq!(in_codeword(&[7]), None, "an error, but one rule too few");
        assert_eq!(places(&[1], &[0, 1, 2]), Some(vec![]));
    }
}
