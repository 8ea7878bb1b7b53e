//! Hash blocks of data whose length is not known yet.
//!
//! Higher levels lie before lower ones, so where level 0 begins is known only with the number of
//! data blocks. Until then it lies where the tree begins, and what is above it, the 128th part and
//! less, is kept in memory. In the end level 0 moves behind the others, last block first. It is
//! checked on the way against its digests, which have not left memory: the root hash is that of
//! the data that was pushed, whatever the storage has made of the tree.

use std::sync::Mutex;

use crate::hash::BlockHasher;
use crate::io::{FailedBlock, ReadAt, WriteAt, read_blocks};
use crate::layout::Layer;
use crate::lock::unpoisoned;
use crate::number::{to_len, to_u64};
use crate::{BlockRef, BlockSize, Corruption, Digest, Error, HashArea, Params, Report, RootHash};

use super::sink::{HashSink, write_hash_blocks};

/// A hash area whose levels find their places in the end.
pub(super) struct Spill<W> {
    hash: W,
    /// Where the tree begins, in bytes.
    start: u64,
    block_size: BlockSize,
    /// The hash blocks of each level above 0.
    upper: Mutex<Vec<Vec<u8>>>,
}

impl<W: WriteAt> Spill<W> {
    /// The tree is to begin at `start` bytes of `hash`.
    pub(super) fn new(hash: W, start: u64, block_size: BlockSize) -> Spill<W> {
        Spill { hash, start, block_size, upper: Mutex::default() }
    }

    fn block_len(&self) -> usize {
        self.block_size.buffer_len(1)
    }

    /// Where a hash block of level 0 lies until the end.
    fn offset_of(&self, block: u64) -> Result<u64, Error> {
        let offset = block
            .checked_mul(u64::from(self.block_size))
            .and_then(|size| self.start.checked_add(size));
        offset.ok_or_else(|| crate::HashAreaError::TooLarge { offset: self.start }.into())
    }
}

impl<W: WriteAt> HashSink for Spill<W> {
    fn hash_blocks(&self, level: u8, first: u64, bytes: &[u8]) -> Result<(), Error> {
        let Some(above) = usize::from(level).checked_sub(1) else {
            let place = (self.block_len(), self.offset_of(first)?);
            return write_hash_blocks(&self.hash, level, first, bytes, place);
        };
        let mut upper = unpoisoned(self.upper.lock());
        if upper.len() <= above {
            upper.resize(above + 1, Vec::new());
        }
        let (blocks, start) = (&mut upper[above], to_len(first) * self.block_len());
        if blocks.len() < start + bytes.len() {
            blocks.resize(start + bytes.len(), 0);
        }
        blocks[start..][..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }
}

impl<W: ReadAt + WriteAt> Spill<W> {
    /// Puts every level in its place in the hash area, now that the parameters are known.
    pub(super) fn settle(
        &self,
        params: &Params,
        area: &HashArea,
        root_hash: RootHash,
        hasher: &BlockHasher,
    ) -> Result<(), Error> {
        let upper = std::mem::take(&mut *unpoisoned(self.upper.lock()));
        let levels = params.geometry().levels();
        let Some(lowest) = levels.first() else { return Ok(()) };
        if lowest.start > 0 {
            let digests = Digests { params, upper: upper.first(), root_hash };
            self.move_lowest(area, lowest.blocks, &digests, hasher)?;
        }
        for ((level, shape), bytes) in (1..).zip(&levels[1..]).zip(&upper) {
            // What was closed for a larger tree than there is in the end lies behind it.
            let bytes = &bytes[..to_len(shape.blocks) * self.block_len()];
            let place = (self.block_len(), area.offset_of(params, level, 0));
            write_hash_blocks(&self.hash, level, 0, bytes, place)?;
        }
        Ok(())
    }

    /// Moves level 0 behind the levels above it, the last blocks first, so that none is overwritten
    /// before it was read.
    fn move_lowest(
        &self,
        area: &HashArea,
        blocks: u64,
        digests: &Digests<'_>,
        hasher: &BlockHasher,
    ) -> Result<(), Error> {
        let at_once = self.block_size.blocks_in(MOVE_SIZE);
        let mut bytes = vec![0; self.block_size.buffer_len(to_len(at_once.min(blocks)))];
        let mut end = blocks;
        while end > 0 {
            let first = end.saturating_sub(at_once);
            let bytes = &mut bytes[..self.block_size.buffer_len(to_len(end - first))];
            let from = self.offset_of(first)?;
            let read = read_blocks(&self.hash, bytes, self.block_len(), from);
            read.map_err(|FailedBlock { index, error: source }| {
                let block = BlockRef::Hash { level: 0, block: first + index };
                Error::Read { block, source }
            })?;
            for (block, bytes) in (first..).zip(bytes.chunks_exact(self.block_len())) {
                digests.check(block, hasher.hash_one(bytes))?;
            }
            let place = (self.block_len(), area.offset_of(digests.params, 0, first));
            write_hash_blocks(&self.hash, 0, first, bytes, place)?;
            end = first;
        }
        Ok(())
    }
}

/// The digests of the hash blocks of level 0.
struct Digests<'a> {
    params: &'a Params,
    /// The hash blocks of level 1.
    upper: Option<&'a Vec<u8>>,
    root_hash: RootHash,
}

impl Digests<'_> {
    /// Checks that a block of level 0 is still what it was.
    fn check(&self, block: u64, actual: Digest) -> Result<(), Error> {
        let expected = self.of(block);
        if expected.as_bytes() == actual.as_bytes() {
            return Ok(());
        }
        let corruption = Corruption::Digest { expected, actual };
        Err(Error::Corrupt(Report::of_one(Layer::Level(0).block(block), corruption)))
    }

    fn of(&self, block: u64) -> Digest {
        let Some(upper) = self.upper else { return self.root_hash.digest() };
        let slot = self.params.geometry().locate(1, block);
        let block_len = self.params.hash_block_size().buffer_len(1);
        let start = to_len(slot.block) * block_len + to_len(u64::from(slot.offset));
        let size = to_len(self.params.algorithm().digest_size().into());
        debug_assert!(to_u64(start + size) <= to_u64(upper.len()), "level 1 is whole");
        crate::hash::digest(&upper[start..][..size])
    }
}

/// How much of level 0 moves at once, in bytes.
const MOVE_SIZE: u64 = 1024 * 1024;
