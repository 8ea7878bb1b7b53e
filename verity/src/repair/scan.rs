//! The search for corrupt blocks, in areas that are looked at from the root down.
//!
//! Unlike a verification, it goes on where a block cannot be read: such a block is to be recovered too.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::io::ReadAt;
use crate::work::{self, Crew, RUN_SIZE, Reader, Run, RunBuffer};
use crate::{BlockRef, Corruption, Error, Progress};

use super::RepairSink;
use super::rounds::Lookup;
use super::state::State;

/// The most runs that a thread takes at a time.
const MOST_RUNS: u64 = 64;

/// A search under way.
pub(super) struct Scan<'a, D: ?Sized, H: ?Sized, S: ?Sized> {
    pub(super) state: &'a State<'a, H, S>,
    pub(super) reader: Reader<'a, D>,
    pub(super) crew: Crew,
    pub(super) progress: &'a dyn Progress,
    /// How many blocks were looked at, or found to be under a corrupt hash block: each counts once.
    pub(super) seen: AtomicU64,
}

/// The data, or a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Area {
    Data,
    Level(usize),
}

/// What a thread reuses from run to run.
#[derive(Default)]
struct Buffer {
    lookup: Lookup,
    run: RunBuffer,
    bytes: Vec<u8>,
    /// The digests that the blocks must have.
    expected: Vec<u8>,
    /// Which of them are known.
    known: Vec<bool>,
    actual: Vec<u8>,
    /// Which blocks could be read.
    read: Vec<bool>,
}

impl<D, H, S> Scan<'_, D, H, S>
where
    D: ReadAt + ?Sized,
    H: ReadAt + ?Sized,
    S: RepairSink + ?Sized,
{
    /// Looks at all blocks of an area.
    pub(super) fn all(&self, area: Area) -> Result<(), Error> {
        let blocks = self.numbers_of(area);
        self.some(area, 0..blocks.end - blocks.start, true)
    }

    /// Looks again at those blocks of an area that were under a hash block that was not verified then.
    pub(super) fn unchecked(&self, area: Area) -> Result<(), Error> {
        let numbers = self.numbers_of(area);
        let ranges: Vec<_> = self.state.read().unchecked.ranges_in(numbers.clone()).collect();
        for range in ranges {
            self.state.write().unchecked.remove(range.clone());
            self.some(area, range.start - numbers.start..range.end - numbers.start, false)?;
        }
        Ok(())
    }

    fn numbers_of(&self, area: Area) -> Range<u64> {
        match area {
            Area::Data => self.state.numbers.data(),
            Area::Level(level) => self.state.numbers.level(level),
        }
    }

    fn some(&self, area: Area, blocks: Range<u64>, is_first: bool) -> Result<(), Error> {
        let per_run = self.reader.params().data_block_size().blocks_in(RUN_SIZE);
        let first = blocks.start / per_run;
        let runs = blocks.end.div_ceil(per_run) - first;
        self.crew.in_order(runs, MOST_RUNS, Buffer::default, |buffer, runs| {
            for run in runs {
                let start = ((first + run) * per_run).max(blocks.start);
                let end = ((first + run + 1) * per_run).min(blocks.end);
                self.run(buffer, area, start..end)?;
                if is_first {
                    self.seen.fetch_add(end - start, Ordering::Relaxed);
                }
                let bytes = (end - start) * u64::from(self.reader.params().data_block_size());
                work::advance(self.progress, if is_first { bytes } else { 0 })?;
            }
            Ok(())
        })
    }

    /// Looks at blocks that are read with one call.
    fn run(&self, buffer: &mut Buffer, area: Area, blocks: Range<u64>) -> Result<(), Error> {
        self.demand(buffer, area, blocks.clone());
        if buffer.known.contains(&true) {
            let count = usize::try_from(blocks.end - blocks.start).unwrap_or(usize::MAX);
            buffer.read.clear();
            buffer.read.resize(count, true);
            buffer.actual.resize(count * self.reader.hasher().digest_size(), 0);
            match area {
                Area::Data => self.hash_data(buffer, blocks.clone()),
                Area::Level(level) => self.hash_level(buffer, level, blocks.clone()),
            }
        }
        self.compare(buffer, area, blocks);
        Ok(())
    }

    /// Asks the tree for the digests that blocks must have, as far as it can tell.
    fn demand(&self, buffer: &mut Buffer, area: Area, mut blocks: Range<u64>) {
        let tree = self.state.tree;
        let level = match area {
            Area::Data => 0,
            Area::Level(level) => level + 1,
        };
        let per_block = self.reader.params().geometry().hashes_per_block();
        let digest_size = self.reader.hasher().digest_size();
        buffer.expected.clear();
        buffer.known.clear();
        while !blocks.is_empty() {
            let Lookup { hash_block, digests } = &mut buffer.lookup;
            let asked = tree.digests(level, blocks.clone(), hash_block, digests);
            let count = digests.len() / digest_size;
            buffer.expected.extend_from_slice(digests);
            buffer.known.resize(buffer.known.len() + count, true);
            blocks.start += u64::try_from(count).unwrap_or(u64::MAX);
            if let Err(error) = asked {
                self.state.blame(&error);
                let end = ((blocks.start / per_block + 1) * per_block).min(blocks.end);
                let count = usize::try_from(end - blocks.start).unwrap_or(usize::MAX);
                buffer.expected.resize(buffer.expected.len() + count * digest_size, 0);
                buffer.known.resize(buffer.known.len() + count, false);
                blocks.start = end;
            }
        }
    }

    fn hash_data(&self, buffer: &mut Buffer, blocks: Range<u64>) {
        let digest_size = self.reader.hasher().digest_size();
        let mut rest = blocks.clone();
        while !rest.is_empty() {
            let run = self.reader.next_run(&mut buffer.run, &rest);
            let index = |block| usize::try_from(block - blocks.start).unwrap_or(usize::MAX);
            let places = index(run.blocks.start)..index(run.blocks.end);
            let digests = &mut buffer.actual[places.start * digest_size..places.end * digest_size];
            if self.reader.hash(&mut buffer.run, &run, digests).is_err() {
                let alone = run.blocks.clone().zip(digests.chunks_exact_mut(digest_size));
                for ((block, digest), read) in alone.zip(&mut buffer.read[places]) {
                    let run = Run { blocks: block..block + 1, hole: false };
                    *read = self.reader.hash(&mut buffer.run, &run, digest).is_ok();
                }
            }
            rest.start = run.blocks.end;
        }
    }

    fn hash_level(&self, buffer: &mut Buffer, level: usize, blocks: Range<u64>) {
        let tree = self.state.tree;
        let block_len = self.reader.params().hash_block_size().buffer_len(1);
        buffer.bytes.resize(buffer.read.len() * block_len, 0);
        let offset = tree.offset(level, blocks.start);
        if tree.hash.read_exact_at(&mut buffer.bytes, offset).is_err() {
            let alone = blocks.zip(buffer.bytes.chunks_exact_mut(block_len));
            for ((block, bytes), read) in alone.zip(&mut buffer.read) {
                *read = tree.hash.read_exact_at(bytes, tree.offset(level, block)).is_ok();
            }
        }
        self.reader.hasher().hash_many(&buffer.bytes, block_len, &mut buffer.actual);
    }

    /// Sorts the blocks of a run into the sets; hash blocks that are right go to the tree's cache.
    fn compare(&self, buffer: &Buffer, area: Area, blocks: Range<u64>) {
        let digest_size = self.reader.hasher().digest_size();
        let start = self.numbers_of(area).start;
        let (mut corrupt, mut unchecked) = (Vec::new(), Vec::new());
        for (index, block) in blocks.enumerate() {
            let digest = index * digest_size..(index + 1) * digest_size;
            if !buffer.known[index] {
                unchecked.push(start + block);
            } else if !buffer.read[index]
                || buffer.expected[digest.clone()] != buffer.actual[digest]
                || !self.is_kept(buffer, area, index, block)
            {
                corrupt.push(start + block);
            }
        }
        if !corrupt.is_empty() || !unchecked.is_empty() {
            let mut sets = self.state.write();
            corrupt.into_iter().for_each(|block| sets.corrupt.insert(block..block + 1));
            unchecked.into_iter().for_each(|block| sets.unchecked.insert(block..block + 1));
        }
    }

    /// Keeps a hash block of the right digest, unless bytes that belong to no digest are not zero.
    fn is_kept(&self, buffer: &Buffer, area: Area, index: usize, block: u64) -> bool {
        let Area::Level(level) = area else { return true };
        let block_len = self.reader.params().hash_block_size().buffer_len(1);
        let bytes = &buffer.bytes[index * block_len..][..block_len];
        let name = BlockRef::Hash { level: u8::try_from(level).unwrap_or(u8::MAX), block };
        let is_right = self.state.tree.spare_byte(name, bytes).is_none();
        if is_right {
            self.state.tree.insert(level, block, bytes);
        }
        is_right
    }
}

impl<D, H, S> Scan<'_, D, H, S>
where
    D: ReadAt + ?Sized,
    H: ReadAt + ?Sized,
    S: RepairSink + ?Sized,
{
    /// Reads one block again that was corrupt, and says what is wrong with it; nothing any more, if it was read right
    /// this time: then it was kept.
    pub(super) fn again(
        &self,
        lookup: &mut Lookup,
        block: BlockRef,
    ) -> Result<Option<Corruption>, Error> {
        let params = self.reader.params();
        let mut bytes = vec![0; params.data_block_size().buffer_len(1)];
        let read = self.read_one(block, &mut bytes);
        let expected = lookup.digest(self.state.tree, block);
        match (read, expected) {
            (Err(error), _) => Ok(Some(Corruption::Unreadable { kind: error.kind() })),
            // The hash block above it could be verified when it was found corrupt.
            (Ok(()), None) => Ok(Some(Corruption::Unreadable { kind: io::ErrorKind::Other })),
            (Ok(()), Some(expected)) => {
                let wrong = self.state.tree.corruption(block, expected.as_bytes(), &bytes);
                if wrong.is_none() {
                    self.state.keep(block, &bytes)?;
                }
                Ok(wrong)
            }
        }
    }

    fn read_one(&self, block: BlockRef, bytes: &mut [u8]) -> io::Result<()> {
        match block {
            BlockRef::Data { block } => {
                let offset = block * u64::from(self.reader.params().data_block_size());
                self.reader.source().read_exact_at(bytes, offset)
            }
            BlockRef::Hash { level, block } => {
                let tree = self.state.tree;
                tree.hash.read_exact_at(bytes, tree.offset(usize::from(level), block))
            }
        }
    }
}
