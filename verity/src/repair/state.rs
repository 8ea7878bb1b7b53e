//! What a repair knows so far.

use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::fec::Decoder;
use crate::io::ReadAt;
use crate::layout::Layer;
use crate::lock::unpoisoned;
use crate::number::to_len;
use crate::tree::{Lookup, Tree};
use crate::{BlockRef, Digest, Error};

use super::RepairSink;
use super::blocks::{BlockSet, Numbers, RangeSet};
use super::overlay::Overlay;
use super::rounds::{Knowledge, Verdict};

/// What is known of the blocks of an image, shared by all threads.
pub(super) struct State<'a, H: ?Sized, S: ?Sized> {
    pub(super) numbers: Numbers<'a>,
    pub(super) tree: &'a Tree<Overlay<'a, H>>,
    pub(super) decoder: &'a Decoder,
    pub(super) sink: &'a S,
    sets: RwLock<Sets>,
}

/// Blocks of data and tree, by number.
#[derive(Clone, Debug, Default)]
pub(super) struct Sets {
    /// Those that are wrong, or cannot be read, where they lie. Recovered hash blocks are not among
    /// them: they are read from where they are kept.
    pub(super) corrupt: BlockSet,
    /// Those of them that could not be read the last time.
    pub(super) unreadable: BlockSet,
    /// Those whose right bytes the sink has.
    pub(super) repaired: BlockSet,
    /// Those under hash blocks that are not verified. Parameters may be lies, so there is no bound
    /// to how many they are.
    pub(super) unchecked: RangeSet,
}

impl Sets {
    /// The blocks that are still to be recovered.
    pub(super) fn wanted(&self) -> BlockSet {
        let mut wanted = self.corrupt.clone();
        wanted.subtract(&self.repaired);
        wanted
    }
}

impl<'a, H: ReadAt + ?Sized, S: RepairSink + ?Sized> State<'a, H, S> {
    pub(super) fn new(
        numbers: Numbers<'a>,
        tree: &'a Tree<Overlay<'a, H>>,
        decoder: &'a Decoder,
        sink: &'a S,
    ) -> State<'a, H, S> {
        State { numbers, tree, decoder, sink, sets: RwLock::default() }
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, Sets> {
        unpoisoned(self.sets.read())
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Sets> {
        unpoisoned(self.sets.write())
    }

    /// The blocks of a layer, counted from its first, under hash blocks that are corrupt or are
    /// themselves under one: the tree says nothing of them.
    pub(super) fn hopeless(&self, layer: Layer) -> RangeSet {
        let mut hopeless = RangeSet::default();
        let geometry = self.tree.geometry();
        let Some(above) = geometry.level_above(layer) else { return hopeless };
        let (parents, blocks) = (self.numbers.of(Layer::Level(above)), self.numbers.of(layer));
        let (per_block, count) = (geometry.hashes_per_block(), blocks.end - blocks.start);
        let sets = self.read();
        let corrupt = sets.corrupt.ranges_in(parents.clone());
        for range in corrupt.chain(sets.unchecked.ranges_in(parents.clone())) {
            let first = |parent: u64| (parent - parents.start).saturating_mul(per_block).min(count);
            hopeless.insert(first(range.start)..first(range.end));
        }
        hopeless
    }

    /// Marks the block that ended the way down the tree as corrupt.
    pub(super) fn mark_culprit(&self, error: &Error) {
        let (block, is_readable) = match error {
            Error::Corrupt(report) => (report.corruptions.first().map(|range| range.first), true),
            Error::Read { block, .. } => (Some(*block), false),
            _ => (None, true),
        };
        if let Some(number) = block.and_then(|block| self.numbers.number(block)) {
            self.mark_corrupt(number);
            self.set_readable(number, is_readable);
        }
    }

    /// Remembers of a corrupt block whether it could be read.
    pub(super) fn set_readable(&self, number: u64, is_readable: bool) {
        let unreadable = &mut self.write().unreadable;
        match is_readable {
            true => unreadable.remove(number..number + 1),
            false => unreadable.insert(number..number + 1),
        }
    }

    /// Keeps the right bytes of a block, unless that was done.
    pub(super) fn keep(&self, block: BlockRef, bytes: &[u8]) -> Result<(), Error> {
        let Some(number) = self.numbers.number(block) else { return Ok(()) };
        if let BlockRef::Hash { level, block } = block {
            self.tree.hash().insert(self.tree.offset_of(level, block), bytes);
        }
        {
            let mut sets = self.write();
            if sets.repaired.contains(number) {
                return Ok(());
            }
            sets.repaired.insert(number..number + 1);
            if block.level().is_some() {
                sets.corrupt.remove(number..number + 1);
            }
        }
        self.sink.put(block, bytes).map_err(|source| Error::Write { block, source })
    }
}

impl<H: ReadAt + ?Sized, S: RepairSink + ?Sized> Knowledge for State<'_, H, S> {
    fn corrupt_rows(&self, round: u64) -> Vec<usize> {
        let area = self.decoder.area();
        let sets = self.read();
        let mut blocks = (0..).map(|row| row * area.rounds() + round);
        (0..to_len(area.rows()))
            .filter(|_| blocks.next().is_some_and(|block| sets.corrupt.contains(block)))
            .collect()
    }

    fn expected(&self, lookup: &mut Lookup, number: u64) -> Result<Option<Digest>, Error> {
        let Some(block) = self.numbers.name(number) else { return Ok(None) };
        Error::unless_of_block(self.tree.expected(lookup, block))
    }

    fn mark_corrupt(&self, number: u64) {
        self.write().corrupt.insert(number..number + 1);
    }

    // A block that cannot be read is looked for in the next pass again.
    fn mark_unread(&self) {}

    fn try_candidate(
        &self,
        lookup: &mut Lookup,
        number: u64,
        bytes: &[u8],
    ) -> Result<Verdict, Error> {
        let Some(block) = self.numbers.name(number) else { return Ok(Verdict::Unknown) };
        let expected = Error::unless_of_block(self.tree.expected(lookup, block))?;
        let Some(expected) = expected else { return Ok(Verdict::Unknown) };
        if self.tree.check(block, expected.as_bytes(), bytes).is_some() {
            return Ok(Verdict::Wrong);
        }
        self.keep(block, bytes)?;
        Ok(Verdict::Right)
    }
}
