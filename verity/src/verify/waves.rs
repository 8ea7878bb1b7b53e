//! The walk: wave after wave over the lowest level, each wave from the root down.
//!
//! A wave is a row of level-0 hash blocks that fits a fixed amount of memory. For each wave the hash blocks
//! above it are verified first, level by level from the top; the last block of a level's window is kept for
//! the next wave, so that every hash block is read once. Within a level, and over the data of a wave, work
//! goes on in parallel.
//!
//! When only the first corruption is wanted, a finding ends the search in what comes later in the order: a
//! corrupt data block ends the data, a corrupt block of level n ends level n and everything below. Higher
//! levels are still searched to the end, so that the answer is the same for any number of threads.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::hash::{BlockHasher, digest};
use crate::io::{RUN_SIZE, ReadAt};
use crate::{BlockRef, Corruption, Digest, Error, Geometry, Params, parallel, progress};

use super::report::{Collector, append};
use super::window::Window;
use super::{CorruptRange, Report, Search, Verified, Verifier};

/// The aim for the level-0 hash blocks of a wave, in bytes.
const WAVE_SIZE: u64 = 4 * 1024 * 1024;

/// One verification under way.
pub(super) struct Waves<'a, D: ?Sized, H: ?Sized> {
    verifier: &'a Verifier<'a>,
    data: &'a D,
    hash: &'a H,
    search: Search,
    hasher: BlockHasher,
    root: Digest,
    /// The digest of a data block of zeros, if those are not to be checked.
    zero: Option<Digest>,
    unchecked_data_blocks: AtomicU64,
    zero_blocks: AtomicU64,
}

/// What remains to be searched: the lowest level, or the data too.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Floor {
    Data,
    Level(usize),
}

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

impl<'a, D, H> Waves<'a, D, H>
where
    D: ReadAt + ?Sized,
    H: ReadAt + ?Sized,
{
    pub(super) fn new(
        verifier: &'a Verifier<'a>,
        data: &'a D,
        hash: &'a H,
        search: Search,
    ) -> Waves<'a, D, H> {
        let params = verifier.trusted.params();
        let hasher = BlockHasher::new(params);
        let zero_block = || vec![0; params.data_block_size().buffer_len(1)];
        let zero = verifier.ignore_zero_blocks.then(|| hasher.hash_one(&zero_block()));
        Waves {
            verifier,
            data,
            hash,
            search,
            hasher,
            root: verifier.trusted.root_hash().digest(),
            zero,
            unchecked_data_blocks: AtomicU64::new(0),
            zero_blocks: AtomicU64::new(0),
        }
    }

    pub(super) fn run(self) -> Result<Verified, Error> {
        self.advance(0)?;
        let collector = match self.search {
            Search::First => return self.run_to_first(),
            Search::All => self.run_all()?,
        };
        match collector.finish(self.unchecked_data_blocks.load(Ordering::Relaxed)) {
            Some(report) => Err(Error::Corrupt(report)),
            None => Ok(self.verified()),
        }
    }

    fn run_all(&self) -> Result<Collector, Error> {
        let collector = Mutex::new(Collector::new(self.verifier.limit));
        let add = |range| collector.lock().unwrap_or_else(PoisonError::into_inner).add(range);
        let mut windows = self.windows();
        for wave in self.waves() {
            for level in (0..windows.len()).rev() {
                self.verify_level(level, &wave, &mut windows)?.into_iter().for_each(add);
            }
            self.verify_data_all(&wave, windows.first(), &collector)?;
        }
        Ok(collector.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn run_to_first(&self) -> Result<Verified, Error> {
        let mut windows = self.windows();
        let mut found: Option<CorruptRange> = None;
        let mut floor = Floor::Data;
        for wave in self.waves() {
            for level in (0..windows.len()).rev() {
                if matches!(floor, Floor::Level(lowest) if level < lowest) {
                    break;
                }
                let corrupt = self.verify_level(level, &wave, &mut windows)?;
                if let Some(&first) = corrupt.first() {
                    found = Some(first);
                    floor = Floor::Level(level + 1);
                }
            }
            if floor == Floor::Data
                && let Some(first) = self.verify_data_to_first(&wave, windows.first())?
            {
                found = Some(first);
                floor = Floor::Level(0);
            }
            if floor == Floor::Level(windows.len()) {
                break;
            }
        }
        match found {
            None => Ok(self.verified()),
            Some(range) => Err(Error::Corrupt(Report {
                corruptions: vec![CorruptRange { blocks: 1, ..range }],
                corrupt_blocks: 1,
                unchecked_data_blocks: 0,
                truncated: true,
            })),
        }
    }

    fn verified(&self) -> Verified {
        let params = self.params();
        let zero_blocks = self.zero_blocks.load(Ordering::Relaxed);
        Verified {
            data_blocks: params.data_blocks() - zero_blocks,
            hash_blocks: params.geometry().hash_blocks(),
            zero_blocks,
        }
    }

    fn params(&self) -> &'a Params {
        self.verifier.trusted.params()
    }

    fn geometry(&self) -> &'a Geometry {
        self.params().geometry()
    }

    fn windows(&self) -> Vec<Window> {
        self.geometry().levels().iter().map(|_| Window::default()).collect()
    }

    /// The waves, as ranges of level-0 hash blocks; one wave without any for an image of one data block.
    fn waves(&self) -> impl Iterator<Item = Range<u64>> + use<D, H> {
        let blocks = self.geometry().levels().first().map_or(0, |level| level.blocks);
        let per_wave = self.params().hash_block_size().blocks_in(WAVE_SIZE);
        (0..blocks.div_ceil(per_wave).max(1))
            .map(move |wave| wave * per_wave..((wave + 1) * per_wave).min(blocks))
    }

    /// Moves the window of `level` to the hash blocks above this wave, verifies the new ones against the
    /// window above, and returns the corrupt ones as ranges in order.
    fn verify_level(
        &self,
        level: usize,
        wave: &Range<u64>,
        windows: &mut [Window],
    ) -> Result<Vec<CorruptRange>, Error> {
        let (lower, upper) = windows.split_at_mut(level + 1);
        let block_size = self.params().hash_block_size();
        let per_block = self.geometry().hashes_per_block();
        let above = (0..level).fold(wave.clone(), |range, _| {
            range.start / per_block..(range.end - 1) / per_block + 1
        });
        let fresh = lower[level].advance_to(above, block_size);
        let window = &mut lower[level];
        let per_run = block_size.blocks_in(RUN_SIZE);
        let chunk = usize::try_from(per_run).unwrap_or(usize::MAX);
        let kept = window.verified.len() - fresh;
        let parent = upper.first();
        let fresh_bytes = &mut window.bytes[block_size.buffer_len(kept)..];
        let first = window.first + u64::try_from(kept).unwrap_or(u64::MAX);
        let chunks = fresh_bytes
            .par_chunks_mut(block_size.buffer_len(chunk))
            .zip(window.verified[kept..].par_chunks_mut(chunk))
            .enumerate()
            .map(|(index, (bytes, verified))| {
                let first = first + u64::try_from(index).unwrap_or(u64::MAX) * per_run;
                self.verify_hash_blocks(level, first, bytes, verified, parent)
            });
        let results: Vec<Result<Vec<CorruptRange>, Error>> = chunks.collect();
        let mut corrupt = Vec::new();
        for ranges in results {
            for range in ranges? {
                append(&mut corrupt, range, usize::MAX);
            }
        }
        Ok(corrupt)
    }

    /// Reads hash blocks into `bytes`, and marks in `verified` those whose digests are what the level above
    /// says.
    fn verify_hash_blocks(
        &self,
        level: usize,
        first: u64,
        bytes: &mut [u8],
        verified: &mut [bool],
        parent: Option<&Window>,
    ) -> Result<Vec<CorruptRange>, Error> {
        let shape = self.geometry().levels()[level];
        let level = u8::try_from(level).unwrap_or(u8::MAX);
        let block_size = self.params().hash_block_size();
        let start = self.verifier.trusted.hash_area().tree_range().start;
        let offset = start + (shape.start + first) * u64::from(block_size);
        self.hash.read_exact_at(bytes, offset).map_err(|source| Error::Read {
            block: BlockRef::Hash { level, block: first },
            source,
        })?;
        let mut digests = vec![0; verified.len() * self.hasher.digest_size()];
        self.hasher.hash_many(bytes, block_size.buffer_len(1), &mut digests);
        let mut corrupt = Vec::new();
        let blocks = bytes.chunks_exact(block_size.buffer_len(1));
        let digests = digests.chunks_exact(self.hasher.digest_size());
        for (block, ((bytes, actual), verified)) in (first..).zip(blocks.zip(digests).zip(verified))
        {
            let Some(expected) = self.expected(parent, level + 1, block) else { continue };
            *verified = expected == actual;
            let corruption = match *verified {
                true => self.spare_byte(level, block, bytes),
                false => Some(mismatch(expected, actual)),
            };
            if let Some(corruption) = corruption {
                let first = BlockRef::Hash { level, block };
                append(&mut corrupt, CorruptRange { first, blocks: 1, corruption }, usize::MAX);
            }
        }
        self.advance(u64::try_from(bytes.len()).unwrap_or(u64::MAX))?;
        Ok(corrupt)
    }

    /// What the hash block at `level` above says the digest of block `position` is; the root hash above the
    /// top. `None` if that hash block is corrupt, so that nothing can be said.
    fn expected<'w>(
        &'w self,
        parent: Option<&'w Window>,
        level: u8,
        position: u64,
    ) -> Option<&'w [u8]> {
        let Some(window) = parent else { return Some(self.root.as_bytes()) };
        let slot = self.geometry().locate(level, position);
        let block = window.block(slot.block, self.params().hash_block_size())?;
        let offset = usize::try_from(slot.offset).ok()?;
        block.get(offset..)?.get(..self.hasher.digest_size())
    }

    /// The first byte of a hash block that belongs to no digest and is not zero.
    fn spare_byte(&self, level: u8, block: u64, bytes: &[u8]) -> Option<Corruption> {
        let geometry = self.geometry();
        let shape = geometry.levels()[usize::from(level)];
        let first_hash = block * geometry.hashes_per_block();
        let slots = (shape.hashes - first_hash).min(geometry.hashes_per_block());
        let slot_size = usize::try_from(geometry.slot_size()).ok()?;
        let used = usize::try_from(slots).ok()? * slot_size;
        let (slots, rest) = bytes.split_at(used);
        let in_slots = slots.chunks_exact(slot_size).enumerate().find_map(|(slot, bytes)| {
            let spare = bytes[self.hasher.digest_size()..].iter().position(|&byte| byte != 0)?;
            Some(slot * slot_size + self.hasher.digest_size() + spare)
        });
        let in_rest = || rest.iter().position(|&byte| byte != 0).map(|index| used + index);
        let offset = u64::try_from(in_slots.or_else(in_rest)?).ok()?;
        Some(Corruption::SpareBytes { offset })
    }

    fn verify_data_all(
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
            Buffers::default,
            |buffers, run| {
                let corrupt = self.verify_run(&data, run, per_run, parent, buffers)?;
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

    fn verify_data_to_first(
        &self,
        wave: &Range<u64>,
        parent: Option<&Window>,
    ) -> Result<Option<CorruptRange>, Error> {
        let data = self.data_of(wave);
        let per_run = self.params().data_block_size().blocks_in(RUN_SIZE);
        let runs = (data.end - data.start).div_ceil(per_run);
        let done = parallel::in_order(runs, Buffers::default, |buffers, run| {
            match self.verify_run(&data, run, per_run, parent, buffers)?.first() {
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
        buffers: &mut Buffers,
    ) -> Result<Vec<CorruptRange>, Error> {
        let first = data.start + run * per_run;
        let blocks = per_run.min(data.end - first);
        let block_size = self.params().data_block_size();
        let (mut unchecked, mut zero_blocks) = (0, 0);
        let wanted: Vec<Option<&[u8]>> = (first..first + blocks)
            .map(|block| {
                let expected = self.expected(parent, 0, block);
                let zero = self.zero.as_ref().is_some_and(|zero| expected == Some(zero.as_bytes()));
                unchecked += u64::from(expected.is_none());
                zero_blocks += u64::from(zero);
                expected.filter(|_| !zero)
            })
            .collect();
        self.unchecked_data_blocks.fetch_add(unchecked, Ordering::Relaxed);
        self.zero_blocks.fetch_add(zero_blocks, Ordering::Relaxed);
        let mut corrupt = Vec::new();
        if wanted.iter().any(Option::is_some) {
            buffers.fill(self, first, wanted.len())?;
            let digests = buffers.digests.chunks_exact(self.hasher.digest_size());
            for (block, (expected, actual)) in (first..).zip(wanted.into_iter().zip(digests)) {
                if let Some(expected) = expected.filter(|expected| *expected != actual) {
                    let first = BlockRef::Data { block };
                    let corruption = mismatch(expected, actual);
                    append(&mut corrupt, CorruptRange { first, blocks: 1, corruption }, usize::MAX);
                }
            }
        }
        self.advance(blocks * u64::from(block_size))?;
        Ok(corrupt)
    }

    fn advance(&self, bytes: u64) -> Result<(), Error> {
        progress::advance(self.verifier.progress, bytes)
    }
}

/// What a thread keeps from run to run.
#[derive(Default)]
struct Buffers {
    data: Vec<u8>,
    digests: Vec<u8>,
}

impl Buffers {
    /// Reads and hashes `blocks` data blocks from number `first` on.
    fn fill<D, H>(
        &mut self,
        waves: &Waves<'_, D, H>,
        first: u64,
        blocks: usize,
    ) -> Result<(), Error>
    where
        D: ReadAt + ?Sized,
        H: ReadAt + ?Sized,
    {
        let block_size = waves.params().data_block_size();
        self.data.resize(block_size.buffer_len(blocks), 0);
        self.digests.resize(blocks * waves.hasher.digest_size(), 0);
        let offset = first * u64::from(block_size);
        waves
            .data
            .read_exact_at(&mut self.data, offset)
            .map_err(|source| Error::Read { block: BlockRef::Data { block: first }, source })?;
        waves.hasher.hash_many(&self.data, block_size.buffer_len(1), &mut self.digests);
        Ok(())
    }
}

fn mismatch(expected: &[u8], actual: &[u8]) -> Corruption {
    Corruption::Digest { expected: digest(expected), actual: digest(actual) }
}
