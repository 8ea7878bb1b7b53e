//! The walk: wave after wave over the lowest level, each wave from the root down.
//!
//! What is done in one level is in `tree`, with the data in `data`.
//!
//! A wave is a row of level-0 hash blocks that fits a fixed amount of memory. For each wave the
//! hash blocks above it are verified first, level by level from the top; the last block of a
//! level's window is kept for the next wave, so that every hash block is read once. Within a level,
//! and over the data of a wave, work goes on in parallel.
//!
//! When only the first corruption is wanted, a finding ends the search in what comes later in the
//! order: a corrupt data block ends the data, a corrupt block of level n ends level n and
//! everything below. Higher levels are still searched to the end, so that the answer is the same
//! for any number of threads.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::hash::BlockHasher;
use crate::io::ReadAt;
use crate::layout::Layer;
use crate::lock::unpoisoned;
use crate::work::{self, Crew, RunReader};
use crate::{CorruptRange, Digest, Error, Geometry, Params, Report};

use super::report::Collector;
use super::window::Window;
use super::{Search, Verified, Verifier};

/// The aim for the level-0 hash blocks of a wave, in bytes.
const WAVE_SIZE: u64 = 4 * 1024 * 1024;

/// One verification under way.
pub(super) struct Waves<'a, D: ?Sized, H: ?Sized> {
    pub(super) verifier: &'a Verifier<'a>,
    pub(super) crew: Crew,
    pub(super) data: RunReader<'a, D>,
    pub(super) hash: &'a H,
    pub(super) search: Search,
    pub(super) root: Digest,
    pub(super) counts: Counts,
}

/// How many blocks were compared, and how many were not.
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

impl<'a, D, H> Waves<'a, D, H>
where
    D: ReadAt + ?Sized,
    H: ReadAt + ?Sized,
{
    pub(super) fn new(
        verifier: &'a Verifier<'a>,
        crew: Crew,
        data: RunReader<'a, D>,
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
        let add = |range| unpoisoned(collector.lock()).add(range);
        let mut windows = self.windows();
        for wave in self.waves() {
            for level in self.geometry().levels_down() {
                self.verify_level(level, &wave, &mut windows)?.into_iter().for_each(add);
            }
            self.verify_data_all(&wave, windows.first(), &collector)?;
        }
        Ok(unpoisoned(collector.into_inner()))
    }

    fn run_to_first(&self) -> Result<Verified, Error> {
        let mut windows = self.windows();
        let mut found: Option<CorruptRange> = None;
        for wave in self.waves() {
            for layer in self.geometry().layers() {
                // Nothing that comes later in the order matters any more.
                if found.is_some_and(|range| layer <= range.first.layer()) {
                    break;
                }
                let first = match layer {
                    Layer::Level(level) => {
                        self.verify_level(level, &wave, &mut windows)?.first().copied()
                    }
                    Layer::Data => self.verify_data_to_first(&wave, windows.first())?,
                };
                found = first.or(found);
            }
            if found.is_some_and(|range| self.geometry().level_above(range.first.layer()).is_none())
            {
                break;
            }
        }
        match found {
            None => Ok(self.verified()),
            Some(range) => Err(Error::Corrupt(Report::of_one(range.first, range.corruption))),
        }
    }

    /// Checks that nothing was left out, then reports.
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

    /// The waves, as ranges of level-0 hash blocks; one wave without any for an image of one data
    /// block.
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
