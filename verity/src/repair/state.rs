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

    /// Whether a hash block above a block is known to be corrupt, so that nothing says which digest
    /// it must have. To ask the tree would read that hash block again, for each block of a round.
    fn is_under_corrupt(&self, mut block: BlockRef) -> bool {
        let geometry = self.tree.geometry();
        let sets = self.read();
        while let Some(level) = geometry.level_above(block.layer()) {
            block = BlockRef::Hash { level, block: geometry.hash_block_above(block.block()) };
            if self.numbers.number(block).is_some_and(|number| sets.corrupt.contains(number)) {
                return true;
            }
        }
        false
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
        if self.is_under_corrupt(block) {
            return Ok(None);
        }
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
        let expected = self.expected(lookup, number)?;
        let Some(expected) = expected else { return Ok(Verdict::Unknown) };
        if self.tree.check(block, expected.as_bytes(), bytes).is_some() {
            return Ok(Verdict::Wrong);
        }
        self.keep(block, bytes)?;
        Ok(Verdict::Right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::Kernels;
    use crate::{
        Algorithm, BlockSize, Corruption, FecArea, HashArea, Params, Report, RootHash,
        TrustedParams,
    };

    /// 1000 blocks of data under 63, 4 and 1 hash blocks, of which nothing is known yet.
    fn with_state(test: impl Fn(&State<'_, Vec<u8>, ()>)) {
        let params = Params::builder().data_blocks(1000);
        let params = params.data_block_size(BlockSize::MIN).hash_block_size(BlockSize::MIN);
        let params = params.build().unwrap();
        let hash_area = HashArea::new(&params, 0, false).unwrap();
        let fec_area = FecArea::new(&params, &hash_area, 2, 1068, 0).unwrap();
        let root_hash = RootHash::new(Digest::new(&[0; 32]).unwrap());
        let trusted = TrustedParams::pinned(params.clone(), root_hash, hash_area).unwrap();
        let kernels = Kernels::detect(Algorithm::Sha256);
        let hash = Vec::new();
        let tree = Tree::new(&trusted, Overlay::new(&hash), kernels.hasher(&params), 1 << 20);
        let decoder = kernels.decoder(fec_area);
        test(&State::new(Numbers::new(&params), &tree, &decoder, &()));
    }

    #[test]
    fn nothing_is_said_of_what_is_under_corrupt_and_unchecked_hash_blocks() {
        with_state(|state| {
            let hopeless =
                |layer| -> Vec<_> { state.hopeless(layer).ranges_in(0..u64::MAX).collect() };
            assert_eq!(hopeless(Layer::Data), []);
            let number = |level, block| state.numbers.number(BlockRef::Hash { level, block });
            let [first, last, above] = [number(0, 1), number(0, 62), number(1, 2)];
            state.mark_corrupt(first.unwrap());
            state.mark_corrupt(last.unwrap());
            // The last hash block has less under it than there is room for.
            assert_eq!(hopeless(Layer::Data), [16..32, 992..1000]);
            assert_eq!(hopeless(Layer::Level(0)), []);
            state.mark_corrupt(above.unwrap());
            let under_above = 32..48;
            assert_eq!(hopeless(Layer::Level(0)), [under_above]);
            let unchecked = number(0, 32).unwrap()..number(0, 48).unwrap();
            state.write().unchecked.insert(unchecked);
            assert_eq!(hopeless(Layer::Data), [16..32, 512..768, 992..1000]);
            assert_eq!(hopeless(Layer::Level(2)), []);
        });
    }

    /// Only the cache vouches for a hash block that was right before, and it forgets.
    #[test]
    fn the_block_that_ends_a_way_down_the_tree_is_corrupt() {
        with_state(|state| {
            let [corrupt, lost] = [7, 9].map(|block| BlockRef::Hash { level: 0, block });
            let digest = Corruption::SpareBytes { offset: 0 };
            state.mark_culprit(&Error::Corrupt(Report::of_one(corrupt, digest)));
            let source = std::io::ErrorKind::Other.into();
            state.mark_culprit(&Error::Read { block: lost, source });
            state.mark_culprit(&Error::Cancelled);
            let [corrupt, lost] = [corrupt, lost].map(|block| state.numbers.number(block).unwrap());
            let sets = state.read();
            assert!(sets.corrupt.ranges_in(0..1068).eq([corrupt..corrupt + 1, lost..lost + 1]));
            assert!(sets.unreadable.ranges_in(0..1068).eq(std::iter::once(lost..lost + 1)));
        });
    }
}
