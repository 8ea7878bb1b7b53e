//! Rounds that are damaged at places that the decoder is not told, with
//! the crate `reed-solomon` as judge.

use std::cell::Cell;
use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;
use reed_solomon::{Decoder, Encoder};
use verity_testdata::pattern::Prng;

use super::super::MOST_ROOTS;
use super::*;

/// Of numbers that are tried one after the other, every how many-th; Miri takes minutes for a few.
const FEW: usize = if cfg!(miri) { 2 } else { 1 };

fn all_roots() -> impl Iterator<Item = usize> {
    (2..=MOST_ROOTS).step_by(FEW)
}

/// A round: rows of data, those of zeros behind them left out, and the parity of each codeword.
#[derive(Clone)]
struct Image {
    roots: usize,
    rows: Vec<Vec<u8>>,
    parity: Vec<Vec<u8>>,
}

impl Image {
    fn new(roots: usize, rows: usize, row_len: usize, prng: &mut Prng) -> Image {
        let rows: Vec<Vec<u8>> = (0..rows).map(|_| prng.bytes(row_len)).collect();
        let parity = parity(roots, &rows, row_len);
        Image { roots, rows, parity }
    }

    fn row_len(&self) -> usize {
        self.rows[0].len()
    }

    fn codeword(&self, column: usize) -> Vec<u8> {
        let message = message(self.roots, &self.rows, column);
        let parity = self.parity.iter().map(|row| row[column]);
        message.into_iter().chain(parity).collect()
    }

    /// What the decoder is told: erased rows count as zeros.
    fn residue(&self, erased: &[usize]) -> Vec<u8> {
        let mut read = self.rows.clone();
        erased.iter().for_each(|&row| read[row].fill(0));
        let mut residue = parity(self.roots, &read, self.row_len()).concat();
        add(&mut residue, &self.parity.concat());
        residue
    }

    fn corrections(&self, erased: &[usize]) -> Option<Vec<(usize, Vec<u8>)>> {
        corrections(self.roots, self.rows.len(), erased, &self.residue(erased), &|| false)
    }

    /// These rows with the answer added, erased ones as zeros.
    fn corrected(&self, erased: &[usize]) -> Option<Vec<Vec<u8>>> {
        let mut rows = self.rows.clone();
        erased.iter().for_each(|&row| rows[row].fill(0));
        for (row, correction) in self.corrections(erased)? {
            add(&mut rows[row], &correction);
        }
        Some(rows)
    }
}

fn message(roots: usize, rows: &[Vec<u8>], column: usize) -> Vec<u8> {
    let bytes = rows.iter().map(|row| row[column]);
    bytes.chain(std::iter::repeat(0)).take(CODEWORD - roots).collect()
}

fn parity(roots: usize, rows: &[Vec<u8>], row_len: usize) -> Vec<Vec<u8>> {
    let encoder = Encoder::new(roots);
    let mut parity = vec![vec![0; row_len]; roots];
    for column in 0..row_len {
        let encoded = encoder.encode(&message(roots, rows, column));
        for (row, &byte) in parity.iter_mut().zip(encoded.ecc()) {
            row[column] = byte;
        }
    }
    parity
}

fn add(row: &mut [u8], other: &[u8]) {
    row.iter_mut().zip(other).for_each(|(byte, other)| *byte ^= other);
}

/// A few different places below `bound`, in ascending order.
fn some(count: usize, bound: usize, prng: &mut Prng) -> Vec<usize> {
    let mut places = BTreeSet::new();
    while places.len() < count.min(bound) {
        places.insert(below(bound, prng));
    }
    places.into_iter().collect()
}

fn below(bound: usize, prng: &mut Prng) -> usize {
    usize::try_from(prng.below(bound.try_into().unwrap())).unwrap()
}

fn error(prng: &mut Prng) -> u8 {
    u8::try_from(prng.range(1..=255)).unwrap()
}

/// As many columns as make random rows independent for certain: row i has a column in which it
/// alone is wrong.
fn spoil_rows(image: &mut Image, rows: &[usize], prng: &mut Prng) {
    for (own, &row) in rows.iter().enumerate() {
        let mut errors = prng.bytes(image.row_len());
        errors[..rows.len()].fill(0);
        errors[own] = error(prng);
        add(&mut image.rows[row], &errors);
    }
}

/// One fewer than the roots is found, whatever part of them is known.
#[test]
fn f08_whole_rows_are_found_at_any_places() {
    let mut prng = Prng::new(1);
    for roots in all_roots() {
        for wrong in (1..roots).step_by(FEW) {
            for known in [0, wrong / 2, wrong] {
                let row_count = 30 + below(CODEWORD - roots - 29, &mut prng);
                let good = Image::new(roots, row_count, 40, &mut prng);
                let mut image = good.clone();
                let rows = some(wrong, row_count, &mut prng);
                spoil_rows(&mut image, &rows, &mut prng);
                let erased = some(known, wrong, &mut prng).into_iter().map(|index| rows[index]);
                let erased: Vec<usize> = erased.collect();
                let found = image.corrections(&erased).unwrap();
                let named: Vec<usize> = found.iter().map(|(row, _)| *row).collect();
                assert_eq!(named, rows, "{roots} roots, {known} known");
                assert!(image.corrected(&erased).unwrap() == good.rows, "{roots} {wrong} {known}");
            }
        }
    }
}

#[test]
fn f06_as_many_erased_rows_as_roots() {
    let mut prng = Prng::new(2);
    for roots in all_roots() {
        for erased in (0..=roots).rev().step_by(FEW) {
            let image = Image::new(roots, CODEWORD - roots, 5, &mut prng);
            let erased = some(erased, image.rows.len(), &mut prng);
            assert!(image.corrected(&erased).unwrap() == image.rows, "{roots} {erased:?}");
        }
        let image = Image::new(roots, CODEWORD - roots, 5, &mut prng);
        assert!(image.corrections(&some(roots + 1, 200, &mut prng)).is_none());
        let all: Vec<usize> = (0..CODEWORD - roots).collect();
        assert!(image.corrections(&all).is_none());
    }
}

/// Rows that are wrong in the same way, or all in the same byte: fewer dimensions than rows.
#[test]
fn rows_that_are_wrong_alike_are_found_up_to_the_bound() {
    let mut prng = Prng::new(3);
    for roots in all_roots() {
        for rank in (1..roots).step_by(FEW) {
            let wrong = (roots - 1 + rank) / 2;
            let good = Image::new(roots, CODEWORD - roots, 40, &mut prng);
            let mut image = good.clone();
            let rows = some(wrong, good.rows.len(), &mut prng);
            // The first `rank` rows have errors of their own; the others repeat the last of these.
            spoil_rows(&mut image, &rows[..rank], &mut prng);
            let mut alike = image.rows[rows[rank - 1]].clone();
            add(&mut alike, &good.rows[rows[rank - 1]]);
            rows[rank..].iter().for_each(|&row| add(&mut image.rows[row], &alike));
            assert!(image.corrected(&[]).unwrap() == good.rows, "{roots} roots, {wrong} rows");
        }
    }
}

/// Too many rows for all codewords together, but few enough in each.
#[test]
fn f08_scattered_errors_are_found_codeword_by_codeword() {
    let mut prng = Prng::new(4);
    for roots in all_roots() {
        for known in (0..=roots).step_by(FEW) {
            let good = Image::new(roots, 200, 60, &mut prng);
            let mut image = good.clone();
            let erased = some(known, 200, &mut prng);
            for column in 0..60 {
                for row in some((roots - known) / 2, 200, &mut prng) {
                    image.rows[row][column] ^= error(&mut prng);
                }
            }
            for &row in &erased {
                image.rows[row] = prng.bytes(60);
            }
            assert!(image.corrected(&erased).unwrap() == good.rows, "{roots} roots, {known} known");
        }
    }
}

#[test]
fn errors_of_the_parity_are_no_errors_of_rows() {
    let mut prng = Prng::new(5);
    for roots in all_roots() {
        let mut image = Image::new(roots, 100, 30, &mut prng);
        for row in some(roots / 2, roots, &mut prng) {
            image.parity[row] = prng.bytes(30);
        }
        assert_eq!(image.corrections(&[]), Some(vec![]), "{roots}");
        let expected = image.rows.clone();
        for column in some(20, 30, &mut prng) {
            let row = below(100, &mut prng);
            image.rows[row][column] = image.rows[row][column].wrapping_add(1);
        }
        if roots >= 4 {
            image.parity = parity(roots, &expected, 30);
            image.parity[1] = prng.bytes(30);
            assert!(image.corrected(&[]).unwrap() == expected, "{roots}");
        }
    }
}

#[test]
fn codewords_that_are_lost_spoil_no_others() {
    let mut prng = Prng::new(6);
    let good = Image::new(8, 247, 64, &mut prng);
    let mut image = good.clone();
    for row in &mut image.parity {
        row[..16].copy_from_slice(&prng.bytes(16));
    }
    for row in some(20, 247, &mut prng) {
        let column = 16 + below(48, &mut prng);
        image.rows[row][column] ^= error(&mut prng);
    }
    let corrected = image.corrected(&[]).unwrap();
    for (corrected, good) in corrected.iter().zip(&good.rows) {
        assert!(corrected[16..] == good[16..]);
    }
}

#[test]
fn nothing_wrong_needs_no_correction() {
    let mut prng = Prng::new(7);
    let image = Image::new(4, 9, 12, &mut prng);
    assert_eq!(image.corrections(&[]), Some(vec![]));
    assert_eq!(corrections(4, 9, &[], &[], &|| false), Some(vec![]));
    assert_eq!(corrections(4, 0, &[], &[0; 8], &|| false), Some(vec![]));
    assert_eq!(
        corrections(2, 9, &[], &[1, 2], &|| false),
        None,
        "an error in a row that is not there"
    );
}

/// The largest blocks: what every codeword by itself would come to is not held.
#[test]
fn r03_answers_are_bounded() {
    let mut prng = Prng::new(8);
    let row_len = MOST / 100;
    let good = Image::new(2, 253, 300, &mut prng);
    let mut image = good.clone();
    for column in 0..image.row_len() {
        image.rows[column % 253][column] ^= 1;
    }
    assert!(image.corrected(&[]).unwrap() == good.rows);
    // The same with so many columns more that all rows together are too long.
    let mut residue = Vec::new();
    for row in image.residue(&[]).chunks(image.row_len()) {
        residue.extend(row);
        residue.resize(residue.len() + row_len - row.len(), 0);
    }
    assert!(corrections(2, 253, &[], &residue, &|| false).is_none(), "all rows");
}

/// Rows that are known to be lost are one answer, however long they are.
#[test]
fn f06_as_many_erased_rows_as_roots_of_the_largest_blocks() {
    let (roots, row_len) = (24, MOST / 24 + 1);
    let erased: Vec<usize> = (0..roots).map(|index| 3 * index).collect();
    let mut prng = Prng::new(9);
    let image = Image::new(roots, 100, 1, &mut prng);
    // All other codewords are zeros.
    let mut residue = vec![0; roots * row_len];
    for (row, byte) in image.residue(&erased).into_iter().enumerate() {
        residue[row * row_len + 77] = byte;
    }
    let found = corrections(roots, 100, &erased, &residue, &|| false).unwrap();
    assert!(found.iter().map(|(row, _)| *row).eq(erased));
    assert!(found.iter().all(|(row, bytes)| bytes[77] == image.rows[*row][0]));
}

/// What one damage is.
#[derive(Clone, Debug)]
enum Damage {
    Row(Index),
    Byte(Index, Index),
    ParityByte(Index, Index),
    ParityCodeword(Index),
    Erased(Index),
}

fn damages() -> impl Strategy<Value = Vec<Damage>> {
    let index = any::<Index>;
    let damage = prop_oneof![
        index().prop_map(Damage::Row),
        (index(), index()).prop_map(|(row, column)| Damage::Byte(row, column)),
        (index(), index()).prop_map(|(row, column)| Damage::ParityByte(row, column)),
        index().prop_map(Damage::ParityCodeword),
        index().prop_map(Damage::Erased),
    ];
    prop::collection::vec(damage, 0..25)
}

fn do_damage(image: &mut Image, damages: &[Damage], prng: &mut Prng) -> Vec<usize> {
    let (roots, rows, row_len) = (image.roots, image.rows.len(), image.row_len());
    let mut erased = BTreeSet::new();
    for damage in damages {
        match damage {
            Damage::Row(row) => image.rows[row.index(rows)] = prng.bytes(row_len),
            Damage::Byte(row, column) => {
                image.rows[row.index(rows)][column.index(row_len)] ^= error(prng);
            }
            Damage::ParityByte(row, column) => {
                image.parity[row.index(roots)][column.index(row_len)] ^= error(prng);
            }
            Damage::ParityCodeword(column) => {
                let column = column.index(row_len);
                image.parity.iter_mut().for_each(|row| row[column] ^= error(prng));
            }
            Damage::Erased(row) => drop(erased.insert(row.index(rows))),
        }
    }
    erased.into_iter().collect()
}

/// The places at which a codeword is another one once its message is
/// corrected, but for the erased ones.
fn changes(image: &Image, erased: &[usize], corrected: &[Vec<u8>], column: usize) -> Vec<usize> {
    let before = image.codeword(column);
    let after = Encoder::new(image.roots).encode(&message(image.roots, corrected, column));
    let changed = |place: &usize| after[*place] != before[*place] && !erased.contains(place);
    (0..CODEWORD).filter(changed).collect()
}

/// Within the power or beyond, every codeword is right afterwards, with changes in one fewer place
/// than roots are left.
fn check_rows(image: &Image, erased: &[usize], corrected: &[Vec<u8>]) {
    let changed: BTreeSet<usize> =
        (0..image.row_len()).flat_map(|column| changes(image, erased, corrected, column)).collect();
    let most = (image.roots - erased.len()).saturating_sub(1);
    assert!(changed.len() <= most, "{erased:?} erased, {changed:?} changed");
    assert!(changed.iter().all(|row| !(image.rows.len()..CODEWORD - image.roots).contains(row)));
}

/// Every codeword is right afterwards, with no more changes than it alone has power for, or as it
/// was read; and then there are none within its power.
fn check_codewords(good: &Image, image: &Image, erased: &[usize], corrected: &[Vec<u8>]) {
    let message_len = CODEWORD - image.roots;
    let known_zeros = image.rows.len()..message_len;
    let within = |changes: &[usize]| {
        2 * changes.len() + erased.len() <= image.roots
            && !changes.iter().any(|place| known_zeros.contains(place))
    };
    let mut read = image.clone();
    erased.iter().for_each(|&row| read.rows[row].fill(0));
    for column in 0..image.row_len() {
        let (before, ours) = (read.codeword(column), message(image.roots, corrected, column));
        let untouched = ours == before[..message_len];
        assert!(untouched || within(&changes(image, erased, corrected, column)), "{column}");
        if within(&changes(image, erased, &good.rows, column)) {
            assert!(ours == good.codeword(column)[..message_len], "{column}: {erased:?} erased");
        }
        // Beside erasures the judge counts wrong.
        if erased.is_empty() {
            let theirs = Decoder::new(image.roots).correct(&before, None).ok();
            let changed = |theirs: &[u8]| -> Vec<usize> {
                (0..CODEWORD).filter(|&place| theirs[place] != before[place]).collect()
            };
            let theirs = theirs.filter(|theirs| within(&changed(theirs)));
            let expected = theirs.as_ref().map_or(&before[..], |theirs| &theirs[..]);
            assert!(ours == expected[..message_len], "{column}: not what the judge has");
        }
    }
}

#[test]
fn f02_answers_are_codewords_near_what_was_read() {
    let [together, alone, none] = [const { Cell::new(0) }; 3];
    let count = |cell: &Cell<u32>| cell.set(cell.get() + 1);
    let inputs = (2_usize..=24, 1_usize..=231, 1_usize..40, any::<u64>(), damages());
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) };
    let result = TestRunner::new(config).run(&inputs, |(roots, rows, row_len, seed, damages)| {
        let mut prng = Prng::new(seed);
        let good = Image::new(roots, rows, row_len, &mut prng);
        let mut image = good.clone();
        let erased = do_damage(&mut image, &damages, &mut prng);
        let answer = image.corrected(&erased);
        let residue = image.residue(&erased);
        let round = Round::new(roots, rows, &erased, &residue);
        match (&answer, round.is_some_and(|round| round.by_rows().is_some())) {
            (Some(corrected), true) => {
                count(&together);
                check_rows(&image, &erased, corrected);
            }
            (Some(corrected), false) => {
                count(&alone);
                check_codewords(&good, &image, &erased, corrected);
            }
            (None, _) => {
                count(&none);
                let mut read = image.rows.clone();
                erased.iter().for_each(|&row| read[row].fill(0));
                check_codewords(&good, &image, &erased, &read);
            }
        }
        Ok(())
    });
    result.unwrap();
    let counts = [together, alone, none].map(|cell| cell.get());
    println!("together, alone, none: {counts:?}");
    assert!(counts.iter().all(|count| *count > 40), "{counts:?}");
}
