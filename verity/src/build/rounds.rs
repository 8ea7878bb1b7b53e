//! Building with parity: one pass over the data for tree and parity, in
//! the order of parity's rounds.
//!
//! A thread takes some rounds at a time and goes through their rows: reads what belongs to them,
//! hashes it for the tree and adds it to the sums of these rounds. So neither tree nor sums are
//! ever held as a whole. What the tree itself adds to the parity is known only when it is finished;
//! as the code is linear, it is added afterwards: the sums wait in the parity's place meanwhile.

use std::io::{self, ErrorKind};
use std::ops::Range;

use crate::fec::Encoder;
use crate::io::{ReadAt, ReadBuffer, Source, WriteAt};
use crate::number::to_len;
use crate::work::{self, Crew, RunBuffer, RunReader, Units};
use crate::{Error, HashArea, Progress};

use super::assembler::Assembler;

/// A data source on its way to tree and parity.
pub(super) struct Rounds<'a, S: ?Sized, H: ?Sized, F: ?Sized> {
    pub(super) reader: RunReader<'a, S>,
    pub(super) assembler: &'a Assembler<'a>,
    pub(super) encoder: &'a Encoder,
    pub(super) hash: &'a H,
    pub(super) hash_area: &'a HashArea,
    pub(super) fec: &'a F,
    pub(super) progress: &'a dyn Progress,
}

/// What a thread reuses from unit to unit.
#[derive(Default)]
struct Buffer {
    run: RunBuffer,
    rows: ReadBuffer,
    digests: Vec<u8>,
    sums: Vec<u8>,
    parity: Vec<u8>,
}

impl<S, H, F> Rounds<'_, S, H, F>
where
    S: Source + ?Sized,
    H: ReadAt + ?Sized,
    F: ReadAt + WriteAt + ?Sized,
{
    /// Reads every data block once: its digest goes to the assembler, its multiples to the sums.
    pub(super) fn data(&self, crew: Crew) -> Result<(), Error> {
        work::advance(self.progress, 0)?;
        Units::new(self.encoder).for_each(crew, Buffer::default, |buffer, rounds| {
            buffer.sums.clear();
            buffer.sums.resize(self.encoder.sums_len(len(&rounds)), 0);
            self.data_rows(buffer, &rounds)?;
            self.write(&rounds, &buffer.sums)
        })
    }

    /// Adds the tree, and what is covered behind it, and puts the parity into its order.
    pub(super) fn tree(&self, crew: Crew) -> Result<(), Error> {
        Units::new(self.encoder).for_each(crew, Buffer::default, |buffer, rounds| {
            buffer.sums.resize(self.encoder.sums_len(len(&rounds)), 0);
            self.read(&rounds, &mut buffer.sums)?;
            self.tree_rows(buffer, &rounds)?;
            buffer.parity.resize(buffer.sums.len(), 0);
            self.encoder.interleave(&buffer.sums, &mut buffer.parity);
            self.write(&rounds, &buffer.parity)
        })
    }

    fn data_rows(&self, buffer: &mut Buffer, rounds: &Range<u64>) -> Result<(), Error> {
        let data_blocks = self.reader.params().data_blocks();
        let stride = self.encoder.area().rounds();
        // Row j has the blocks j·stride + rounds: the last that has data is that of the last data
        // block or before.
        let rows = (data_blocks - rounds.start.min(data_blocks)).div_ceil(stride);
        let at_once = self.encoder.rows_at_once(len(rounds));
        let row_len = self.encoder.row_len(len(rounds));
        let mut first = 0;
        while first < rows {
            let some = at_once.min(rows - first);
            let mut rows = std::mem::take(&mut buffer.rows);
            rows.sized(to_len(some) * row_len);
            for (row, bytes) in (first..).zip(rows.chunks_exact_mut(row_len)) {
                let start = row * stride + rounds.start;
                let end = (row * stride + rounds.end).min(data_blocks);
                self.data_row(buffer, start..end, bytes)?;
            }
            self.encoder.add_rows(first, &rows, &mut buffer.sums);
            buffer.rows = rows;
            first += some;
        }
        Ok(())
    }

    /// Reads and hashes the data blocks of one row, and puts zeros
    /// behind them where the row goes on.
    fn data_row(
        &self,
        buffer: &mut Buffer,
        mut blocks: Range<u64>,
        mut bytes: &mut [u8],
    ) -> Result<(), Error> {
        let params = self.reader.params();
        let first = blocks.start;
        buffer.digests.clear();
        while !blocks.is_empty() {
            let run = self.reader.next_run(&mut buffer.run, &blocks);
            let count = to_len(run.len());
            let (now, later) = bytes.split_at_mut(params.data_block_size().buffer_len(count));
            let done = buffer.digests.len();
            buffer.digests.resize(done + count * self.reader.hasher().digest_size(), 0);
            self.reader.hash_into(&run, now, &mut buffer.digests[done..])?;
            work::advance(self.progress, run.len() * u64::from(params.data_block_size()))?;
            (bytes, blocks.start) = (later, run.blocks.end);
        }
        bytes.fill(0);
        self.assembler.push(first, &buffer.digests)
    }

    fn tree_rows(&self, buffer: &mut Buffer, rounds: &Range<u64>) -> Result<(), Error> {
        let area = self.encoder.area();
        let (data_blocks, stride) = (self.reader.params().data_blocks(), area.rounds());
        let row_len = self.encoder.row_len(len(rounds));
        for row in data_blocks / stride..area.blocks().div_ceil(stride) {
            let start = (row * stride + rounds.start).max(data_blocks);
            let end = (row * stride + rounds.end).min(area.blocks());
            if start >= end {
                continue;
            }
            buffer.rows.sized(row_len).fill(0);
            let skipped = self.encoder.row_len(start - (row * stride + rounds.start));
            let bytes = &mut buffer.rows[skipped..][..self.encoder.row_len(end - start)];
            let offset = self.hash_area.covered_offset(start - data_blocks);
            let offset = offset.ok_or_else(|| io::Error::from(ErrorKind::UnexpectedEof))?;
            self.hash.read_exact_at(bytes, offset)?;
            self.encoder.add_rows(row, &buffer.rows, &mut buffer.sums);
        }
        Ok(())
    }

    fn read(&self, rounds: &Range<u64>, bytes: &mut [u8]) -> Result<(), Error> {
        let range = self.encoder.area().range_of(rounds);
        self.fec
            .read_exact_at(bytes, range.start)
            .map_err(|source| Error::ReadParity { round: rounds.start, source })
    }

    fn write(&self, rounds: &Range<u64>, bytes: &[u8]) -> Result<(), Error> {
        let range = self.encoder.area().range_of(rounds);
        self.fec
            .write_all_at(bytes, range.start)
            .map_err(|source| Error::WriteParity { round: rounds.start, source })
    }
}

fn len(range: &Range<u64>) -> u64 {
    range.end - range.start
}
