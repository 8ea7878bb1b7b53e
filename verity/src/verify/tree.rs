//! The hash blocks of a wave, level by level: each read once and compared to its parent.

use std::ops::Range;
use std::sync::atomic::Ordering;

use crate::io::{FailedBlock, ReadAt, read_blocks};
use crate::layout::Layer;
use crate::number::{to_len, to_u64};
use crate::tree::judge;
use crate::work::RUN_SIZE;
use crate::{BlockRef, CorruptRange, Corruption, Error};

use super::Search;
use super::report::{append, note};
use super::waves::{Unreadable, Wave, Waves};
use super::window::{Fresh, Window};

impl<D, H> Waves<'_, D, H>
where
    D: ReadAt + ?Sized,
    H: ReadAt + ?Sized,
{
    /// Moves the window of `level` to the hash blocks above a wave, verifies the new ones
    /// against the window above, and returns the corrupt ones as ranges in order.
    ///
    /// # Panics
    /// If there is no such level.
    pub(super) fn verify_level(
        &self,
        level: u8,
        wave: &Wave,
        windows: &mut [Window],
    ) -> Result<Vec<CorruptRange>, Error> {
        let (window, above) = windows.split_at_mut(usize::from(level) + 1);
        let (window, parent) = (&mut window[usize::from(level)], above.first());
        let block_size = self.params().hash_block_size();
        let Fresh { first, bytes, verified } =
            window.advance_to(self.blocks_above(level, wave), block_size);
        let per_run = to_len(block_size.blocks_in(RUN_SIZE));
        let results = self.crew.in_chunks(
            (bytes, block_size.buffer_len(per_run)),
            (verified, per_run),
            |index, bytes, verified| {
                let first = first + to_u64(index * per_run);
                self.verify_hash_blocks(level, first, bytes, verified, parent)
            },
        );
        self.up_to_failure(results)
    }

    /// The hash blocks of `level` that stand above a wave, or are the wave.
    pub(super) fn blocks_above(&self, level: u8, wave: &Wave) -> Range<u64> {
        let above = |block| self.geometry().hash_block_above(block);
        (wave.level..level)
            .fold(wave.blocks.clone(), |it, _| above(it.start)..above(it.end - 1) + 1)
    }

    /// What was found in chunks that follow one another. What comes first in the order is what
    /// counts, as in the data: after a corruption that ends the search, a failure does not matter.
    fn up_to_failure(
        &self,
        results: Vec<Result<Vec<CorruptRange>, Error>>,
    ) -> Result<Vec<CorruptRange>, Error> {
        let mut corrupt = Vec::new();
        for ranges in results {
            let is_enough = self.search == Search::First && !corrupt.is_empty();
            match ranges {
                Err(error) if is_enough && !matches!(error, Error::Cancelled) => break,
                ranges => ranges?.into_iter().for_each(|range| append(&mut corrupt, range)),
            }
        }
        Ok(corrupt)
    }

    /// Reads hash blocks into `bytes`, and marks in `verified` those whose digests are what the
    /// level above says.
    fn verify_hash_blocks(
        &self,
        level: u8,
        first: u64,
        bytes: &mut [u8],
        verified: &mut [bool],
        parent: Option<&Window>,
    ) -> Result<Vec<CorruptRange>, Error> {
        let is_known = |block| self.expected(parent, Layer::Level(level), block).is_some();
        if !(first..first + to_u64(verified.len())).any(is_known) {
            return Ok(Vec::new());
        }
        let unreadable = self.read_hash_blocks(level, first, bytes)?;
        let (digest_size, block_len) =
            (self.hasher().digest_size(), self.params().hash_block_size().buffer_len(1));
        let mut digests = vec![0; verified.len() * digest_size];
        self.hasher().hash_many(bytes, block_len, &mut digests);
        let (mut compared, mut corrupt) = (0, Vec::new());
        let hashed = bytes.chunks_exact(block_len).zip(digests.chunks_exact(digest_size));
        for (block, ((bytes, actual), verified)) in (first..).zip(hashed.zip(verified)) {
            let Some(expected) = self.expected(parent, Layer::Level(level), block) else {
                continue;
            };
            let name = BlockRef::Hash { level, block };
            if let Some(unreadable) = unreadable.get(&block) {
                note(&mut corrupt, name, *unreadable);
                continue;
            }
            compared += 1;
            let corruption = judge(self.geometry(), name, expected, actual, bytes);
            *verified = !matches!(corruption, Some(Corruption::Digest { .. }));
            corruption.into_iter().for_each(|corruption| note(&mut corrupt, name, corruption));
        }
        self.counts.hash_blocks.fetch_add(compared, Ordering::Relaxed);
        self.advance(to_u64(bytes.len()))?;
        Ok(corrupt)
    }

    /// Reads hash blocks. Where all findings are wanted, those that cannot be read are returned.
    fn read_hash_blocks(
        &self,
        level: u8,
        first: u64,
        bytes: &mut [u8],
    ) -> Result<Unreadable, Error> {
        let block_len = self.params().hash_block_size().buffer_len(1);
        let offset = self.verifier.trusted.hash_area().offset_of(self.params(), level, first);
        let Err(FailedBlock { index, error }) = read_blocks(self.hash, bytes, block_len, offset)
        else {
            return Ok(Unreadable::new());
        };
        let failed = first + index;
        if !self.goes_on_after(&error) {
            let block = BlockRef::Hash { level, block: failed };
            return Err(Error::Read { block, source: error });
        }
        // A failure that does not come again is still one.
        let mut unreadable = Unreadable::from([(failed, Corruption::unreadable(&error))]);
        let blocks = (first..).zip(bytes.chunks_exact_mut(block_len));
        for (block, bytes) in blocks.filter(|(block, _)| *block != failed) {
            self.advance(0)?;
            let offset = offset + (block - first) * to_u64(block_len);
            if let Err(error) = self.hash.read_exact_at(bytes, offset) {
                if !self.goes_on_after(&error) {
                    let block = BlockRef::Hash { level, block };
                    return Err(Error::Read { block, source: error });
                }
                unreadable.insert(block, Corruption::unreadable(&error));
            }
        }
        Ok(unreadable)
    }

    /// The digest that a block must have: as the window above its layer states it, or the root
    /// hash. `None` if the hash block above it is corrupt, so that nothing can be said.
    pub(super) fn expected<'w>(
        &'w self,
        parent: Option<&'w Window>,
        layer: Layer,
        position: u64,
    ) -> Option<&'w [u8]> {
        let Some(window) = parent else { return Some(self.root.as_bytes()) };
        let above = self.geometry().hash_block_above(position);
        let hash_block = window.block(above, self.params().hash_block_size())?;
        Some(self.geometry().digest_in(hash_block, layer, position))
    }
}
