//! Where the content of the new image lies already, by its digest.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::io::{Extent, ReadAt, ReadFailure};
use crate::number::{to_len, to_u64};
use crate::work::{self, Pieces, RunBuffer, RunReader};
use crate::{Error, Progress};

use super::{Settings, VerifiedTree};

/// Which blocks of the new image lie somewhere already: in the slot, or in seeds.
///
/// What it says is a hint. Seeds are asked in the order in which they were added, and of several
/// equal blocks of a seed the first is taken, so that the answer is the same for any number of
/// threads.
pub struct DigestIndex<'t> {
    tree: &'t VerifiedTree,
    /// Open addressing by the digest: the first block of the new image that has it.
    table: Vec<u64>,
    /// Of the first block with a digest: where else it lies.
    places: Vec<AtomicU64>,
    /// Of each block: whether the slot has it in its place.
    in_place: Vec<AtomicBool>,
    /// The first block of zeros.
    zero: Option<u64>,
    seeds: u64,
    /// Where digests go in the table, for nobody to foresee: a tree that is only compared may be
    /// anybody's.
    places_of: RandomState,
}

/// Where a block lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Seed { seed: usize, block: u64 },
    Slot { block: u64 },
}

/// How many pieces of data between holes are looked at behind the new image.
const MOST_RANGES: usize = 1 << 16;

/// An empty place, in the table or of a block.
const NONE: u64 = u64::MAX;

/// How many bits of a place are the number of a block. The seed above them sorts first.
const BLOCK_BITS: u32 = 48;
const BLOCK_MASK: u64 = (1 << BLOCK_BITS) - 1;

/// The seed that stands for the slot itself: after all others.
const SLOT: u64 = 0xfffe;

impl<'t> DigestIndex<'t> {
    /// An index of the blocks that the image of this tree has, none of which was found anywhere.
    pub fn new(tree: &'t VerifiedTree) -> DigestIndex<'t> {
        let blocks = to_len(tree.params().data_blocks());
        // At most two thirds are full.
        let slots = (blocks + blocks / 2 + 1).next_power_of_two();
        let mut index = DigestIndex {
            tree,
            table: vec![NONE; slots],
            places: (0..blocks).map(|_| AtomicU64::new(NONE)).collect(),
            in_place: (0..blocks).map(|_| AtomicBool::new(false)).collect(),
            zero: None,
            seeds: 0,
            places_of: RandomState::new(),
        };
        for block in 0..to_u64(blocks) {
            let slot = index.slot_of(tree.digest_of(block));
            if index.table[slot] == NONE {
                index.table[slot] = block;
            }
        }
        let zeros = vec![0; tree.params().data_block_size().buffer_len(1)];
        index.zero = index.first_of(tree.hasher().hash_one(&zeros).as_bytes());
        index
    }

    /// Hashes what the slot has. Blocks that are right where they are stay; others serve until they
    /// are overwritten.
    ///
    /// # Errors
    /// [`Error::Cancelled`], and where threads cannot be started. What cannot be read is not there.
    pub fn add_slot<D: ReadAt + ?Sized>(
        &mut self,
        data: &D,
        settings: &Settings<'_>,
    ) -> Result<(), Error> {
        self.scan(data, settings, |index, block, digest| {
            if block < to_u64(index.in_place.len()) && digest == index.tree.digest_of(block) {
                index.in_place[to_len(block)].store(true, Ordering::Relaxed);
            }
            // The last one is kept: it is overwritten last.
            index.found(digest, SLOT, BLOCK_MASK - block.min(BLOCK_MASK));
        })
    }

    /// Hashes a seed: anything that may have blocks of the new image, on multiples of their size.
    ///
    /// # Errors
    /// As [`DigestIndex::add_slot`].
    ///
    /// # Panics
    /// With more than 65,000 seeds.
    pub fn add_seed<D: ReadAt + ?Sized>(
        &mut self,
        seed: &D,
        settings: &Settings<'_>,
    ) -> Result<(), Error> {
        let number = self.next_seed();
        self.scan(seed, settings, |index, block, digest| index.found(digest, number, block))
    }

    /// Takes the digests of another image as if its blocks had been hashed.
    ///
    /// # Panics
    /// If its parameters hash in another way: see [`DigestIndex::is_comparable`].
    pub fn add_tree(&mut self, old: &VerifiedTree) {
        assert!(self.is_comparable(old), "digests of one kind");
        let number = self.next_seed();
        for block in 0..old.params().data_blocks() {
            let digest = old.digest_of(block);
            if block < to_u64(self.in_place.len()) && digest == self.tree.digest_of(block) {
                self.in_place[to_len(block)].store(true, Ordering::Relaxed);
            }
            self.found(digest, number, block);
        }
    }

    /// Whether equal digests of that tree mean equal blocks: algorithm, hash type, salt and size of
    /// data blocks are the same.
    pub fn is_comparable(&self, old: &VerifiedTree) -> bool {
        let (a, b) = (self.tree.params(), old.params());
        (a.algorithm(), a.hash_type(), a.data_block_size(), a.salt())
            == (b.algorithm(), b.hash_type(), b.data_block_size(), b.salt())
    }

    fn next_seed(&mut self) -> u64 {
        let number = self.seeds;
        assert!(number < SLOT - 1, "at most 65,000 seeds");
        self.seeds += 1;
        number
    }

    /// Hashes all whole blocks of something.
    fn scan<D: ReadAt + ?Sized>(
        &self,
        source: &D,
        settings: &Settings<'_>,
        see: impl Fn(&Self, u64, &[u8]) + Sync,
    ) -> Result<(), Error> {
        let params = self.tree.params();
        let (block_size, work) = (u64::from(params.data_block_size()), settings.work(params));
        let ranges = self.scanned(source, work.progress)?;
        let blocks: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        source.expect_sequential();
        let reader = RunReader::new(source, params, self.tree.hasher());
        work.run(blocks.saturating_mul(block_size), |crew| {
            let scan_range = |blocks: &Range<u64>| {
                Pieces::new(params, blocks.clone()).for_each(
                    crew,
                    || (RunBuffer::default(), Vec::new()),
                    |(buffer, digests), mut piece| {
                        while !piece.is_empty() {
                            let run = reader.next_run(buffer, &piece);
                            digests.resize(to_len(run.len()) * reader.hasher().digest_size(), 0);
                            match reader.hash(buffer, &run, digests) {
                                Ok(()) => {
                                    let found = digests.chunks_exact(reader.hasher().digest_size());
                                    (run.blocks.start..)
                                        .zip(found)
                                        .for_each(|(block, digest)| see(self, block, digest));
                                }
                                Err(error) if error.is_about_source() => return Err(Ended),
                                // What cannot be read is not there.
                                Err(_) => {}
                            }
                            let size = run.len() * block_size;
                            work::advance(work.progress, size).map_err(|_| Ended)?;
                            piece.start = run.blocks.end;
                        }
                        Ok(())
                    },
                )
            };
            let scanned = ranges.iter().try_for_each(scan_range);
            scanned.or_else(|Ended| work::advance(work.progress, 0))
        })
    }

    /// The whole blocks that are looked at: those where the new image lies, and behind them what is
    /// no hole. Nothing is copied out of holes, which can be of any size.
    fn scanned<D: ReadAt + ?Sized>(
        &self,
        source: &D,
        progress: &dyn Progress,
    ) -> Result<Vec<Range<u64>>, Error> {
        let (params, len) = (self.tree.params(), source.len()?);
        let (block_size, new_end) = (u64::from(params.data_block_size()), params.data_size());
        let blocks = len / block_size;
        let first = 0..params.data_blocks().min(blocks);
        let mut ranges = Vec::from([first]);
        let mut offset = new_end;
        while offset < len {
            work::advance(progress, 0)?;
            let extent = source.extent_at(offset).beyond(offset);
            let range = offset / block_size..extent.end().min(len).div_ceil(block_size).min(blocks);
            offset = extent.end();
            if let Extent::Hole { .. } = extent {
                continue;
            }
            let is_full = ranges.len() == MOST_RANGES;
            match ranges.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                // It is only less that is found.
                _ if is_full => break,
                _ => ranges.push(range),
            }
        }
        Ok(ranges)
    }

    /// Takes note of where a block lies, if the new image has it.
    fn found(&self, digest: &[u8], seed: u64, block: u64) {
        if block > BLOCK_MASK {
            return;
        }
        if let Some(first) = self.first_of(digest) {
            let place = seed << BLOCK_BITS | block;
            self.places[to_len(first)].fetch_min(place, Ordering::Relaxed);
        }
    }

    pub(super) fn tree(&self) -> &'t VerifiedTree {
        self.tree
    }

    /// Whether the slot has a block in its place.
    pub(super) fn is_in_place(&self, block: u64) -> bool {
        self.in_place.get(to_len(block)).is_some_and(|found| found.load(Ordering::Relaxed))
    }

    /// Whether it is a block of zeros.
    pub(super) fn is_zero(&self, first: u64) -> bool {
        self.zero == Some(first)
    }

    /// The first block of the new image that is equal to this one.
    pub(super) fn first_equal(&self, block: u64) -> u64 {
        self.first_of(self.tree.digest_of(block)).unwrap_or(block)
    }

    /// Where the first block with a digest lies, if that is known.
    pub(super) fn place_of(&self, first: u64) -> Option<Place> {
        let place = self.places[to_len(first)].load(Ordering::Relaxed);
        match (place >> BLOCK_BITS, place & BLOCK_MASK) {
            _ if place == NONE => None,
            (SLOT, block) => Some(Place::Slot { block: BLOCK_MASK - block }),
            (seed, block) => Some(Place::Seed { seed: to_len(seed), block }),
        }
    }

    /// The first block of the new image with this digest.
    fn first_of(&self, digest: &[u8]) -> Option<u64> {
        Some(self.table[self.slot_of(digest)]).filter(|block| *block != NONE)
    }

    /// The slot of a digest in the table: its own, or the empty one where it would go.
    fn slot_of(&self, digest: &[u8]) -> usize {
        let mask = self.table.len() - 1;
        let mut slot = to_len(self.places_of.hash_one(digest) & to_u64(mask));
        loop {
            match self.table[slot] {
                NONE => return slot,
                block if self.tree.digest_of(block) == digest => return slot,
                _ => slot = (slot + 1) & mask,
            }
        }
    }
}

/// A seed is of no more use, or the work is to end.
struct Ended;
