//! All hash blocks into the cache at once.

use std::ops::Range;

use crate::io::ReadAt;
use crate::layout::Layer;
use crate::number::to_len;
use crate::work::RUN_SIZE;
use crate::{BlockRef, Error};

use super::{Lookup, Scratch, Tree, grown, judge};

impl<H: ReadAt> Tree<H> {
    /// Reads and verifies all hash blocks into the cache, if it has room for them.
    pub(crate) fn preload(&self, scratch: &mut Scratch) -> Result<(), Error> {
        let geometry = self.params.geometry();
        if self.cache.blocks() < geometry.hash_blocks() {
            let needed = Self::cache_size_for(&self.params);
            return Err(Error::CacheTooSmall { needed, actual: self.cache_size });
        }
        let per_run = self.params.hash_block_size().blocks_in(RUN_SIZE);
        for level in geometry.levels_down() {
            let blocks = geometry.level(level).blocks;
            let mut first = 0;
            while first < blocks {
                let end = first.saturating_add(per_run).min(blocks);
                self.preload_run(level, first..end, scratch)?;
                first = end;
            }
        }
        Ok(())
    }

    /// Reads and hashes some hash blocks at once. What is not right is left to the way that single
    /// ones take.
    fn preload_run(
        &self,
        level: u8,
        blocks: Range<u64>,
        scratch: &mut Scratch,
    ) -> Result<(), Error> {
        let Scratch { blocks: bytes, lookup, actual } = scratch;
        self.expected_in(lookup, Layer::Level(level), blocks.clone())?;
        let Lookup { hash_block, digests } = lookup;
        let block_size = self.params.hash_block_size();
        let (digest_size, one) = (self.hasher.digest_size(), block_size.buffer_len(1));
        let bytes = bytes.sized(block_size.buffer_len(to_len(blocks.end - blocks.start)));
        let actual = grown(actual, digests.len());
        let is_read = self.read(level, blocks.start, bytes).is_ok();
        if is_read {
            self.counts().hash_blocks_read.add(blocks.end - blocks.start);
            self.hasher.hash_many(bytes, one, actual);
        }
        let digests = digests.chunks_exact(digest_size).zip(actual.chunks_exact(digest_size));
        for ((block, bytes), (expected, actual)) in blocks.zip(bytes.chunks_exact(one)).zip(digests)
        {
            let name = BlockRef::Hash { level, block };
            let is_right =
                || judge(self.params.geometry(), name, expected, actual, bytes).is_none();
            if is_read && is_right() {
                self.keep(level, block, bytes);
            } else {
                self.with_hash_block(level, block, hash_block, |_| ())?;
            }
        }
        Ok(())
    }
}
