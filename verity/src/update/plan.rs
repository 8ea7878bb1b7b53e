//! What becomes of each block, and what is asked of the source.

use std::ops::Range;

use super::index::Place;
use super::ranges::merged;
use super::{DigestIndex, MAX_REQUEST, Settings, VerifiedTree};

/// How the blocks of the new image get into the slot.
///
/// ```
/// use std::sync::Mutex;
/// use verity::io::MemoryFile;
/// use verity::update::{DigestIndex, Plan, Settings, VerifiedTree, apply};
/// use verity::{Builder, HashArea, Params, TrustedParams, Verifier};
///
/// // The new image: the old one, with a block in front that pushes everything on.
/// let old: Vec<u8> = (0..1 << 20).map(|index: u32| (index / 4096).to_le_bytes()[0]).collect();
/// let new = [&b"new!".repeat(1024)[..], &old[..]].concat();
/// let params = Params::builder().data_size(new.len() as u64).build()?;
/// let area = HashArea::new(&params, 0, false)?;
/// let hash = Mutex::new(Vec::new());
/// let root_hash = Builder::new(&params).build(&new, &hash, &area)?;
/// let trusted = TrustedParams::pinned(params, root_hash, area)?;
///
/// // An empty slot is filled from the old image; one block is fetched.
/// let data = MemoryFile::from(vec![0; 2 << 20]);
/// let tree_area = MemoryFile::from(vec![0; 1 << 16]);
/// let settings = Settings::new();
/// let tree = VerifiedTree::read_beside(&trusted, &hash, Some(&tree_area), &settings)?;
/// let mut index = DigestIndex::new(&tree);
/// index.add_slot(&data, &settings)?;
/// index.add_seed(&old, &settings)?;
/// let plan = Plan::new(index, &settings);
/// assert_eq!((plan.counts().copied, plan.counts().fetched), (255, 1));
///
/// let unvouched = apply(&plan, &[&old], &new, &data, &tree_area, &[], &settings)?;
/// unvouched.finish()?;
/// Verifier::new(trusted).verify(&data, &tree_area)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Plan<'t> {
    index: DigestIndex<'t>,
    counts: Counts,
    bridge: u64,
    /// Blocks on their way at once. What a slot has behind them may still be copied.
    chunk_blocks: u64,
}

/// What becomes of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// It is there already.
    InPlace,
    /// It is all zeros.
    Zero,
    /// It is copied from a seed.
    Copied {
        /// The seed, in the order in which they were added.
        seed: usize,
        /// The number of the block there.
        block: u64,
    },
    /// It is copied from another place in the slot, before that is overwritten.
    Moved {
        /// The number of the block there.
        block: u64,
    },
    /// It is equal to an earlier block, and copied from there once that is in its place.
    Repeated {
        /// The number of that block.
        of: u64,
    },
    /// It lies nowhere, and is fetched from the source.
    Fetched,
}

/// How many blocks a plan has of each kind, and what it asks of the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// All data blocks.
    pub blocks: u64,
    /// Those that are there already, zeros among them.
    pub in_place: u64,
    /// Those that are made zeros.
    pub zero: u64,
    /// Those that come from seeds.
    pub copied: u64,
    /// Those that come from other places in the slot.
    pub moved: u64,
    /// Those that are equal to earlier ones.
    pub repeated: u64,
    /// Those that are fetched, each content once.
    pub fetched: u64,
    /// The requests for data.
    pub requests: u64,
    /// The bytes that those ask for, bridged gaps among them.
    pub request_bytes: u64,
}

impl<'t> Plan<'t> {
    /// The plan that follows from what was found.
    pub fn new(index: DigestIndex<'t>, settings: &Settings<'_>) -> Plan<'t> {
        let chunk = settings.chunk_bytes();
        let chunk_blocks = index.tree().params().data_block_size().blocks_in(chunk);
        let (counts, bridge) = (Counts::default(), settings.bridge_bytes());
        let mut plan = Plan { index, counts, bridge, chunk_blocks };
        let mut counts = Counts { blocks: plan.blocks(), ..Counts::default() };
        for block in 0..plan.blocks() {
            match plan.step(block) {
                Step::InPlace => counts.in_place += 1,
                Step::Zero => counts.zero += 1,
                Step::Copied { .. } => counts.copied += 1,
                Step::Moved { .. } => counts.moved += 1,
                Step::Repeated { .. } => counts.repeated += 1,
                Step::Fetched => counts.fetched += 1,
            }
        }
        let missing = plan.blocks_that(|step| step == Step::Fetched);
        for request in plan.requests(&missing) {
            counts.requests += 1;
            counts.request_bytes += (request.end - request.start) * plan.block_size();
        }
        plan.counts = counts;
        plan
    }

    /// How many blocks there are of each kind.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether the slot has all data and all hash blocks already. The superblock is not part of
    /// that.
    pub fn is_in_place(&self) -> bool {
        self.counts.in_place == self.counts.blocks && self.tree().is_in_place()
    }

    /// What becomes of a data block.
    ///
    /// # Panics
    /// If there is no such block.
    pub fn step(&self, block: u64) -> Step {
        if self.index.is_in_place(block) {
            return Step::InPlace;
        }
        let first = self.index.first_equal(block);
        if self.index.is_zero(first) {
            return Step::Zero;
        }
        match self.index.place_of(first) {
            Some(Place::Seed { seed, block }) => Step::Copied { seed, block },
            Some(Place::Slot { block: there }) if self.is_left(there, block) => {
                Step::Moved { block: there }
            }
            _ if first < block => Step::Repeated { of: first },
            _ => Step::Fetched,
        }
    }

    /// Whether what the slot has at a block is still there when another one is written: those are
    /// written a chunk at a time, and a chunk is read before any of it is written.
    fn is_left(&self, there: u64, block: u64) -> bool {
        let chunk = self.chunk_blocks;
        there >= block - block % chunk || self.index.is_in_place(there)
    }

    /// The tree of the new image.
    pub fn tree(&self) -> &'t VerifiedTree {
        self.index.tree()
    }

    pub(super) fn blocks(&self) -> u64 {
        self.tree().params().data_blocks()
    }

    pub(super) fn block_size(&self) -> u64 {
        self.tree().params().data_block_size().into()
    }

    /// How many blocks are on their way at once.
    pub(super) fn chunk_blocks(&self) -> u64 {
        self.chunk_blocks
    }

    /// The first block that is equal to one.
    pub(super) fn first_equal(&self, block: u64) -> u64 {
        self.index.first_equal(block)
    }

    pub(super) fn blocks_that(&self, are_meant: impl Fn(Step) -> bool) -> Vec<u64> {
        (0..self.blocks()).filter(|block| are_meant(self.step(*block))).collect()
    }

    /// The requests for blocks in ascending order.
    pub(super) fn requests(&self, blocks: &[u64]) -> Vec<Range<u64>> {
        let most = self.tree().params().data_block_size().blocks_in(MAX_REQUEST);
        merged(blocks.iter().copied(), self.bridge / self.block_size(), most)
    }
}
