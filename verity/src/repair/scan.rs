//! The search for corrupt blocks, in layers that are looked at from the root down.
//!
//! Unlike a verification, it goes on where a block cannot be read: such a block is to be recovered
//! too. Where a server does not answer the search ends: it would not answer for other blocks
//! either.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::io::{ReadAt, ReadBuffer, is_about_source, read_each};
use crate::layout::Layer;
use crate::number::to_len;
use crate::tree::{Expected, Lookup, judge};
use crate::work::{self, Crew, RUN_SIZE, Run, RunBuffer, RunReader};
use crate::{BlockRef, Corruption, Error, Progress};

use super::RepairSink;
use super::blocks::RangeSet;
use super::state::State;

/// The most runs that a thread takes at a time.
const MOST_RUNS: u64 = 64;

/// A search under way.
pub(super) struct Scan<'a, D: ?Sized, H: ?Sized, S: ?Sized> {
    pub(super) state: &'a State<'a, H, S>,
    pub(super) reader: RunReader<'a, D>,
    pub(super) crew: Crew,
    pub(super) progress: &'a dyn Progress,
    /// How many blocks were looked at, or found to be under a corrupt hash block: each counts once.
    pub(super) seen: AtomicU64,
}

/// What a thread reuses from run to run.
#[derive(Default)]
struct Buffer {
    expected: Expected,
    run: RunBuffer,
    /// Hash blocks.
    bytes: ReadBuffer,
    actual: Vec<u8>,
    /// Which blocks could be read.
    readable: Vec<bool>,
}

impl<D, H, S> Scan<'_, D, H, S>
where
    D: ReadAt + ?Sized,
    H: ReadAt + ?Sized,
    S: RepairSink + ?Sized,
{
    /// Looks at all blocks of a layer, but for long rows of them under hash blocks that are not
    /// verified: parameters may claim any number of those.
    pub(super) fn all(&self, layer: Layer) -> Result<(), Error> {
        let numbers = self.state.numbers.of(layer);
        let all = 0..numbers.end - numbers.start;
        let per_run = self.reader.params().data_block_size().blocks_in(RUN_SIZE);
        let mut skipped = RangeSet::default();
        for range in self.state.hopeless(layer).ranges_in(all.clone()) {
            if range.end - range.start > MOST_RUNS * per_run {
                skipped.insert(range);
            }
        }
        for range in skipped.ranges_in(all.clone()) {
            self.seen.fetch_add(range.end - range.start, Ordering::Relaxed);
            let range = numbers.start + range.start..numbers.start + range.end;
            self.state.write().unchecked.insert(range);
        }
        skipped.gaps_in(all).into_iter().try_for_each(|blocks| self.look_at(layer, blocks, true))
    }

    /// Looks again at those blocks of a layer that were under a hash block that was not verified
    /// then, and is now.
    pub(super) fn unchecked(&self, layer: Layer) -> Result<(), Error> {
        let numbers = self.state.numbers.of(layer);
        let hopeless = self.state.hopeless(layer);
        let ranges: Vec<_> = self.state.read().unchecked.ranges_in(numbers.clone()).collect();
        for range in ranges {
            let blocks = range.start - numbers.start..range.end - numbers.start;
            for blocks in hopeless.gaps_in(blocks) {
                let range = numbers.start + blocks.start..numbers.start + blocks.end;
                self.state.write().unchecked.remove(range);
                self.look_at(layer, blocks, false)?;
            }
        }
        Ok(())
    }

    fn look_at(&self, layer: Layer, blocks: Range<u64>, is_first: bool) -> Result<(), Error> {
        let block_size = self.reader.params().data_block_size();
        let per_run = block_size.blocks_in(RUN_SIZE);
        let first = blocks.start / per_run;
        let runs = blocks.end.div_ceil(per_run) - first;
        self.crew.in_order(runs, MOST_RUNS, Buffer::default, |buffer, runs| {
            for run in runs {
                let start = ((first + run) * per_run).max(blocks.start);
                let end = ((first + run + 1) * per_run).min(blocks.end);
                self.run(buffer, layer, start..end)?;
                if is_first {
                    self.seen.fetch_add(end - start, Ordering::Relaxed);
                }
                let bytes = (end - start) * u64::from(block_size);
                work::advance(self.progress, if is_first { bytes } else { 0 })?;
            }
            Ok(())
        })
    }

    /// Looks at blocks that are read with one call: asks the tree, reads, checks.
    fn run(&self, buffer: &mut Buffer, layer: Layer, blocks: Range<u64>) -> Result<(), Error> {
        let culprit = |error: &Error| self.state.mark_culprit(error);
        buffer.expected.ask(self.state.tree, layer, blocks.clone(), culprit)?;
        if buffer.expected.is_any_known() {
            let count = to_len(blocks.end - blocks.start);
            buffer.readable.clear();
            buffer.readable.resize(count, true);
            buffer.actual.resize(count * self.reader.hasher().digest_size(), 0);
            match layer {
                Layer::Data => self.hash_data(buffer, blocks.clone())?,
                Layer::Level(level) => self.hash_level(buffer, level, blocks.clone())?,
            }
        }
        self.check(buffer, layer, blocks);
        Ok(())
    }

    fn hash_data(&self, buffer: &mut Buffer, blocks: Range<u64>) -> Result<(), Error> {
        let Buffer { run: run_buffer, actual, readable, .. } = buffer;
        let digest_size = self.reader.hasher().digest_size();
        let mut rest = blocks.clone();
        while !rest.is_empty() {
            let Run { blocks: now, hole } = self.reader.next_run(run_buffer, &rest);
            let place = |block| to_len(block - blocks.start);
            let digests = &mut actual[place(now.start) * digest_size..place(now.end) * digest_size];
            let hash = |blocks, digests: &mut [u8]| {
                self.reader.hash(run_buffer, &Run { blocks, hole }, digests).map(drop)
            };
            rest.start = now.end;
            read_each(now, digests, digest_size, hash, |block, _, _| {
                readable[place(block)] = false;
            })
            .map_err(|(_, error)| error)?;
        }
        Ok(())
    }

    fn hash_level(&self, buffer: &mut Buffer, level: u8, blocks: Range<u64>) -> Result<(), Error> {
        let Buffer { bytes, actual, readable, .. } = buffer;
        let block_len = self.reader.params().hash_block_size().buffer_len(1);
        bytes.sized(readable.len() * block_len);
        let read =
            |blocks: Range<u64>, bytes: &mut [u8]| self.state.tree.read(level, blocks.start, bytes);
        let first = blocks.start;
        let read = read_each(blocks, bytes, block_len, read, |block, _, _| {
            readable[to_len(block - first)] = false;
        });
        read.map_err(|(block, source)| Error::Read {
            block: BlockRef::Hash { level, block },
            source,
        })?;
        self.reader.hasher().hash_many(bytes, block_len, actual);
        Ok(())
    }

    /// Sorts the blocks of a run into the sets.
    fn check(&self, buffer: &Buffer, layer: Layer, blocks: Range<u64>) {
        let start = self.state.numbers.of(layer).start;
        let (mut corrupt, mut unreadable, mut unchecked) = (Vec::new(), Vec::new(), Vec::new());
        let expected = buffer.expected.digests(self.reader.hasher().digest_size());
        for ((index, block), expected) in blocks.enumerate().zip(expected) {
            match expected {
                None => unchecked.push(start + block),
                Some(expected) if self.is_right(buffer, index, layer.block(block), expected) => {}
                Some(_) => {
                    corrupt.push(start + block);
                    unreadable.extend((!buffer.readable[index]).then_some(start + block));
                }
            }
        }
        if !corrupt.is_empty() || !unchecked.is_empty() {
            let mut sets = self.state.write();
            corrupt.into_iter().for_each(|block| sets.corrupt.insert(block..block + 1));
            unreadable.into_iter().for_each(|block| sets.unreadable.insert(block..block + 1));
            unchecked.into_iter().for_each(|block| sets.unchecked.insert(block..block + 1));
        }
    }

    /// Judges one block of a run; the tree keeps hash blocks that are right.
    fn is_right(&self, buffer: &Buffer, index: usize, block: BlockRef, expected: &[u8]) -> bool {
        if !buffer.readable[index] {
            return false;
        }
        let params = self.reader.params();
        let actual = &buffer.actual[index * expected.len()..][..expected.len()];
        let block_len = params.hash_block_size().buffer_len(1);
        let bytes = match block {
            BlockRef::Data { .. } => &[],
            BlockRef::Hash { .. } => &buffer.bytes[index * block_len..][..block_len],
        };
        let is_right = judge(params.geometry(), block, expected, actual, bytes).is_none();
        if let BlockRef::Hash { level, block } = block
            && is_right
        {
            self.state.tree.keep(level, block, bytes);
        }
        is_right
    }

    /// Reads a corrupt block once more. Returns what is wrong with it, or `None` if it is right
    /// this time; then it is kept.
    pub(super) fn again(
        &self,
        lookup: &mut Lookup,
        block: BlockRef,
    ) -> Result<Option<Corruption>, Error> {
        let mut bytes = vec![0; self.reader.params().data_block_size().buffer_len(1)];
        let expected = Error::unless_of_block(self.state.tree.expected(lookup, block))?;
        let corruption = match (self.read_one(block, &mut bytes), expected) {
            (Err(source), _) if is_about_source(&source) => {
                return Err(Error::Read { block, source });
            }
            (Err(error), _) => Some(Corruption::unreadable(&error)),
            // The hash block above it could be verified when it was found corrupt.
            (Ok(()), None) => Some(Corruption::unreadable(&io::ErrorKind::Other.into())),
            (Ok(()), Some(expected)) => self.state.tree.check(block, expected.as_bytes(), &bytes),
        };
        if let Some(number) = self.state.numbers.number(block) {
            let is_readable = !matches!(corruption, Some(Corruption::Unreadable { .. }));
            self.state.set_readable(number, is_readable);
        }
        if corruption.is_none() {
            self.state.keep(block, &bytes)?;
        }
        Ok(corruption)
    }

    fn read_one(&self, block: BlockRef, bytes: &mut [u8]) -> io::Result<()> {
        match block {
            BlockRef::Data { block } => {
                let offset = block * u64::from(self.reader.params().data_block_size());
                self.reader.source().read_exact_at(bytes, offset)
            }
            BlockRef::Hash { level, block } => self.state.tree.read(level, block, bytes),
        }
    }
}
