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
use crate::{BlockRef, CorruptRange, Corruption, Error};

use super::report::{Collector, append, note};
use super::waves::{Unreadable, Wave, Waves};
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

/// What was found in data blocks, in order.
#[derive(Default)]
struct Found {
    corrupt: Vec<CorruptRange>,
    /// Those under a corrupt hash block.
    unchecked: Vec<Range<u64>>,
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
        wave: &Wave,
        parent: Option<&Window>,
        collector: &Mutex<Collector>,
    ) -> Result<(), Error> {
        let data = self.data_of(&wave.blocks);
        // Pieces end in any order; their findings go to the collector in ascending order.
        let pending = Mutex::new((data.start, BTreeMap::new()));
        Pieces::new(self.params(), data).for_each(self.crew, Buffer::default, |buffer, blocks| {
            let mut all = Found::default();
            self.verify_runs(buffer, blocks.clone(), parent, |found| {
                found.corrupt.into_iter().for_each(|range| append(&mut all.corrupt, range));
                all.unchecked.extend(found.unchecked);
                Ok::<(), Error>(())
            })?;
            let mut pending = unpoisoned(pending.lock());
            let (next, waiting) = &mut *pending;
            waiting.insert(blocks.start, (blocks.end, all));
            while let Some((end, found)) = waiting.remove(next) {
                let mut collector = unpoisoned(collector.lock());
                found.corrupt.into_iter().for_each(|range| collector.add(range));
                found.unchecked.into_iter().for_each(|range| collector.add_unchecked(range));
                *next = end;
            }
            Ok(())
        })
    }

    /// Checks the data of a wave up to its first corrupt block.
    pub(super) fn verify_data_to_first(
        &self,
        wave: &Wave,
        parent: Option<&Window>,
    ) -> Result<Option<CorruptRange>, Error> {
        let pieces = Pieces::new(self.params(), self.data_of(&wave.blocks));
        let done = pieces.for_each(self.crew, Buffer::default, |buffer, blocks| {
            self.verify_runs(buffer, blocks, parent, |found| match found.corrupt.first() {
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
    pub(super) fn data_of(&self, wave: &Range<u64>) -> Range<u64> {
        let data_blocks = self.params().data_blocks();
        if self.geometry().levels().is_empty() {
            return 0..data_blocks;
        }
        let per_block = self.geometry().hashes_per_block();
        let data = |block: u64| block.saturating_mul(per_block).min(data_blocks);
        data(wave.start)..data(wave.end)
    }

    /// Checks data blocks run by run; what is found in each of them goes to `found`.
    fn verify_runs<E: From<Error>>(
        &self,
        buffer: &mut Buffer,
        mut blocks: Range<u64>,
        parent: Option<&Window>,
        mut found: impl FnMut(Found) -> Result<(), E>,
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
    ) -> Result<Found, Error> {
        let mut found = Found::default();
        if self.is_any_to_compare(run, parent, &mut found.unchecked) {
            found.corrupt = self.compare(buffer, run, parent)?;
        }
        self.advance(run.len() * u64::from(self.params().data_block_size()))?;
        Ok(found)
    }

    /// Sorts out the blocks of a run that are not to be compared, and says whether there are
    /// others.
    fn is_any_to_compare(
        &self,
        run: &Run,
        parent: Option<&Window>,
        unchecked: &mut Vec<Range<u64>>,
    ) -> bool {
        let (mut zero, mut others) = (0, 0);
        for block in run.blocks.clone() {
            match self.expectation(parent, block) {
                Expectation::Unknown => match unchecked.last_mut() {
                    Some(last) if last.end == block => last.end += 1,
                    _ => unchecked.push(block..block + 1),
                },
                Expectation::Zero => zero += 1,
                Expectation::Digest(_) => others += 1,
            }
        }
        self.counts.zero_blocks.fetch_add(zero, Ordering::Relaxed);
        others > 0
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
        let unreadable = self.hash_run(buffer, run)?;
        let (mut compared, mut corrupt) = (0, Vec::new());
        for (block, actual) in run.blocks.clone().zip(buffer.digests.chunks_exact(digest_size)) {
            let Expectation::Digest(expected) = self.expectation(parent, block) else { continue };
            let name = BlockRef::Data { block };
            if let Some(unreadable) = unreadable.get(&block) {
                note(&mut corrupt, name, *unreadable);
                continue;
            }
            compared += 1;
            if let Some(corruption) = judge(self.geometry(), name, expected, actual, &[]) {
                note(&mut corrupt, name, corruption);
            }
        }
        self.counts.data_blocks.fetch_add(compared, Ordering::Relaxed);
        Ok(corrupt)
    }

    /// Reads and hashes a run. Where all findings are wanted, blocks that cannot be read are
    /// returned, and the digests of these are of no meaning.
    fn hash_run(&self, buffer: &mut Buffer, run: &Run) -> Result<Unreadable, Error> {
        let Buffer { run: bytes, digests } = buffer;
        let mut unreadable = Unreadable::new();
        match self.data.hash(bytes, run, digests) {
            Ok(()) => return Ok(unreadable),
            Err(error) => self.note_unreadable(error, &mut unreadable)?,
        }
        let blocks = run.blocks.clone().zip(digests.chunks_exact_mut(self.hasher().digest_size()));
        for (block, digest) in blocks {
            self.advance(0)?;
            let one = Run { blocks: block..block + 1, hole: false };
            // A failure that does not come again is still one.
            if !unreadable.contains_key(&block)
                && let Err(error) = self.data.hash(bytes, &one, digest)
            {
                self.note_unreadable(error, &mut unreadable)?;
            }
        }
        Ok(unreadable)
    }

    fn note_unreadable(&self, error: Error, unreadable: &mut Unreadable) -> Result<(), Error> {
        match error {
            Error::Read { block, source } if self.goes_on_after(&source) => {
                unreadable.insert(block.block(), Corruption::unreadable(&source));
                Ok(())
            }
            error => Err(error),
        }
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
