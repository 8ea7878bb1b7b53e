//! The data blocks of a wave: each compared to its slot in a verified hash block.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use crate::io::ReadAt;
use crate::layout::Layer;
use crate::lock::unpoisoned;
use crate::number::to_len;
use crate::tree::judge;
use crate::work::{Pieces, Run, RunBuffer};
use crate::{BlockRef, CorruptRange, Error};

use super::report::{Collector, append, note};
use super::waves::Waves;
use super::window::Window;

/// What ended a piece of work on data.
enum EarlyEnd {
    Corrupt(Box<CorruptRange>),
    Error(Error),
}

impl From<Error> for EarlyEnd {
    fn from(error: Error) -> EarlyEnd {
        EarlyEnd::Error(error)
    }
}

/// What the tree says of a data block.
enum Expectation<'w> {
    /// Nothing: the hash block above it is corrupt, so that the block cannot be checked.
    Unknown,
    /// It counts as zeros, and is not checked.
    Zero,
    /// The digest that it must have.
    Digest(&'w [u8]),
}

/// What a thread reuses from run to run.
#[derive(Default)]
struct Buffer {
    run: RunBuffer,
    digests: Vec<u8>,
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
        // Pieces end in any order; their findings go to the collector in ascending order.
        let pending = Mutex::new((data.start, BTreeMap::new()));
        Pieces::new(self.params(), data).for_each(self.crew, Buffer::default, |buffer, blocks| {
            let mut corrupt = Vec::new();
            self.verify_runs(buffer, blocks.clone(), parent, |ranges| {
                ranges.into_iter().for_each(|range| append(&mut corrupt, range));
                Ok::<(), Error>(())
            })?;
            let mut pending = unpoisoned(pending.lock());
            let (next, waiting) = &mut *pending;
            waiting.insert(blocks.start, (blocks.end, corrupt));
            while let Some((end, corrupt)) = waiting.remove(next) {
                let mut collector = unpoisoned(collector.lock());
                corrupt.into_iter().for_each(|range| collector.add(range));
                *next = end;
            }
            Ok(())
        })
    }

    /// Checks the data of a wave up to its first corrupt block.
    pub(super) fn verify_data_to_first(
        &self,
        wave: &Range<u64>,
        parent: Option<&Window>,
    ) -> Result<Option<CorruptRange>, Error> {
        let pieces = Pieces::new(self.params(), self.data_of(wave));
        let done = pieces.for_each(self.crew, Buffer::default, |buffer, blocks| {
            self.verify_runs(buffer, blocks, parent, |ranges| match ranges.first() {
                Some(&first) => Err(EarlyEnd::Corrupt(Box::new(first))),
                None => Ok(()),
            })
        });
        match done {
            Ok(()) => Ok(None),
            Err(EarlyEnd::Corrupt(first)) => Ok(Some(*first)),
            Err(EarlyEnd::Error(error)) => Err(error),
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

    /// Checks data blocks run by run; the corrupt ones of each run go to `found`, as ranges in
    /// order.
    fn verify_runs<E: From<Error>>(
        &self,
        buffer: &mut Buffer,
        mut blocks: Range<u64>,
        parent: Option<&Window>,
        mut found: impl FnMut(Vec<CorruptRange>) -> Result<(), E>,
    ) -> Result<(), E> {
        while !blocks.is_empty() {
            let run = self.data.next_run(&mut buffer.run, &blocks);
            blocks.start = run.blocks.end;
            found(self.verify_run(buffer, &run, parent)?)?;
        }
        Ok(())
    }

    /// Checks a run; it is read only if there is a block to compare.
    fn verify_run(
        &self,
        buffer: &mut Buffer,
        run: &Run,
        parent: Option<&Window>,
    ) -> Result<Vec<CorruptRange>, Error> {
        let corrupt = match self.is_any_to_compare(run, parent) {
            true => self.compare(buffer, run, parent)?,
            false => Vec::new(),
        };
        self.advance(run.len() * u64::from(self.params().data_block_size()))?;
        Ok(corrupt)
    }

    /// Counts the blocks of a run that are not to be compared, and says whether there are others.
    fn is_any_to_compare(&self, run: &Run, parent: Option<&Window>) -> bool {
        let (mut unchecked, mut zero) = (0, 0);
        for block in run.blocks.clone() {
            match self.expectation(parent, block) {
                Expectation::Unknown => unchecked += 1,
                Expectation::Zero => zero += 1,
                Expectation::Digest(_) => {}
            }
        }
        self.counts.unchecked_data_blocks.fetch_add(unchecked, Ordering::Relaxed);
        self.counts.zero_blocks.fetch_add(zero, Ordering::Relaxed);
        unchecked + zero < run.len()
    }

    /// Reads and hashes a run; returns the corrupt blocks as ranges in order.
    fn compare(
        &self,
        buffer: &mut Buffer,
        run: &Run,
        parent: Option<&Window>,
    ) -> Result<Vec<CorruptRange>, Error> {
        let digest_size = self.hasher().digest_size();
        buffer.digests.resize(to_len(run.len()) * digest_size, 0);
        self.data.hash(&mut buffer.run, run, &mut buffer.digests)?;
        let (mut compared, mut corrupt) = (0, Vec::new());
        for (block, actual) in run.blocks.clone().zip(buffer.digests.chunks_exact(digest_size)) {
            let Expectation::Digest(expected) = self.expectation(parent, block) else { continue };
            compared += 1;
            let name = BlockRef::Data { block };
            if let Some(corruption) = judge(self.geometry(), name, expected, actual, &[]) {
                note(&mut corrupt, name, corruption);
            }
        }
        self.counts.data_blocks.fetch_add(compared, Ordering::Relaxed);
        Ok(corrupt)
    }

    fn expectation<'w>(&'w self, parent: Option<&'w Window>, block: u64) -> Expectation<'w> {
        match self.expected(parent, Layer::Data, block) {
            None => Expectation::Unknown,
            Some(digest) if self.verifier.ignore_zero_blocks => {
                if digest == self.data.zero().as_bytes() {
                    Expectation::Zero
                } else {
                    Expectation::Digest(digest)
                }
            }
            Some(digest) => Expectation::Digest(digest),
        }
    }
}
