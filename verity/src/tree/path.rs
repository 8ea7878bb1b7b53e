//! From the root hash down to the digests that blocks must have.
//!
//! A hash block is used in one of two ways: from the cache, into which only verified ones get, or
//! from the private copy that was just hashed and compared. So it does not matter to the result
//! what the cache still holds, and a cache without any room is only slow.

use std::ops::Range;

use crate::hash::digest;
use crate::io::ReadAt;
use crate::layout::Layer;
use crate::{BlockRef, Digest, Error};

use super::{Fault, Lookup, Tree};

impl<H: ReadAt> Tree<H> {
    /// The digest that a block must have.
    pub(crate) fn expected(&self, lookup: &mut Lookup, block: BlockRef) -> Result<Digest, Error> {
        self.expected_by(block, &mut lookup.hash_block, &mut |level, block, expected, bytes| {
            self.fetch(level, block, expected, bytes)
        })
    }

    /// Puts the digests that blocks of a layer must have into `lookup.digests`, back to back. If
    /// some cannot be had, those before them are there, and the error says why.
    pub(crate) fn expected_in(
        &self,
        lookup: &mut Lookup,
        layer: Layer,
        blocks: Range<u64>,
    ) -> Result<(), Error> {
        let Lookup { hash_block, digests } = lookup;
        digests.clear();
        let geometry = self.params.geometry();
        let Some(above) = geometry.level_above(layer) else {
            digests.extend_from_slice(self.root.as_bytes());
            return Ok(());
        };
        let per_block = geometry.hashes_per_block();
        let mut start = blocks.start;
        while start < blocks.end {
            let block = geometry.hash_block_above(start);
            let end = (block + 1).saturating_mul(per_block).min(blocks.end);
            self.with_hash_block(above, block, hash_block, |bytes| {
                for position in start..end {
                    digests.extend_from_slice(geometry.digest_in(bytes, layer, position));
                }
            })?;
            start = end;
        }
        Ok(())
    }

    /// The digest that a block must have: from the lowest hash block above it that is in the cache,
    /// or from the root hash, and down again through those that are not. `fetch` puts each of these
    /// into the buffer, verified.
    pub(crate) fn expected_by(
        &self,
        block: BlockRef,
        buffer: &mut Vec<u8>,
        fetch: &mut impl FnMut(u8, u64, &Digest, &mut Vec<u8>) -> Result<(), Error>,
    ) -> Result<Digest, Error> {
        let geometry = self.params.geometry();
        let (layer, position) = (block.layer(), block.block());
        let Some(above) = geometry.level_above(layer) else { return Ok(self.root) };
        let parent = geometry.hash_block_above(position);
        let stated = |bytes: &[u8]| digest(geometry.digest_in(bytes, layer, position));
        if let Some(expected) = self.cached(above, parent, stated) {
            return Ok(expected);
        }
        let name = BlockRef::Hash { level: above, block: parent };
        let expected = self.expected_by(name, buffer, fetch)?;
        fetch(above, parent, &expected, buffer)?;
        Ok(stated(buffer))
    }

    /// Lets `copy` look at a verified hash block.
    pub(super) fn with_hash_block<R>(
        &self,
        level: u8,
        block: u64,
        buffer: &mut Vec<u8>,
        mut copy: impl FnMut(&[u8]) -> R,
    ) -> Result<R, Error> {
        if let Some(result) = self.cached(level, block, &mut copy) {
            return Ok(result);
        }
        let name = BlockRef::Hash { level, block };
        let mut fetch = |level, block, expected: &Digest, bytes: &mut Vec<u8>| {
            self.fetch(level, block, expected, bytes)
        };
        let expected = self.expected_by(name, buffer, &mut fetch)?;
        fetch(level, block, &expected, buffer)?;
        Ok(copy(buffer))
    }

    /// Reads a hash block, checks it, and puts it into the cache.
    pub(crate) fn fetch(
        &self,
        level: u8,
        block: u64,
        expected: &Digest,
        bytes: &mut Vec<u8>,
    ) -> Result<(), Error> {
        bytes.resize(self.params.hash_block_size().buffer_len(1), 0);
        self.counts().hash_blocks_read.add(1);
        let name = BlockRef::Hash { level, block };
        let fault = match self.read(level, block, bytes) {
            Ok(()) => self.check(name, expected.as_bytes(), bytes).map(Fault::Corrupt),
            Err(error) => Some(Fault::Unreadable(error)),
        };
        if let Some(fault) = fault {
            self.ask_repair(name, fault, expected.as_bytes(), bytes)?;
        }
        self.keep(level, block, bytes);
        Ok(())
    }
}
