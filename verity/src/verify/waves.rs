//! The walk: wave after wave over the lowest level, each wave from the root down.
//!
//! What is done in one level is in `tree`, with the data in `data`.
//!
//! A wave is a row of level-0 hash blocks that fits a fixed amount of memory. For each wave the hash blocks
//! above it are verified first, level by level from the top; the last block of a level's window is kept for
//! the next wave, so that every hash block is read once. Within a level, and over the data of a wave, work
//! goes on in parallel.
//!
//! When only the first corruption is wanted, a finding ends the search in what comes later in the order: a
//! corrupt data block ends the data, a corrupt block of level n ends level n and everything below. Higher
//! levels are still searched to the end, so that the answer is the same for any number of threads.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::hash::{BlockHasher, digest};
use crate::io::ReadAt;
use crate::work::{self, Crew, Reader};
use crate::{CorruptRange, Corruption, Digest, Error, Geometry, Params, Report};

use super::report::Collector;
use super::window::Window;
use super::{Search, Verified, Verifier};

/// The aim for the level-0 hash blocks of a wave, in bytes.
const WAVE_SIZE: u64 = 4 * 1024 * 1024;

/// One verification under way.
pub(super) struct Waves<'a, D: ?Sized, H: ?Sized> {
    pub(super) verifier: &'a Verifier<'a>,
    pub(super) crew: Crew,
    pub(super) data: Reader<'a, D>,
    pub(super) hash: &'a H,
    pub(super) search: Search,
    pub(super) root: Digest,
    pub(super) counts: Counts,
}

/// How many blocks met which fate.
#[derive(Default)]
pub(super) struct Counts {
    /// Hash blocks whose digest was compared.
    pub(super) hash_blocks: AtomicU64,
    /// Data blocks whose digest was compared.
    pub(super) data_blocks: AtomicU64,
    /// Data blocks that count as zeros.
    pub(super) zero_blocks: AtomicU64,
    /// Data blocks under a corrupt hash block.
    pub(super) unchecked_data_blocks: AtomicU64,
}

/// What remains to be searched: the lowest level, or the data too.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Floor {
    Data,
    Level(usize),
}

impl<'a, D, H> Waves<'a, D, H>
where
    D: ReadAt + ?Sized,
    H: ReadAt + ?Sized,
{
    pub(super) fn new(
        verifier: &'a Verifier<'a>,
        crew: Crew,
        data: Reader<'a, D>,
        hash: &'a H,
        search: Search,
    ) -> Waves<'a, D, H> {
        let root = verifier.trusted.root_hash().digest();
        Waves { verifier, crew, data, hash, search, root, counts: Counts::default() }
    }

    pub(super) fn run(self) -> Result<Verified, Error> {
        self.advance(0)?;
        let collector = match self.search {
            Search::First => return self.run_to_first(),
            Search::All => self.run_all()?,
        };
        match collector.finish(self.counts.unchecked_data_blocks.load(Ordering::Relaxed)) {
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
            Some(range) => Err(Error::Corrupt(Report::of_one(range.first, range.corruption))),
        }
    }

    /// The happy end.
    ///
    /// # Panics
    /// When a block was overlooked: better no answer than a wrong yes.
    fn verified(&self) -> Verified {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let verified = Verified {
            data_blocks: load(&self.counts.data_blocks),
            hash_blocks: load(&self.counts.hash_blocks),
            zero_blocks: load(&self.counts.zero_blocks),
        };
        let seen = verified.data_blocks + verified.zero_blocks;
        assert_eq!(seen, self.params().data_blocks(), "every data block was checked");
        assert_eq!(
            verified.hash_blocks,
            self.geometry().hash_blocks(),
            "every hash block was checked"
        );
        verified
    }

    pub(super) fn params(&self) -> &'a Params {
        self.verifier.trusted.params()
    }

    pub(super) fn hasher(&self) -> &'a BlockHasher {
        self.data.hasher()
    }

    pub(super) fn geometry(&self) -> &'a Geometry {
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

    pub(super) fn advance(&self, bytes: u64) -> Result<(), Error> {
        work::advance(self.verifier.work.progress, bytes)
    }
}

/// A block that has another digest than its parent says.
pub(super) fn mismatch(expected: &[u8], actual: &[u8]) -> Corruption {
    Corruption::Digest { expected: digest(expected), actual: digest(actual) }
}
