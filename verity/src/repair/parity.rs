//! Stored parity beside that of the blocks it covers.

use std::ops::Range;
use std::sync::Mutex;

use crate::fec::Encoder;
use crate::io::{FailedBlock, ReadAt, ReadBuffer, read_blocks};
use crate::lock::unpoisoned;
use crate::number::to_len;
use crate::work::{self, Crew, Units};
use crate::{Error, Progress};

use super::blocks::{BlockSet, Numbers};
use super::covered::Covered;
use super::report::ParityReport;

/// A check under way.
pub(super) struct Parity<'a, D: ?Sized, H: ?Sized, F: ?Sized> {
    pub(super) covered: Covered<'a, D, H>,
    pub(super) numbers: Numbers<'a>,
    pub(super) encoder: &'a Encoder,
    pub(super) fec: &'a F,
    pub(super) progress: &'a dyn Progress,
}

/// What a thread reuses from unit to unit.
#[derive(Default)]
struct Buffer {
    rows: ReadBuffer,
    sums: Vec<u8>,
    parity: Vec<u8>,
    stored: ReadBuffer,
}

impl<D, H, F> Parity<'_, D, H, F>
where
    D: ReadAt + ?Sized,
    H: ReadAt + ?Sized,
    F: ReadAt + ?Sized,
{
    /// Makes parity anew and compares; lists up to `limit` ranges. Rounds without any block of data
    /// or tree are left out: what lies behind the tree may be of any length.
    pub(super) fn verify(&self, crew: Crew, limit: usize) -> Result<ParityReport, Error> {
        work::advance(self.progress, 0)?;
        let different = Mutex::new(BlockSet::default());
        let rounds = self.encoder.area().rounds().min(self.numbers.tree().end);
        Units::new(self.encoder).up_to(rounds).for_each(
            crew,
            Buffer::default,
            |buffer, rounds| {
                self.encode(buffer, &rounds)?;
                self.read_stored(buffer, &rounds)?;
                let round_len = self.encoder.sums_len(1);
                let pairs = buffer.parity.chunks_exact(round_len);
                for (round, (made, stored)) in
                    rounds.zip(pairs.zip(buffer.stored.chunks(round_len)))
                {
                    if made != stored {
                        unpoisoned(different.lock()).insert(round..round + 1);
                    }
                }
                Ok(())
            },
        )?;
        let different = unpoisoned(different.into_inner());
        let all = 0..rounds;
        let mut ranges = different.ranges_in(all.clone());
        Ok(ParityReport {
            ranges: ranges.by_ref().take(limit).collect(),
            rounds: different.count_in(all),
            truncated: ranges.next().is_some(),
            compared: rounds,
        })
    }

    fn encode(&self, buffer: &mut Buffer, rounds: &Range<u64>) -> Result<(), Error> {
        let count = rounds.end - rounds.start;
        buffer.sums.clear();
        buffer.sums.resize(self.encoder.sums_len(count), 0);
        let row_len = self.encoder.row_len(count);
        let (rows, at_once) = (self.covered.rows(rounds.start), self.encoder.rows_at_once(count));
        let mut first = 0;
        while first < rows {
            let some = at_once.min(rows - first);
            let rows = buffer.rows.sized(to_len(some) * row_len);
            for (row, bytes) in (first..).zip(rows.chunks_exact_mut(row_len)) {
                let start = self.covered.block(rounds.start, row);
                self.read_covered(start..start + count, bytes)?;
            }
            self.encoder.add_rows(first, &buffer.rows, &mut buffer.sums);
            first += some;
        }
        buffer.parity.resize(buffer.sums.len(), 0);
        self.encoder.interleave(&buffer.sums, &mut buffer.parity);
        Ok(())
    }

    fn read_covered(&self, blocks: Range<u64>, bytes: &mut [u8]) -> Result<(), Error> {
        let covered = blocks.end.min(self.encoder.area().blocks()).saturating_sub(blocks.start);
        let mut failure = None;
        self.covered.read_each(blocks, bytes, |block, error| {
            failure.get_or_insert((block, error));
        })?;
        match failure {
            None => {
                work::advance(self.progress, covered * u64::from(self.encoder.area().block_size()))
            }
            Some(failure) => Err(self.covered.error(failure)),
        }
    }

    fn read_stored(&self, buffer: &mut Buffer, rounds: &Range<u64>) -> Result<(), Error> {
        buffer.stored.sized(buffer.parity.len());
        let (round_len, offset) =
            (self.encoder.sums_len(1), self.encoder.area().range_of(rounds).start);
        let read = read_blocks(self.fec, &mut buffer.stored, round_len, offset);
        read.map_err(|FailedBlock { index, error: source }| Error::ReadParity {
            round: rounds.start + index,
            source,
        })
    }
}
