//! The hash blocks of a wave, level by level: each read once and compared to its parent.

use std::ops::Range;
use std::sync::atomic::Ordering;

use crate::io::{ReadAt, first_failing};
use crate::work::RUN_SIZE;
use crate::{BlockRef, CorruptRange, Corruption, Error};

use super::Search;
use super::report::append;
use super::waves::{Waves, mismatch};
use super::window::Window;

impl<D, H> Waves<'_, D, H>
where
    D: ReadAt + ?Sized,
    H: ReadAt + ?Sized,
{
    /// Moves the window of `level` to the hash blocks above this wave, verifies the new ones against the
    /// window above, and returns the corrupt ones as ranges in order.
    pub(super) fn verify_level(
        &self,
        level: usize,
        wave: &Range<u64>,
        windows: &mut [Window],
    ) -> Result<Vec<CorruptRange>, Error> {
        let (lower, upper) = windows.split_at_mut(level + 1);
        let block_size = self.params().hash_block_size();
        let per_block = self.geometry().hashes_per_block();
        let above = (0..level).fold(wave.clone(), |range, _| {
            range.start / per_block..(range.end - 1) / per_block + 1
        });
        let fresh = lower[level].advance_to(above, block_size);
        let window = &mut lower[level];
        let per_run = block_size.blocks_in(RUN_SIZE);
        let chunk = usize::try_from(per_run).unwrap_or(usize::MAX);
        let kept = window.verified.len() - fresh;
        let parent = upper.first();
        let fresh_bytes = &mut window.bytes[block_size.buffer_len(kept)..];
        let first = window.first + u64::try_from(kept).unwrap_or(u64::MAX);
        let results = self.crew.in_chunks(
            (fresh_bytes, block_size.buffer_len(chunk)),
            (&mut window.verified[kept..], chunk),
            |index, bytes, verified| {
                let first = first + u64::try_from(index).unwrap_or(u64::MAX) * per_run;
                self.verify_hash_blocks(level, first, bytes, verified, parent)
            },
        );
        let mut corrupt = Vec::new();
        for ranges in results {
            match ranges {
                // What comes first in the order is what counts, as in the data.
                Err(error) if !matches!(error, Error::Cancelled) && self.is_enough(&corrupt) => {
                    break;
                }
                ranges => ranges?.into_iter().for_each(|range| {
                    append(&mut corrupt, range, usize::MAX);
                }),
            }
        }
        Ok(corrupt)
    }

    fn is_enough(&self, corrupt: &[CorruptRange]) -> bool {
        self.search == Search::First && !corrupt.is_empty()
    }

    /// Reads hash blocks into `bytes`, and marks in `verified` those whose digests are what the level above
    /// says.
    fn verify_hash_blocks(
        &self,
        level: usize,
        first: u64,
        bytes: &mut [u8],
        verified: &mut [bool],
        parent: Option<&Window>,
    ) -> Result<Vec<CorruptRange>, Error> {
        let shape = self.geometry().levels()[level];
        let level = u8::try_from(level).unwrap_or(u8::MAX);
        let block_size = self.params().hash_block_size();
        let start = self.verifier.trusted.hash_area().tree_range().start;
        let offset = start + (shape.start + first) * u64::from(block_size);
        if let Err(error) = self.hash.read_exact_at(bytes, offset) {
            let mut block = vec![0; block_size.buffer_len(1)];
            let blocks = u64::try_from(verified.len()).unwrap_or(u64::MAX);
            let (index, source) = first_failing(error, blocks, |index| {
                self.hash.read_exact_at(&mut block, offset + index * u64::from(block_size))
            });
            return Err(Error::Read {
                block: BlockRef::Hash { level, block: first + index },
                source,
            });
        }
        let mut digests = vec![0; verified.len() * self.hasher().digest_size()];
        self.hasher().hash_many(bytes, block_size.buffer_len(1), &mut digests);
        let (mut compared, mut corrupt) = (0, Vec::new());
        let blocks = bytes.chunks_exact(block_size.buffer_len(1));
        let digests = digests.chunks_exact(self.hasher().digest_size());
        for (block, ((bytes, actual), verified)) in (first..).zip(blocks.zip(digests).zip(verified))
        {
            let Some(expected) = self.expected(parent, level + 1, block) else { continue };
            compared += 1;
            *verified = expected == actual;
            let corruption = match *verified {
                true => self.spare_byte(level, block, bytes),
                false => Some(mismatch(expected, actual)),
            };
            if let Some(corruption) = corruption {
                let first = BlockRef::Hash { level, block };
                append(&mut corrupt, CorruptRange { first, blocks: 1, corruption }, usize::MAX);
            }
        }
        self.counts.hash_blocks.fetch_add(compared, Ordering::Relaxed);
        self.advance(u64::try_from(bytes.len()).unwrap_or(u64::MAX))?;
        Ok(corrupt)
    }

    /// What the hash block at `level` above says the digest of block `position` is; the root hash above the
    /// top. `None` if that hash block is corrupt, so that nothing can be said.
    pub(super) fn expected<'w>(
        &'w self,
        parent: Option<&'w Window>,
        level: u8,
        position: u64,
    ) -> Option<&'w [u8]> {
        let Some(window) = parent else { return Some(self.root.as_bytes()) };
        let slot = self.geometry().locate(level, position);
        let block = window.block(slot.block, self.params().hash_block_size())?;
        Some(self.geometry().digest_at(slot, block))
    }

    fn spare_byte(&self, level: u8, block: u64, bytes: &[u8]) -> Option<Corruption> {
        let offset = self.geometry().spare_byte(level, block, bytes)?;
        Some(Corruption::SpareBytes { offset })
    }
}
