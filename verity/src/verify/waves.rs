//! The walk: wave after wave over the lowest level, each wave from the root down.
//!
//! What is done in one level is in `tree`, with the data in `data`.
//!
//! A wave is a row of level-0 hash blocks that fits a fixed amount of memory. For each wave the
//! hash blocks above it are verified first, level by level from the top; the last block of a
//! level's window is kept for the next wave, so that every hash block is read once. Within a level,
//! and over the data of a wave, work goes on in parallel.
//!
//! Parameters may be lies, and then there is no end to the blocks that they claim. So nothing is
//! walked over that hangs from no verified hash block: where a wave has none in some level, the
//! next wave begins behind everything that hangs from those blocks.
//!
//! When only the first corruption is wanted, a finding ends the search in what comes later in the
//! order: a corrupt data block ends the data, a corrupt block of level n ends level n and
//! everything below. Higher levels are still searched to the end, in waves of the lowest of them,
//! so that the answer is the same for any number of threads.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::hash::BlockHasher;
use crate::io::{ReadAt, is_about_source};
use crate::layout::Layer;
use crate::lock::unpoisoned;
use crate::work::{self, Crew, RunReader};
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
}

/// Hash blocks in a row, in the lowest level that is still looked at.
pub(super) struct Wave {
    pub(super) level: u8,
    pub(super) blocks: Range<u64>,
}

/// Blocks that cannot be read, by number, and why.
pub(super) type Unreadable = BTreeMap<u64, Corruption>;

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
        match collector.finish() {
            Some(report) if report.unreadable_blocks == report.corrupt_blocks => {
                Err(Error::Unreadable(report))
            }
            Some(report) => Err(Error::Corrupt(report)),
            None => Ok(self.verified()),
        }
    }

    fn run_all(&self) -> Result<Collector, Error> {
        let collector = Mutex::new(Collector::new(self.verifier.limit));
        let mut windows = self.windows();
        let mut next = 0;
        loop {
            let wave = self.wave(0, next);
            next = match self.verify_levels(&wave, &mut windows, &collector)? {
                None => {
                    self.verify_data_all(&wave, windows.first(), &collector)?;
                    wave.blocks.end
                }
                Some(level) => {
                    let end = self.end_under(level, &wave);
                    let unchecked = self.data_of(&(wave.blocks.start..end));
                    unpoisoned(collector.lock()).add_unchecked(unchecked);
                    self.advance(0)?;
                    end
                }
            };
            if next >= self.blocks_of(0) {
                return Ok(unpoisoned(collector.into_inner()));
            }
        }
    }

    /// Verifies the hash blocks above a wave. Returns the level, if there is one, in which none of
    /// them may be used: then those below it were not looked at.
    fn verify_levels(
        &self,
        wave: &Wave,
        windows: &mut [Window],
        collector: &Mutex<Collector>,
    ) -> Result<Option<u8>, Error> {
        for level in self.geometry().levels_down() {
            let found = self.verify_level(level, wave, windows)?;
            let mut collector = unpoisoned(collector.lock());
            found.into_iter().for_each(|range| collector.add(range));
            if !windows[usize::from(level)].is_any_verified() {
                return Ok(Some(level));
            }
        }
        Ok(None)
    }

    /// Where the level-0 hash blocks end that hang from those of `level` above a wave, as far as
    /// that many whole waves go.
    fn end_under(&self, level: u8, wave: &Wave) -> u64 {
        let per_block = self.geometry().hashes_per_block();
        let above = self.blocks_above(level, wave).end;
        let end = (0..level).fold(above, |end, _| end.saturating_mul(per_block));
        if end >= self.blocks_of(0) {
            return self.blocks_of(0);
        }
        (end - end % self.per_wave()).max(wave.blocks.end)
    }

    fn run_to_first(&self) -> Result<Verified, Error> {
        let mut windows = self.windows();
        let mut found: Option<CorruptRange> = None;
        let (mut lowest, mut next) = (0, 0);
        loop {
            let wave = self.wave(lowest, next);
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
            next = wave.blocks.end;
            if let Some(range) = found {
                match self.geometry().level_above(range.first.layer()) {
                    None => break,
                    Some(level) if level > lowest => {
                        next = self.blocks_above(level, &wave).end;
                        lowest = level;
                    }
                    Some(_) => {}
                }
            }
            if next >= self.blocks_of(lowest) {
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

    /// The wave of a level that begins with this hash block; without any hash block, where there is
    /// no level.
    fn wave(&self, level: u8, start: u64) -> Wave {
        let grid = start - start % self.per_wave();
        let end = grid.saturating_add(self.per_wave()).min(self.blocks_of(level));
        Wave { level, blocks: start..end }
    }

    /// How many hash blocks a wave has at most: a power of two.
    fn per_wave(&self) -> u64 {
        self.params().hash_block_size().blocks_in(WAVE_SIZE)
    }

    /// How many hash blocks a level has; none, if there is no such level.
    fn blocks_of(&self, level: u8) -> u64 {
        self.geometry().levels().get(usize::from(level)).map_or(0, |level| level.blocks)
    }

    /// Whether a block that cannot be read is a finding like a corrupt one. Where storage ends
    /// before it should, or a server does not answer, each further block would fail too.
    pub(super) fn goes_on_after(&self, error: &io::Error) -> bool {
        let is_about_all = error.kind() == ErrorKind::UnexpectedEof || is_about_source(error);
        self.search == Search::All && !is_about_all
    }

    pub(super) fn advance(&self, bytes: u64) -> Result<(), Error> {
        work::advance(self.verifier.work.progress, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BlockSize, HashArea, RootHash, TrustedParams};

    /// A search for the first corruption goes on in a higher level wherever it has got to.
    #[test]
    fn a_wave_takes_no_more_memory_wherever_it_begins() {
        let params = Params::builder().data_blocks(1 << 40);
        let params = params.data_block_size(BlockSize::MIN).hash_block_size(BlockSize::MIN);
        let params = params.build().unwrap();
        let area = HashArea::new(&params, 0, false).unwrap();
        let root_hash = RootHash::new(Digest::new(&[0; 32]).unwrap());
        let trusted = TrustedParams::pinned(params.clone(), root_hash, area).unwrap();
        let verifier = Verifier::new(trusted);
        let hasher = verifier.work.kernels.hasher(&params);
        let nothing = Vec::new();
        let ends = verifier.work.run(0, |crew| {
            let data = RunReader::new(&nothing, &params, &hasher);
            let waves = Waves::new(&verifier, crew, data, &nothing, Search::First);
            let end = |level, start| {
                let Wave { blocks, .. } = waves.wave(level, start);
                assert!(blocks.start == start && blocks.end - start <= WAVE_SIZE / 512);
                blocks.end
            };
            Ok([end(1, 0), end(1, 8192), end(1, 8193), end(1, 16383), end(1, 8000), end(9, 0)])
        });
        // Level 9 is the top.
        assert_eq!(ends.unwrap(), [8192, 16384, 16384, 16384, 8192, 1]);
    }
}
