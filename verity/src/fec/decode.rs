//! Lost rows of a round out of the others and the parity.
//!
//! What the known rows add up to, less the stored parity, is the *residue*: what the lost rows
//! would add, `roots` equations a codeword. Where the lost rows are known, as many equations as
//! there are of them say what they were: any square part of the code's coefficients can be
//! inverted, as the code corrects as many erasures as it has parity. So only those sums are made,
//! and repair is cheap where little is lost.
//!
//! Pure bytes: nothing here knows whether what comes out is right.

use std::sync::OnceLock;

use crate::FecArea;
use crate::number::to_len;

use super::blind;
use super::code;
use super::encode::{ROW_SIZE, ROWS_SIZE};
use super::field::{inverse, multiply};
use super::map::{Job, Map};
use super::platform::FecPlatform;

/// Recovers lost rows of one FEC area.
///
/// Public for benchmarks alone, by `verity::internals`.
#[derive(Debug)]
pub struct Decoder {
    area: FecArea,
    roots: usize,
    /// For each row of a round, its multiples in the parity.
    coefficients: Vec<Vec<u8>>,
    /// The maps that make the first sums only, by how many, from one on; made when first needed.
    maps: Vec<OnceLock<Map>>,
    platform: FecPlatform,
}

impl Decoder {
    /// By the kernels of that platform.
    pub fn new(area: FecArea, platform: FecPlatform) -> Decoder {
        let roots = to_len(area.roots().into());
        let coefficients = code::coefficients(roots);
        let maps = (0..roots).map(|_| OnceLock::new()).collect();
        Decoder { area, roots, coefficients, maps, platform }
    }

    /// What is covered, and where the parity lies.
    pub fn area(&self) -> &FecArea {
        &self.area
    }

    /// Whose kernels these are.
    pub fn platform(&self) -> FecPlatform {
        self.platform
    }

    /// The most rows of a round that can be recovered.
    pub fn roots(&self) -> usize {
        self.roots
    }

    /// The bytes of a block.
    pub fn block_len(&self) -> usize {
        self.area.block_size().buffer_len(1)
    }

    /// How many adjacent rounds are best recovered at once.
    pub fn unit_rounds(&self) -> u64 {
        self.area.block_size().blocks_in(ROW_SIZE)
    }

    /// How many rows are best added at once, where a row has that many blocks.
    pub fn rows_at_once(&self, rounds: u64) -> u64 {
        self.area.block_size().blocks_in(ROWS_SIZE).checked_div(rounds).unwrap_or(1).max(1)
    }

    /// Adds rows, from number `first` on, to the first `equations` sums.
    pub fn add_rows(&self, equations: usize, first: usize, rows: &[u8], sums: &mut [u8]) {
        let map = self.maps[equations - 1].get_or_init(|| {
            let first_ones = self.coefficients.iter().map(|all| &all[..equations]);
            Map::new(equations, first_ones)
        });
        let constants = map.inputs_from(first);
        self.platform.accumulate(Job { constants, rows, sums, outputs: equations });
    }

    /// Subtracts the stored parity of one round from its sums, as many as there are.
    pub fn subtract_parity(&self, parity: &[u8], sums: &mut [u8]) {
        for (root, sums) in sums.chunks_exact_mut(self.block_len()).enumerate() {
            for (sum, parity) in sums.iter_mut().zip(parity.chunks_exact(self.roots)) {
                *sum ^= parity[root];
            }
        }
    }

    /// The rows `erased` of a round, back to back, out of its first
    /// equations: one for each, at least one row.
    pub fn solve(&self, erased: &[usize], residue: &[u8]) -> Vec<u8> {
        let mut matrix: Vec<Vec<u8>> = (0..erased.len())
            .map(|equation| erased.iter().map(|&row| self.coefficients[row][equation]).collect())
            .collect();
        let inverse = invert(&mut matrix);
        // What each equation adds to the rows is a column of the inverse.
        let columns: Vec<Vec<u8>> = (0..erased.len())
            .map(|equation| inverse.iter().map(|row| row[equation]).collect())
            .collect();
        let map = Map::new(erased.len(), columns.iter().map(Vec::as_slice));
        let rows = &residue[..erased.len() * self.block_len()];
        let mut lost = vec![0; rows.len()];
        let (constants, outputs) = (map.inputs_from(0), erased.len());
        self.platform.accumulate(Job { constants, rows, sums: &mut lost, outputs });
        lost
    }

    /// What is to be added to rows so that all equations of a round hold,
    /// where it is unknown which rows are wrong beside those that are
    /// erased. `rows` of a round exist; the others are zeros for certain. Once `stop` says so, what
    /// comes is of no use.
    pub(crate) fn corrections(
        &self,
        rows: usize,
        erased: &[usize],
        residue: &[u8],
        stop: &dyn Fn() -> bool,
    ) -> Option<Vec<(usize, Vec<u8>)>> {
        blind::corrections(self.roots, rows, erased, residue, stop)
    }
}

/// The inverse of a square matrix that has one; the matrix becomes the identity.
///
/// # Panics
/// If it cannot be inverted.
fn invert(matrix: &mut [Vec<u8>]) -> Vec<Vec<u8>> {
    let size = matrix.len();
    let mut inverted: Vec<Vec<u8>> =
        (0..size).map(|row| (0..size).map(|column| u8::from(row == column)).collect()).collect();
    for column in 0..size {
        let pivot = (column..size).find(|&row| matrix[row][column] != 0);
        let pivot = pivot.expect("any square part of the coefficients has an inverse");
        matrix.swap(column, pivot);
        inverted.swap(column, pivot);
        let factor = inverse(matrix[column][column]);
        for rows in [&mut *matrix, &mut inverted] {
            rows[column].iter_mut().for_each(|byte| *byte = multiply(*byte, factor));
        }
        for row in (0..size).filter(|&row| row != column) {
            let factor = matrix[row][column];
            for rows in [&mut *matrix, &mut inverted] {
                let from = rows[column].clone();
                for (byte, from) in rows[row].iter_mut().zip(from) {
                    *byte ^= multiply(from, factor);
                }
            }
        }
    }
    inverted
}

#[cfg(test)]
mod tests {
    use super::super::MOST_ROOTS;
    use super::*;
    use crate::{BlockSize, HashArea, Params};

    /// All numbers of roots; the least and the most under Miri.
    fn roots() -> impl Iterator<Item = u32> {
        FecArea::ROOTS.take(MOST_ROOTS - 1).step_by(if cfg!(miri) { MOST_ROOTS - 2 } else { 1 })
    }

    /// The rows of a round that hold something; those behind them are zeros.
    fn rows(decoder: &Decoder) -> usize {
        if cfg!(miri) { 30 } else { 255 - decoder.roots() }
    }

    fn decoder(roots: u32, platform: FecPlatform) -> Decoder {
        let block_size = BlockSize::MIN;
        let params = Params::builder().data_block_size(block_size).hash_block_size(block_size);
        let params = params.data_blocks(100).build().unwrap();
        let hash_area = HashArea::new(&params, 0, true).unwrap();
        let area = FecArea::new(&params, &hash_area, roots, 200, 0).unwrap();
        Decoder::new(area, platform)
    }

    /// Rows of which any number up to all roots is lost, on every platform.
    #[test]
    fn f06_any_rows_up_to_the_roots_come_back() {
        let mut state = 1_u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        };
        for roots in roots() {
            for platform in FecPlatform::available() {
                let decoder = decoder(roots, platform);
                let (roots, len, rows) = (decoder.roots(), decoder.block_len(), rows(&decoder));
                let round: Vec<u8> = (0..rows * len).map(|_| random()).collect();
                let mut parity = vec![0; roots * len];
                decoder.add_rows(roots, 0, &round, &mut parity);
                // As it is stored: the bytes of a codeword together.
                let stored: Vec<u8> =
                    (0..roots * len).map(|i| parity[i % roots * len + i / roots]).collect();
                for count in [1, 2, roots.div_ceil(2), roots - 1, roots] {
                    let mut erased: Vec<usize> = Vec::new();
                    while erased.len() < count {
                        let row = usize::from(random()) % rows;
                        if !erased.contains(&row) {
                            erased.push(row);
                        }
                    }
                    let mut known = round.clone();
                    erased.iter().for_each(|row| known[row * len..][..len].fill(0));
                    let mut residue = vec![0; count * len];
                    decoder.add_rows(count, 0, &known, &mut residue);
                    decoder.subtract_parity(&stored, &mut residue);
                    let lost = decoder.solve(&erased, &residue);
                    for (row, lost) in erased.iter().zip(lost.chunks_exact(len)) {
                        assert!(lost == &round[row * len..][..len], "{roots} {platform} {row}");
                    }
                }
            }
        }
    }

    /// Another decoder, codeword by codeword.
    #[test]
    fn lost_rows_are_those_that_another_decoder_finds() {
        for roots in roots() {
            let decoder = decoder(roots, FecPlatform::detect());
            let (roots, len, rows) = (decoder.roots(), decoder.block_len(), rows(&decoder));
            let round: Vec<u8> = (0..=250).cycle().take(rows * len).collect();
            let erased: Vec<usize> = (0..roots).map(|i| (i * 37 + 11) % rows).collect();
            let mut known = round;
            erased.iter().for_each(|row| known[row * len..][..len].fill(0));
            // Any parity will do: with as many lost rows as roots, each codeword has one answer.
            let stored: Vec<u8> = (0..=246).cycle().take(roots * len).collect();
            let mut residue = vec![0; roots * len];
            decoder.add_rows(roots, 0, &known, &mut residue);
            decoder.subtract_parity(&stored, &mut residue);
            let lost = decoder.solve(&erased, &residue);
            for column in (0..len).step_by(101) {
                let message = (0..rows).map(|row| known[row * len + column]);
                let message = message.chain(std::iter::repeat(0)).take(255 - roots);
                let parity = stored[column * roots..][..roots].iter().copied();
                let codeword: Vec<u8> = message.chain(parity).collect();
                let places: Vec<u8> =
                    erased.iter().map(|&row| u8::try_from(row).unwrap()).collect();
                let judge = reed_solomon::Decoder::new(roots);
                let right = judge.correct(&codeword, Some(&places)).unwrap();
                for (row, lost) in erased.iter().zip(lost.chunks_exact(len)) {
                    assert_eq!(lost[column], right[*row], "{roots} roots, row {row}");
                }
            }
        }
    }

    /// The rows that lie farthest apart, and those that lie together.
    #[test]
    fn every_square_part_of_the_coefficients_can_be_inverted() {
        for roots in roots() {
            let decoder = decoder(roots, FecPlatform::Portable);
            let rows = 255 - decoder.roots();
            for size in 1..=decoder.roots() {
                for first in (0..rows - size).step_by(if cfg!(miri) { 31 } else { 7 }) {
                    for step in [1, 2, (rows - 1 - first) / size.max(2)] {
                        let erased: Vec<usize> = (0..size).map(|i| first + i * step).collect();
                        if step == 0 || erased[size - 1] >= rows {
                            continue;
                        }
                        let coefficient = |e: usize, row: usize| decoder.coefficients[row][e];
                        let mut matrix: Vec<Vec<u8>> = (0..size)
                            .map(|e| erased.iter().map(|&row| coefficient(e, row)).collect())
                            .collect();
                        assert_eq!(invert(&mut matrix).len(), size);
                    }
                }
            }
        }
    }
}
