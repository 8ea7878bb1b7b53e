//! The passes of a repair over a whole image.
//!
//! The tree first, as everything hangs on it: its levels from the root down, then the rounds of its
//! corrupt hash blocks; again for what those were above, until a pass recovers none. Then the data,
//! each block once, and the rounds of all that is corrupt. Corrupt data that is known helps to
//! recover what is left of the tree, so that is tried again; each further pass begins with a hash
//! block that the one before has recovered.
//!
//! Where nothing vouches for the parameters, the parity is on trial: a few rounds, spread over all
//! that are to be recovered, come first, and if they give nothing it is the parity of something
//! else, and the others are not tried, but counted. Else a real tree that is said to be the top of
//! a higher one would cost a round for each digest that it has. A repair has one such trial, of
//! which the tree may use up a half.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use crate::io::ReadAt;
use crate::layout::Layer;
use crate::lock::unpoisoned;
use crate::number::{to_len, to_u64};
use crate::tree::Lookup;
use crate::{BlockRange, CorruptRange, Error, Report, work};

use super::RepairSink;
use super::blocks::BlockSet;
use super::report::Repaired;
use super::rounds::{Buffer, Rounds};
use super::scan::Scan;
use super::state::State;

/// One repair under way.
pub(super) struct Passes<'a, D: ?Sized, H: ?Sized, F: ?Sized, S: ?Sized> {
    pub(super) scan: Scan<'a, D, H, S>,
    pub(super) rounds: Rounds<'a, D, super::overlay::Overlay<'a, H>, F>,
    pub(super) limit: usize,
    /// Whether the parameters are authenticated.
    pub(super) is_authenticated: bool,
    pub(super) trial: Mutex<Trial>,
}

/// How many rounds are tried before parity is taken for that of something else.
const TRIAL_ROUNDS: u64 = 16;

/// How many of them are tried for the tree alone.
const TRIAL_ROUNDS_OF_TREE: u64 = TRIAL_ROUNDS / 2;

/// The trial of parity that nothing vouches for.
#[derive(Default)]
pub(super) struct Trial {
    tried: BlockSet,
    /// How many rounds are left that have blocks to be recovered.
    untried: u64,
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
            self.scan.all(level)?;
        }
        while self.recover(self.tree(), TRIAL_ROUNDS_OF_TREE)? {
            self.scan_unchecked(&[])?;
        }
        self.scan.all(Layer::Data)?;
        loop {
            while self.recover(0..self.tree().end, TRIAL_ROUNDS)? {
                self.scan_unchecked(&[Layer::Data])?;
            }
            let hash_blocks = self.recovered_hash_blocks();
            let beyond = self.beyond()?;
            if self.recovered_hash_blocks() == hash_blocks {
                return Ok(self.repaired(beyond));
            }
            // A hash block could be read this time.
            self.scan_unchecked(&[Layer::Data])?;
        }
    }

    fn state(&self) -> &State<'_, H, S> {
        self.scan.state
    }

    /// The numbers of the hash blocks.
    fn tree(&self) -> Range<u64> {
        self.state().numbers.tree()
    }

    /// From the highest down.
    fn levels(&self) -> impl Iterator<Item = Layer> + use<D, H, F, S> {
        self.scan.reader.params().geometry().levels_down().map(Layer::Level)
    }

    /// Looks at the blocks under hash blocks that have been recovered: in the levels, and in
    /// `more`.
    fn scan_unchecked(&self, more: &[Layer]) -> Result<(), Error> {
        let mut layers = self.levels().chain(more.iter().copied());
        layers.try_for_each(|layer| self.scan.unchecked(layer))
    }

    fn recovered_hash_blocks(&self) -> u64 {
        self.state().read().repaired.count_in(self.tree())
    }

    /// Goes through the rounds of those blocks that are to be recovered; as long as parity is on
    /// trial, through so many rounds of the whole repair. Says whether hash blocks were recovered.
    fn recover(&self, blocks: Range<u64>, most_on_trial: u64) -> Result<bool, Error> {
        let before = self.recovered_hash_blocks();
        let units = self.units(&blocks);
        if self.is_on_trial() {
            let some = unpoisoned(self.trial.lock()).choose(&units, most_on_trial);
            self.recover_units(&some)?;
        }
        let untried = if self.is_on_trial() {
            unpoisoned(self.trial.lock()).untried_of(&units).count()
        } else {
            self.recover_units(&units)?;
            0
        };
        unpoisoned(self.trial.lock()).untried = to_u64(untried);
        Ok(self.recovered_hash_blocks() > before)
    }

    /// Whether nothing says that the parity is of this image, neither who stated the parameters nor
    /// a block that it has given back.
    fn is_on_trial(&self) -> bool {
        !self.is_authenticated && self.state().read().repaired.count_in(0..self.tree().end) == 0
    }

    fn recover_units(&self, units: &[Range<u64>]) -> Result<(), Error> {
        self.scan.crew.in_order(to_u64(units.len()), 1, Buffer::default, |buffer, numbers| {
            for number in numbers {
                self.rounds.recover(buffer, units[to_len(number)].clone(), self.state())?;
                work::advance(self.scan.progress, 0)?;
            }
            Ok::<(), Error>(())
        })
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
            let starts = (range.start..range.end).step_by(to_len(most));
            starts.map(move |start| start..start.saturating_add(most).min(range.end))
        };
        rounds.ranges_in(0..stride).flat_map(in_units).collect()
    }

    /// What is still to be recovered, after a last look at the first block of each range.
    fn beyond(&self) -> Result<Option<Report>, Error> {
        let (wanted, unreadable) = {
            let sets = self.state().read();
            (sets.wanted(), sets.unreadable.clone())
        };
        let (mut corruptions, mut truncated) = (Vec::new(), false);
        let mut lookup = Lookup::default();
        let ranges = self.state().numbers.ranges(&wanted);
        for range in ranges.flat_map(|range| self.alike(range, &unreadable)) {
            if corruptions.len() == self.limit {
                truncated = true;
                break;
            }
            let end = range.first.block() + range.blocks;
            for block in range.first.block()..end {
                let first = range.first.layer().block(block);
                if let Some(corruption) = self.scan.again(&mut lookup, first)? {
                    corruptions.push(CorruptRange { first, blocks: end - block, corruption });
                    break;
                }
            }
        }
        let sets = self.state().read();
        let mut wanted = sets.wanted();
        let corrupt_blocks = wanted.count_in(0..self.tree().end);
        wanted.subtract(&sets.unreadable);
        let unreadable_blocks = corrupt_blocks - wanted.count_in(0..self.tree().end);
        let data = self.state().numbers.of(Layer::Data);
        let unchecked_data_blocks = sets.unchecked.count_in(data.clone());
        let mut unchecked = sets.unchecked.ranges_in(data).map(|range| BlockRange::of_data(&range));
        Ok((corrupt_blocks > 0).then(|| Report {
            corruptions,
            corrupt_blocks,
            unreadable_blocks,
            unchecked: unchecked.by_ref().take(self.limit).collect(),
            unchecked_data_blocks,
            truncated: truncated || unchecked.next().is_some(),
        }))
    }

    /// Parts a range into blocks that could be read and blocks that could not.
    fn alike(&self, range: BlockRange, unreadable: &BlockSet) -> Vec<BlockRange> {
        let Some(start) = self.state().numbers.number(range.first) else { return vec![range] };
        let end = start + range.blocks;
        let (mut parts, mut next) = (Vec::new(), start);
        for lost in unreadable.ranges_in(start..end) {
            parts.extend([next..lost.start, lost.clone()]);
            next = lost.end;
        }
        parts.push(next..end);
        let (layer, first) = (range.first.layer(), range.first.block());
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        let named = |part: Range<u64>| BlockRange {
            first: layer.block(first + (part.start - start)),
            blocks: part.end - part.start,
        };
        parts.map(named).collect()
    }

    /// Checks that no block was left out, then says what came of it all.
    ///
    /// # Panics
    /// When a block was overlooked: better no answer than a wrong yes.
    fn repaired(&self, beyond: Option<Report>) -> Repaired {
        assert_eq!(self.scan.seen.load(Ordering::Relaxed), self.tree().end, "every block was seen");
        let sets = self.state().read();
        assert!(beyond.is_some() || sets.unchecked.is_empty(), "every block was checked");
        let mut ranges = self.state().numbers.ranges(&sets.repaired);
        let repaired = ranges.by_ref().take(self.limit).collect();
        let untried_rounds = beyond.as_ref().map_or(0, |_| unpoisoned(self.trial.lock()).untried);
        Repaired {
            repaired,
            repaired_blocks: sets.repaired.count_in(0..self.tree().end),
            truncated: ranges.next().is_some(),
            untried_rounds,
            beyond,
        }
    }
}

impl Trial {
    /// A few of these rounds, spread over all of them; none that was tried, and no more than `most`
    /// in all.
    fn choose(&mut self, units: &[Range<u64>], most: u64) -> Vec<Range<u64>> {
        let left = most.saturating_sub(self.tried.count_in(0..u64::MAX));
        if left == 0 {
            return Vec::new();
        }
        let step = self.untried_of(units).count().div_ceil(to_len(left)).max(1);
        let chosen: Vec<_> = self.untried_of(units).step_by(step).collect();
        let chosen = chosen.into_iter().map(|round| round..round + 1);
        chosen.inspect(|round| self.tried.insert(round.clone())).collect()
    }

    fn untried_of(&self, units: &[Range<u64>]) -> impl Iterator<Item = u64> {
        units.iter().cloned().flatten().filter(|round| !self.tried.contains(*round))
    }
}
