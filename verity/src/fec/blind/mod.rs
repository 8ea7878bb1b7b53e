//! Errors at unknown places, in one round.
//!
//! Where digests say which blocks are wrong, lost rows are recovered as such. Here nothing says so:
//! the block with the digests may itself be wrong, or the blocks lie behind the tree. What is known
//! is the *residue*, which is zero in right codewords. First all codewords together: damage mostly
//! takes whole blocks, so they have their errors in the same rows, and together they lead to as
//! many as one fewer than there are roots (`locate`). Else each by itself, up to half as many as
//! there are roots. Known places count half, as everywhere.
//!
//! An answer explains the residue, and is only a candidate: more damage than that may look like
//! other damage. Who uses it has to hash the blocks.

mod locate;
mod syndromes;

use std::collections::BTreeMap;

use crate::layout::CODEWORD;

use self::locate::Independent;
use self::syndromes::{selectors, sum_of_products, syndromes, vanishing, without};

/// The most bytes of an answer that was found codeword by codeword: all rows, if blocks have up to
/// 32 KiB. More would be scattered errors in very many rows, or, more likely, what damage beyond
/// all power looks like.
const MOST: usize = 8 << 20;

/// After how many codewords it is asked whether to stop: some milliseconds of work at the most.
const ASKED_AFTER: usize = 64;

/// What must be added to rows of a round, row by row, so that its codewords are right. For an
/// erased row that is its content, as it was taken for zeros. None if nothing within the power of
/// the code explains the residue.
///
/// `rows` are the rows that blocks were read for; those behind them are
/// zeros for certain. `residue` has `roots` rows in the order of
/// parity: parity of what was read, added to the stored parity.
///
/// Where a codeword has more errors than can be found, its bytes are left as they are. Once `stop`
/// says so, all further ones are.
pub(super) fn corrections(
    roots: usize,
    rows: usize,
    erased: &[usize],
    residue: &[u8],
    stop: &dyn Fn() -> bool,
) -> Option<Vec<(usize, Vec<u8>)>> {
    let round = Round { stop, ..Round::new(roots, rows, erased, residue)? };
    round.by_rows().or_else(|| round.by_codewords())
}

struct Round<'a> {
    roots: usize,
    erased: &'a [usize],
    /// Zero at the erased rows.
    erased_zeros: Vec<u8>,
    /// Where errors may be besides: the other rows, and the parity.
    places: Vec<usize>,
    residue: &'a [u8],
    /// Asked between codewords.
    stop: &'a dyn Fn() -> bool,
}

impl<'a> Round<'a> {
    /// None if more is lost than there are roots.
    fn new(roots: usize, rows: usize, erased: &'a [usize], residue: &'a [u8]) -> Option<Round<'a>> {
        debug_assert!(rows <= CODEWORD - roots && residue.len().is_multiple_of(roots));
        debug_assert!(erased.is_sorted_by(|a, b| a < b) && erased.iter().all(|row| *row < rows));
        let parity = CODEWORD - roots..CODEWORD;
        let places = (0..rows).filter(|row| !erased.contains(row)).chain(parity).collect();
        let erased_zeros = vanishing(erased);
        let round = Round { roots, erased, erased_zeros, places, residue, stop: &|| false };
        (erased.len() <= roots).then_some(round)
    }

    fn row_len(&self) -> usize {
        self.residue.len() / self.roots
    }

    /// The codewords that are not right, by their column, and their syndromes.
    fn wrong(&self) -> impl Iterator<Item = (usize, Vec<u8>)> {
        let goes_on = |column: &usize| !column.is_multiple_of(ASKED_AFTER) || !(self.stop)();
        (0..self.row_len()).take_while(goes_on).filter_map(|column| {
            let residue: Vec<u8> =
                self.residue[column..].iter().step_by(self.row_len()).copied().collect();
            residue.iter().any(|&byte| byte != 0).then(|| (column, syndromes(&residue)))
        })
    }

    /// Errors in the same rows of all codewords.
    fn by_rows(&self) -> Option<Vec<(usize, Vec<u8>)>> {
        let mut unknown = Independent::new(self.roots - self.erased.len());
        for (_, syndromes) in self.wrong() {
            unknown.add(without(&self.erased_zeros, &syndromes));
            if unknown.rank() > 0 && unknown.rank() == unknown.len() {
                return None;
            }
        }
        let places = match unknown.rank() {
            0 => Vec::new(),
            _ => locate::in_common(&unknown)
                .find_map(|locator| locate::places(&locator, &self.places))?,
        };
        let mut found = Found::new(self, places);
        self.wrong().for_each(|(column, syndromes)| found.correct(column, &syndromes));
        Some(found.into_rows())
    }

    /// Errors of each codeword by itself.
    fn by_codewords(&self) -> Option<Vec<(usize, Vec<u8>)>> {
        let mut found = Found::new(self, Vec::new());
        let mut explained = false;
        for (column, syndromes) in self.wrong() {
            let unknown = without(&self.erased_zeros, &syndromes);
            let locator = locate::in_codeword(&unknown);
            if let Some(places) = locator.and_then(|it| locate::places(&it, &self.places)) {
                found.at(places);
                found.correct(column, &syndromes);
                explained = true;
            }
            if found.size() > MOST {
                return None;
            }
        }
        explained.then(|| found.into_rows())
    }
}

/// Corrections that were found.
struct Found<'a> {
    round: &'a Round<'a>,
    /// Places of errors, without the erased rows.
    places: Vec<usize>,
    /// For each of the erased rows and of these places, what selects its error from the syndromes.
    selectors: Vec<Vec<u8>>,
    rows: BTreeMap<usize, Vec<u8>>,
}

impl<'a> Found<'a> {
    fn new(round: &'a Round<'a>, places: Vec<usize>) -> Found<'a> {
        let zeros = || vec![0; round.row_len()];
        let rows = round.erased.iter().map(|&row| (row, zeros())).collect();
        let selectors = selectors(&[round.erased, &places].concat());
        Found { round, places, selectors, rows }
    }

    /// Goes on to codewords with other places of errors; neighbours often have the same.
    fn at(&mut self, places: Vec<usize>) {
        if places != self.places {
            self.selectors = selectors(&[self.round.erased, &places].concat());
            self.places = places;
        }
    }

    fn correct(&mut self, column: usize, syndromes: &[u8]) {
        let places = self.round.erased.iter().chain(&self.places);
        for (&place, selector) in places.zip(&self.selectors) {
            // Errors of the parity itself are nobody's.
            if place < CODEWORD - self.round.roots {
                let row = self.rows.entry(place).or_insert_with(|| vec![0; self.round.row_len()]);
                row[column] = sum_of_products(selector, syndromes);
            }
        }
    }

    fn size(&self) -> usize {
        self.rows.len() * self.round.row_len()
    }

    fn into_rows(self) -> Vec<(usize, Vec<u8>)> {
        self.rows.into_iter().collect()
    }
}

#[cfg(test)]
mod tests;
