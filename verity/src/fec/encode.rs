//! Parity out of rows of blocks.
//!
//! Some rounds are made at once, a *unit*: the blocks of one row that
//! belong to them lie side by side, and so do their sums, one row of
//! sums for each root. Codewords are interleaved only at the end.

use crate::FecArea;
use crate::number::to_len;

use super::code;
use super::map::{Job, Map};
use super::platform::FecPlatform;

/// The aim for the part of one row that belongs to a unit, in bytes: it is read with one call.
pub(super) const ROW_SIZE: u64 = 64 * 1024;

/// The aim for the sums of a unit, in bytes. They and the rows that are
/// added at once stay in the level-2 cache.
const SUMS_SIZE: u64 = 384 * 1024;

/// The aim for the rows that are added at once, in bytes.
pub(super) const ROWS_SIZE: u64 = 512 * 1024;

/// Makes the parity of one FEC area.
///
/// Public for benchmarks and tests of memory alone, by `verity::internals`.
#[derive(Debug)]
pub struct Encoder {
    area: FecArea,
    map: Map,
    platform: FecPlatform,
}

impl Encoder {
    /// By the kernels of that platform.
    pub fn new(area: FecArea, platform: FecPlatform) -> Encoder {
        let roots = to_len(area.roots().into());
        let coefficients = code::coefficients(roots);
        let map = Map::new(roots, coefficients.iter().map(Vec::as_slice));
        Encoder { area, map, platform }
    }

    /// What is covered, and where the parity lies.
    pub fn area(&self) -> &FecArea {
        &self.area
    }

    /// How many rounds a unit has.
    pub fn unit_rounds(&self) -> u64 {
        let block_size = u64::from(self.area.block_size());
        let by_sums = SUMS_SIZE / (u64::from(self.area.roots()) * block_size);
        (ROW_SIZE / block_size).min(by_sums).clamp(1, self.area.rounds())
    }

    /// How many rows are best added at once, where a row has that many blocks in the unit.
    pub fn rows_at_once(&self, rounds: u64) -> u64 {
        (ROWS_SIZE / (rounds * u64::from(self.area.block_size()))).clamp(1, self.area.rows())
    }

    /// The bytes of one row's blocks in a unit of that many rounds.
    pub fn row_len(&self, rounds: u64) -> usize {
        self.area.block_size().buffer_len(to_len(rounds))
    }

    /// The bytes of the sums, and of the parity, of a unit of that many rounds.
    pub fn sums_len(&self, rounds: u64) -> usize {
        self.map.outputs() * self.row_len(rounds)
    }

    /// Adds rows, from number `first` on, to the sums of a unit.
    ///
    /// # Panics
    /// If a round has no such rows, or the sums are not `roots` times as long as a row.
    pub fn add_rows(&self, first: u64, rows: &[u8], sums: &mut [u8]) {
        let constants = self.map.inputs_from(to_len(first));
        self.platform.accumulate(Job { constants, rows, sums, outputs: self.map.outputs() });
    }

    /// Puts the sums of a unit into the order of parity: the roots of each codeword together.
    pub fn interleave(&self, sums: &[u8], parity: &mut [u8]) {
        let roots = self.map.outputs();
        let len = sums.len() / roots;
        // Some codewords at a time, so that what is written stays near.
        const SOME: usize = 512;
        for (index, parity) in parity.chunks_mut(SOME * roots).enumerate() {
            for (root, sums) in sums.chunks_exact(len).enumerate() {
                let sums = &sums[index * SOME..];
                for (codeword, &sum) in parity.chunks_exact_mut(roots).zip(sums) {
                    codeword[root] = sum;
                }
            }
        }
    }
}
