//! The passes of a repair over a whole image.
//!
//! The tree first, as everything hangs on it: its levels from the root down, then the rounds of its corrupt hash
//! blocks; again for what those were above, until a pass recovers none. Then the data, each block once, and the
//! rounds of all that is corrupt. Corrupt data that is known helps to recover what is left of the tree, so
//! that is tried again; each further pass begins with a hash block that the one before has recovered.

use std::ops::Range;
use std::sync::atomic::Ordering;

use crate::io::ReadAt;
use crate::{BlockRef, CorruptRange, Error, Report, work};

use super::RepairSink;
use super::blocks::BlockSet;
use super::report::Repaired;
use super::rounds::{Buffer, Lookup, Rounds};
use super::scan::{Area, Scan};
use super::state::State;

/// One repair under way.
pub(super) struct Passes<'a, D: ?Sized, H: ?Sized, F: ?Sized, S: ?Sized> {
    pub(super) scan: Scan<'a, D, H, S>,
    pub(super) rounds: Rounds<'a, D, super::overlay::Overlay<'a, H>, F>,
    pub(super) limit: usize,
}

impl<D, H, F, S> Passes<'_, D, H, F, S>
where
    D: ReadAt + ?Sized,
    H: ReadAt + ?Sized,
    F: ReadAt + ?Sized,
    S: RepairSink + ?Sized,
{
    pub(super) fn run(&self) -> Result<Repaired, Error> {
        work::advance(self.scan.progress, 0)?;
        for level in self.levels() {
            self.scan.all(Area::Level(level))?;
        }
        while self.recover(self.tree())? {
            self.scan_unchecked(&[])?;
        }
        self.scan.all(Area::Data)?;
        loop {
            while self.recover(0..self.tree().end)? {
                self.scan_unchecked(&[Area::Data])?;
            }
            let hash_blocks = self.recovered_hash_blocks();
            let beyond = self.beyond()?;
            if self.recovered_hash_blocks() == hash_blocks {
                return Ok(self.repaired(beyond));
            }
            // A hash block could be read this time.
            self.scan_unchecked(&[Area::Data])?;
        }
    }

    fn state(&self) -> &State<'_, H, S> {
        self.scan.state
    }

    /// The numbers of the hash blocks.
    fn tree(&self) -> Range<u64> {
        let params = self.scan.reader.params();
        let start = params.data_blocks();
        start..start + params.geometry().hash_blocks()
    }

    /// From the highest down.
    fn levels(&self) -> impl Iterator<Item = usize> + use<D, H, F, S> {
        (0..self.scan.reader.params().geometry().levels().len()).rev()
    }

    /// Looks at what hash blocks were above that have been recovered: the levels, and `more`.
    fn scan_unchecked(&self, more: &[Area]) -> Result<(), Error> {
        let areas = self.levels().map(Area::Level).chain(more.iter().copied());
        areas.into_iter().try_for_each(|area| self.scan.unchecked(area))
    }

    fn recovered_hash_blocks(&self) -> u64 {
        self.state().read().repaired.count_in(self.tree())
    }

    /// Goes through the rounds of those blocks that are to be recovered. Says whether hash blocks were.
    fn recover(&self, blocks: Range<u64>) -> Result<bool, Error> {
        let before = self.recovered_hash_blocks();
        let units = self.units(&blocks);
        let count = u64::try_from(units.len()).unwrap_or(u64::MAX);
        self.scan.crew.in_order(count, 1, Buffer::default, |buffer, numbers| {
            for unit in numbers.filter_map(|number| units.get(usize::try_from(number).ok()?)) {
                self.rounds.recover(buffer, unit.clone(), self.state())?;
                work::advance(self.scan.progress, 0)?;
            }
            Ok::<(), Error>(())
        })?;
        Ok(self.recovered_hash_blocks() > before)
    }

    /// The rounds of those blocks that are to be recovered, in units.
    fn units(&self, blocks: &Range<u64>) -> Vec<Range<u64>> {
        let decoder = self.rounds.decoder;
        let stride = decoder.area().rounds();
        let mut rounds = BlockSet::default();
        for range in self.state().read().wanted().ranges_in(blocks.clone()) {
            // From `stride` blocks on every round has some.
            let end = range.end.min(range.start.saturating_add(stride));
            for block in range.start..end {
                rounds.insert(block % stride..block % stride + 1);
            }
        }
        let most = decoder.unit_rounds();
        let in_units = |range: Range<u64>| {
            let starts = (range.start..range.end).step_by(usize::try_from(most).unwrap_or(1));
            starts.map(move |start| start..start.saturating_add(most).min(range.end))
        };
        rounds.ranges_in(0..stride).flat_map(in_units).collect()
    }

    /// What is still to be recovered, with a last look at the first block of each range.
    fn beyond(&self) -> Result<Option<Report>, Error> {
        let wanted = self.state().read().wanted();
        let (mut corruptions, mut truncated) = (Vec::new(), false);
        let mut lookup = Lookup::default();
        for range in self.state().numbers.ranges(&wanted) {
            if corruptions.len() == self.limit {
                truncated = true;
                break;
            }
            let end = range.first.block() + range.blocks;
            for block in range.first.block()..end {
                let first = match range.first {
                    BlockRef::Data { .. } => BlockRef::Data { block },
                    BlockRef::Hash { level, .. } => BlockRef::Hash { level, block },
                };
                if let Some(corruption) = self.scan.again(&mut lookup, first)? {
                    corruptions.push(CorruptRange { first, blocks: end - block, corruption });
                    break;
                }
            }
        }
        let sets = self.state().read();
        let corrupt_blocks = sets.wanted().count_in(0..self.tree().end);
        let unchecked_data_blocks = sets.unchecked.count_in(self.state().numbers.data());
        Ok((corrupt_blocks > 0).then_some(Report {
            corruptions,
            corrupt_blocks,
            unchecked_data_blocks,
            truncated,
        }))
    }

    /// The end.
    ///
    /// # Panics
    /// When a block was overlooked: better no answer than a wrong yes.
    fn repaired(&self, beyond: Option<Report>) -> Repaired {
        assert_eq!(self.scan.seen.load(Ordering::Relaxed), self.tree().end, "every block was seen");
        let sets = self.state().read();
        assert!(beyond.is_some() || sets.unchecked.is_empty(), "every block was checked");
        let mut ranges = self.state().numbers.ranges(&sets.repaired);
        let repaired = ranges.by_ref().take(self.limit).collect();
        Repaired {
            repaired,
            repaired_blocks: sets.repaired.count_in(0..self.tree().end),
            truncated: ranges.next().is_some(),
            beyond,
        }
    }
}
