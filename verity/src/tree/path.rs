//! From the root hash down to the digests that blocks must have.
//!
//! A hash block is used in one of two ways: from the cache, into which only verified ones get, or from the private
//! copy that was just hashed and compared. So it does not matter to the result what the cache still holds, and
//! a cache without any room is only slow.

use std::ops::Range;

use crate::hash::{BlockHasher, digest};
use crate::io::ReadAt;
use crate::work::RUN_SIZE;
use crate::{BlockRef, BlockSize, Corruption, Digest, Error, Geometry, TrustedParams};

use super::cache::HashCache;
use super::check::Checker;
use super::scratch::{Scratch, room};

/// More levels than a tree can have.
const MAX_LEVELS: usize = 64;

/// The hash tree of a reader.
pub(crate) struct Tree<H> {
    pub(crate) hash: H,
    pub(crate) cache: HashCache,
    pub(crate) checker: Checker,
    block_size: BlockSize,
    geometry: Geometry,
    root: Digest,
    /// Where the tree begins on the hash device, in bytes.
    start: u64,
}

impl<H: ReadAt> Tree<H> {
    pub(crate) fn new(
        trusted: &TrustedParams,
        hash: H,
        hasher: BlockHasher,
        cache_size: u64,
    ) -> Tree<H> {
        let params = trusted.params();
        Tree {
            hash,
            cache: HashCache::new(params, cache_size),
            checker: Checker::new(hasher),
            block_size: params.hash_block_size(),
            geometry: params.geometry().clone(),
            root: trusted.root_hash().digest(),
            start: trusted.hash_area().tree_range().start,
        }
    }

    pub(crate) fn hasher(&self) -> &BlockHasher {
        &self.checker.hasher
    }

    /// Hashes by another hasher of the same parameters.
    pub(crate) fn set_hasher(&mut self, hasher: BlockHasher) {
        self.checker.hasher = hasher;
    }

    /// Puts the digests that `blocks` must have into `digests`, back to back: blocks of the data (`level` 0), or of
    /// the hash level below `level`. If some cannot be had, those before them are there, and why is said.
    pub(crate) fn digests(
        &self,
        level: usize,
        blocks: Range<u64>,
        hash_block: &mut Vec<u8>,
        digests: &mut Vec<u8>,
    ) -> Result<(), Error> {
        digests.clear();
        if level == self.geometry.levels().len() {
            // One block: the whole data, or the top hash block.
            digests.extend_from_slice(self.root.as_bytes());
            return Ok(());
        }
        let per_block = self.geometry.hashes_per_block();
        let mut start = blocks.start;
        while start < blocks.end {
            let block = start / per_block;
            let end = (block + 1).saturating_mul(per_block).min(blocks.end);
            self.with_hash_block(level, block, hash_block, |bytes| {
                for position in start..end {
                    digests.extend_from_slice(self.slot(level, position, bytes));
                }
            })?;
            start = end;
        }
        Ok(())
    }

    /// Lets `copy` look at a verified hash block.
    fn with_hash_block<R>(
        &self,
        level: usize,
        block: u64,
        buffer: &mut Vec<u8>,
        mut copy: impl FnMut(&[u8]) -> R,
    ) -> Result<R, Error> {
        if let Some(result) = self.cached(level, block, &mut copy) {
            return Ok(result);
        }
        let expected = self.expected(level, block, buffer)?;
        let bytes = self.verified(level, block, &expected, buffer)?;
        Ok(copy(bytes))
    }

    /// The digest that a hash block must have: from the lowest block above it that is in the cache, or from the
    /// root hash, down again through those that are not.
    fn expected(&self, level: usize, block: u64, buffer: &mut Vec<u8>) -> Result<Digest, Error> {
        let levels = self.geometry.levels().len();
        let mut path = [0; MAX_LEVELS];
        path[level] = block;
        let (mut above, mut expected) = (level, self.root);
        while above + 1 < levels {
            let position = path[above];
            above += 1;
            path[above] = position / self.geometry.hashes_per_block();
            let slot = |bytes: &[u8]| digest(self.slot(above, position, bytes));
            if let Some(found) = self.cached(above, path[above], slot) {
                expected = found;
                above -= 1;
                break;
            }
        }
        // `above` is the highest level to be read, and `expected` the digest of its block.
        for missing in (level + 1..=above).rev() {
            let bytes = self.verified(missing, path[missing], &expected, buffer)?;
            expected = digest(self.slot(missing, path[missing - 1], bytes));
        }
        Ok(expected)
    }

    /// Reads a hash block, compares it, and puts it into the cache.
    pub(crate) fn verified<'b>(
        &self,
        level: usize,
        block: u64,
        expected: &Digest,
        buffer: &'b mut Vec<u8>,
    ) -> Result<&'b [u8], Error> {
        let bytes = room(buffer, self.block_size.buffer_len(1));
        let name = BlockRef::Hash { level: number(level), block };
        let line = self.checker.counting.line();
        line.hash_blocks_read.add(1);
        let read = self.hash.read_exact_at(bytes, self.offset(level, block));
        let spare = |bytes: &[u8]| self.spare_byte(name, bytes);
        self.checker.check_one(name, read, expected.as_bytes(), bytes, spare)?;
        self.insert(level, block, bytes);
        Ok(bytes)
    }

    /// What is wrong with a block that must have this digest.
    pub(crate) fn corruption(
        &self,
        block: BlockRef,
        expected: &[u8],
        bytes: &[u8],
    ) -> Option<Corruption> {
        self.checker.corruption(expected, bytes, |bytes| self.spare_byte(block, bytes))
    }

    /// What else may be wrong with a hash block of the right digest; nothing with a data block.
    pub(crate) fn spare_byte(&self, block: BlockRef, bytes: &[u8]) -> Option<Corruption> {
        let BlockRef::Hash { level, block } = block else { return None };
        let offset = self.geometry.spare_byte(level, block, bytes)?;
        Some(Corruption::SpareBytes { offset })
    }

    /// Keeps a copy of a hash block that was verified elsewhere.
    pub(crate) fn insert(&self, level: usize, block: u64, bytes: &[u8]) {
        self.cache.insert(self.index(level, block), bytes);
    }

    pub(crate) fn cached<R>(
        &self,
        level: usize,
        block: u64,
        copy: impl FnOnce(&[u8]) -> R,
    ) -> Option<R> {
        let result = self.cache.get(self.index(level, block), copy)?;
        self.checker.counting.line().cache_hits.add(1);
        Some(result)
    }

    /// Reads and verifies all hash blocks into the cache, which has room for them.
    pub(crate) fn preload(&self, scratch: &mut Scratch) -> Result<(), Error> {
        let per_run = self.block_size.blocks_in(RUN_SIZE);
        for (level, shape) in self.geometry.levels().iter().enumerate().rev() {
            let mut first = 0;
            while first < shape.blocks {
                let end = first.saturating_add(per_run).min(shape.blocks);
                self.preload_run(level, first..end, scratch)?;
                first = end;
            }
        }
        Ok(())
    }

    /// Reads and hashes some hash blocks at once. What is not right is left to the way that single ones take.
    fn preload_run(
        &self,
        level: usize,
        blocks: Range<u64>,
        scratch: &mut Scratch,
    ) -> Result<(), Error> {
        let Scratch { blocks: bytes, hash_blocks, expected, actual } = scratch;
        self.digests(level + 1, blocks.clone(), hash_blocks, expected)?;
        let count = usize::try_from(blocks.end - blocks.start).unwrap_or(usize::MAX);
        let digest_size = self.checker.hasher.digest_size();
        let one = self.block_size.buffer_len(1);
        let bytes = room(bytes, self.block_size.buffer_len(count));
        let actual = room(actual, count * digest_size);
        let is_read = self.hash.read_exact_at(bytes, self.offset(level, blocks.start)).is_ok();
        if is_read {
            self.checker.counting.line().hash_blocks_read.add(blocks.end - blocks.start);
            self.checker.hasher.hash_many(bytes, one, actual);
        }
        let digests = expected.chunks_exact(digest_size).zip(actual.chunks_exact(digest_size));
        let blocks = blocks.zip(bytes.chunks_exact(one));
        for ((block, bytes), (expected, actual)) in blocks.zip(digests) {
            let is_spare_zero = || self.geometry.spare_byte(number(level), block, bytes).is_none();
            if is_read && expected == actual && is_spare_zero() {
                self.cache.insert(self.index(level, block), bytes);
            } else {
                self.with_hash_block(level, block, hash_blocks, |_| ())?;
            }
        }
        Ok(())
    }

    /// The number of a hash block in the tree.
    fn index(&self, level: usize, block: u64) -> u64 {
        self.geometry.levels()[level].start + block
    }

    /// Where a hash block begins on the hash device, in bytes.
    pub(crate) fn offset(&self, level: usize, block: u64) -> u64 {
        // `HashArea` has checked that the end of the tree is below 2^64.
        self.start + self.index(level, block) * u64::from(self.block_size)
    }

    /// The digest of block `position` below, in the hash block of `level` that holds it.
    pub(crate) fn slot<'b>(&self, level: usize, position: u64, hash_block: &'b [u8]) -> &'b [u8] {
        let slot = self.geometry.locate(number(level), position);
        self.geometry.digest_at(slot, hash_block)
    }
}

/// The number of a level, of which there are at most 63.
fn number(level: usize) -> u8 {
    u8::try_from(level).unwrap_or(u8::MAX)
}
