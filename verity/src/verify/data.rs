//! The data blocks of a wave: each compared to its slot in a verified hash block.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use crate::io::{RUN_SIZE, ReadAt};
use crate::run::RunBuffer;
use crate::{BlockRef, Error, parallel};

use super::CorruptRange;
use super::report::{Collector, append};
use super::waves::{Waves, mismatch};
use super::window::Window;

/// What ended a piece of work on data.
enum Stop {
    Corrupt(Box<CorruptRange>),
    Error(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Error(error)
    }
}

impl<D, H> Waves<'_, D, H>
where
    D: ReadAt + ?Sized,
    H: ReadAt + ?Sized,
{
    /// Checks the data of a wave and gives every finding to the collector, in order.
    pub(super) fn verify_data_all(
        &self,
        wave: &Range<u64>,
        parent: Option<&Window>,
        collector: &Mutex<Collector>,
    ) -> Result<(), Error> {
        let data = self.data_of(wave);
        let per_run = self.params().data_block_size().blocks_in(RUN_SIZE);
        // Runs end in any order; their findings go to the collector in ascending order.
        let pending = Mutex::new((0, BTreeMap::new()));
        parallel::in_order(
            (data.end - data.start).div_ceil(per_run),
            RunBuffer::default,
            |buffer, run| {
                let corrupt = self.verify_run(&data, run, per_run, parent, buffer)?;
                let mut pending = pending.lock().unwrap_or_else(PoisonError::into_inner);
                let (next, waiting) = &mut *pending;
                waiting.insert(run, corrupt);
                while let Some(corrupt) = waiting.remove(next) {
                    let mut collector = collector.lock().unwrap_or_else(PoisonError::into_inner);
                    corrupt.into_iter().for_each(|range| collector.add(range));
                    *next += 1;
                }
                Ok(())
            },
        )
    }

    /// Checks the data of a wave up to its first corrupt block.
    pub(super) fn verify_data_to_first(
        &self,
        wave: &Range<u64>,
        parent: Option<&Window>,
    ) -> Result<Option<CorruptRange>, Error> {
        let data = self.data_of(wave);
        let per_run = self.params().data_block_size().blocks_in(RUN_SIZE);
        let runs = (data.end - data.start).div_ceil(per_run);
        let done = parallel::in_order(runs, RunBuffer::default, |buffer, run| {
            match self.verify_run(&data, run, per_run, parent, buffer)?.first() {
                Some(&first) => Err(Stop::Corrupt(Box::new(first))),
                None => Ok(()),
            }
        });
        match done {
            Ok(()) => Ok(None),
            Err(Stop::Corrupt(first)) => Ok(Some(*first)),
            Err(Stop::Error(error)) => Err(error),
        }
    }

    /// The data blocks under these level-0 hash blocks; the only one, if there is no level.
    fn data_of(&self, wave: &Range<u64>) -> Range<u64> {
        let data_blocks = self.params().data_blocks();
        if self.geometry().levels().is_empty() {
            return 0..data_blocks;
        }
        let per_block = self.geometry().hashes_per_block();
        wave.start * per_block..wave.end.saturating_mul(per_block).min(data_blocks)
    }

    /// Reads and checks one run of a wave's data blocks; returns the corrupt ones as ranges in order.
    fn verify_run(
        &self,
        data: &Range<u64>,
        run: u64,
        per_run: u64,
        parent: Option<&Window>,
        buffer: &mut RunBuffer,
    ) -> Result<Vec<CorruptRange>, Error> {
        let first = data.start + run * per_run;
        let blocks = per_run.min(data.end - first);
        let block_size = self.params().data_block_size();
        let (mut compared, mut unchecked, mut zero_blocks) = (0, 0, 0);
        let wanted: Vec<Option<&[u8]>> = (first..first + blocks)
            .map(|block| {
                let expected = self.expected(parent, 0, block);
                let zero = self.zero.as_ref().is_some_and(|zero| expected == Some(zero.as_bytes()));
                unchecked += u64::from(expected.is_none());
                zero_blocks += u64::from(zero);
                expected.filter(|_| !zero)
            })
            .collect();
        self.counts.unchecked_data_blocks.fetch_add(unchecked, Ordering::Relaxed);
        self.counts.zero_blocks.fetch_add(zero_blocks, Ordering::Relaxed);
        let mut corrupt = Vec::new();
        if wanted.iter().any(Option::is_some) {
            let run = buffer.fill(self.data, self.params(), &self.hasher, first, blocks)?;
            let digests = run.digests.chunks_exact(self.hasher.digest_size());
            for (block, (expected, actual)) in (first..).zip(wanted.into_iter().zip(digests)) {
                let Some(expected) = expected else { continue };
                compared += 1;
                if expected != actual {
                    let first = BlockRef::Data { block };
                    let corruption = mismatch(expected, actual);
                    append(&mut corrupt, CorruptRange { first, blocks: 1, corruption }, usize::MAX);
                }
            }
        }
        self.counts.data_blocks.fetch_add(compared, Ordering::Relaxed);
        self.advance(blocks * u64::from(block_size))?;
        Ok(corrupt)
    }
}
