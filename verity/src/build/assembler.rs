//! The heart of building: digests go into slots, full hash blocks are hashed upwards.
//!
//! It takes digests in any order and from any thread, and knows nothing of sources, files or
//! threads. So reading from start to end, in parity's strides, or only the changed ranges, and
//! input that is pushed, are the same to it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, OnceLock};

use crate::hash::{BlockHasher, digest};
use crate::lock::unpoisoned;
use crate::number::{to_len, to_u64};
use crate::{Error, Geometry, Params, RootHash};

use super::sink::HashSink;

/// Assembles one hash tree out of the digests of its data blocks.
pub(super) struct Assembler<'a> {
    data_blocks: u64,
    geometry: Geometry,
    hash_block_len: usize,
    hashes_per_block: usize,
    slot_size: usize,
    hasher: BlockHasher,
    sink: Box<dyn HashSink + 'a>,
    /// The hash blocks of each level that have some of their digests, but not all.
    open: Vec<Mutex<HashMap<u64, OpenBlock>>>,
    root: OnceLock<RootHash>,
}

/// A hash block that waits for digests.
struct OpenBlock {
    bytes: Vec<u8>,
    missing: usize,
}

impl<'a> Assembler<'a> {
    pub(super) fn new(
        params: &Params,
        hasher: BlockHasher,
        sink: impl HashSink + 'a,
    ) -> Assembler<'a> {
        let geometry = params.geometry().clone();
        Assembler {
            data_blocks: params.data_blocks(),
            hash_block_len: params.hash_block_size().buffer_len(1),
            hashes_per_block: to_len(geometry.hashes_per_block()),
            slot_size: to_len(geometry.slot_size().into()),
            hasher,
            sink: Box::new(sink),
            open: geometry.levels().iter().map(|_| Mutex::default()).collect(),
            geometry,
            root: OnceLock::new(),
        }
    }

    /// Takes the digests of data blocks `first_block` and following,
    /// back to back. Each digest is to come once.
    ///
    /// # Panics
    /// When there are more digests than data blocks.
    pub(super) fn push(&self, first_block: u64, digests: &[u8]) -> Result<(), Error> {
        let count = to_u64(digests.len() / self.hasher.digest_size());
        let end = first_block.checked_add(count);
        assert!(end.is_some_and(|end| end <= self.data_blocks), "digests of data blocks only");
        self.push_level(0, first_block, digests)
    }

    /// The root hash, once every digest has come.
    ///
    /// # Panics
    /// When digests are missing.
    pub(super) fn finish(self) -> RootHash {
        self.root.into_inner().expect("every data block was pushed")
    }

    /// The root hash of fewer data blocks than the assembler was made for, as many as were pushed:
    /// their tree has `levels` levels. Hash blocks that wait for more digests are closed as they
    /// are, lower ones first.
    ///
    /// # Panics
    /// When digests are missing before the last one that was pushed.
    pub(super) fn finish_early(self, levels: usize) -> Result<RootHash, Error> {
        for (level, open) in (0..).zip(self.open.iter().take(levels)) {
            let waiting: Vec<_> = unpoisoned(open.lock()).drain().collect();
            assert!(waiting.len() <= 1, "only the last hash block of a level waits");
            for (block, open) in waiting {
                self.close(level, block, open.bytes)?;
            }
        }
        let Some(above) = self.open.get(levels) else { return Ok(self.finish()) };
        let above = unpoisoned(above.lock());
        let only = above.get(&0).expect("something was pushed");
        Ok(RootHash::new(digest(&only.bytes[..self.hasher.digest_size()])))
    }

    /// Takes digests for slots `position` and following of `level`, and
    /// climbs with what they complete.
    fn push_level(&self, level: u8, mut position: u64, mut digests: &[u8]) -> Result<(), Error> {
        let Some(shape) = self.geometry.levels().get(usize::from(level)) else {
            let root = RootHash::new(digest(digests));
            assert!(self.root.set(root).is_ok(), "the top hash block closes once");
            return Ok(());
        };
        while !digests.is_empty() {
            let slot = self.geometry.locate(level, position);
            let rest = shape.hashes - position;
            let first_slot = to_len(slot.slot);
            // How many slots of this hash block are filled in the end.
            let slots = rest.saturating_add(slot.slot).min(self.geometry.hashes_per_block());
            let slots = to_len(slots);
            let offered = digests.len() / self.hasher.digest_size();
            let taken = if first_slot == 0 && offered >= slots {
                // Whole hash blocks, perhaps several: they are never open, and no lock is taken.
                let whole = match to_u64(offered) < rest {
                    true => offered - offered % self.hashes_per_block,
                    false => to_len(rest),
                };
                let now = self.digests(digests, whole);
                self.close(level, slot.block, self.filled(now))?;
                whole
            } else {
                let some = offered.min(slots - first_slot);
                let now = self.digests(digests, some);
                if let Some(bytes) = self.fill(level, slot.block, first_slot, slots, now) {
                    self.close(level, slot.block, bytes)?;
                }
                some
            };
            digests = &digests[taken * self.hasher.digest_size()..];
            position += to_u64(taken);
        }
        Ok(())
    }

    fn digests<'d>(&self, digests: &'d [u8], count: usize) -> &'d [u8] {
        &digests[..count * self.hasher.digest_size()]
    }

    /// New hash blocks that hold these digests from their first slot on.
    fn filled(&self, digests: &[u8]) -> Vec<u8> {
        let per_block = self.hashes_per_block * self.hasher.digest_size();
        let blocks = digests.chunks(per_block);
        let mut bytes = vec![0; blocks.len() * self.hash_block_len];
        for (block, digests) in bytes.chunks_exact_mut(self.hash_block_len).zip(blocks) {
            self.put(block, 0, digests);
        }
        bytes
    }

    /// Puts digests into an open hash block, which has `slots` slots to
    /// fill; returns it once it is full.
    fn fill(
        &self,
        level: u8,
        block: u64,
        first_slot: usize,
        slots: usize,
        digests: &[u8],
    ) -> Option<Vec<u8>> {
        let level = &self.open[usize::from(level)];
        let mut open = unpoisoned(level.lock());
        let mut entry = match open.entry(block) {
            Entry::Occupied(entry) => entry,
            Entry::Vacant(entry) => entry
                .insert_entry(OpenBlock { bytes: vec![0; self.hash_block_len], missing: slots }),
        };
        self.put(&mut entry.get_mut().bytes, first_slot, digests);
        let count = digests.len() / self.hasher.digest_size();
        let missing = entry.get().missing.checked_sub(count).expect("each digest comes once");
        entry.get_mut().missing = missing;
        (missing == 0).then(|| entry.remove().bytes)
    }

    fn put(&self, block: &mut [u8], first_slot: usize, digests: &[u8]) {
        let digest_size = self.hasher.digest_size();
        let slots = block[first_slot * self.slot_size..].chunks_mut(self.slot_size);
        for (slot, digest) in slots.zip(digests.chunks_exact(digest_size)) {
            slot[..digest_size].copy_from_slice(digest);
        }
    }

    /// Full hash blocks of a level, from number `first` on: out to the
    /// sink, their digests one level up.
    fn close(&self, level: u8, first: u64, bytes: Vec<u8>) -> Result<(), Error> {
        let blocks = bytes.len() / self.hash_block_len;
        let mut digests = vec![0; blocks * self.hasher.digest_size()];
        self.hasher.hash_many(&bytes, self.hash_block_len, &mut digests);
        self.sink.hash_blocks(level, first, &bytes)?;
        drop(bytes);
        self.push_level(level + 1, first, &digests)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Algorithm, BlockSize, HashType};

    const ALGORITHMS: [Algorithm; 3] = [Algorithm::Sha256, Algorithm::Sha1, Algorithm::Sha512];

    /// Keeps hash blocks as (level, number) → bytes and refuses a second one.
    #[derive(Default)]
    struct Kept(Mutex<HashMap<(u8, u64), Vec<u8>>>);

    impl HashSink for Kept {
        fn hash_blocks(&self, level: u8, first: u64, bytes: &[u8]) -> Result<(), Error> {
            for (block, bytes) in (first..).zip(bytes.chunks_exact(512)) {
                assert!(self.0.lock().unwrap().insert((level, block), bytes.to_vec()).is_none());
            }
            Ok(())
        }
    }

    fn assemble(params: &Params, pieces: &[std::ops::Range<u64>]) -> (RootHash, Kept) {
        let hasher = BlockHasher::new(params);
        let kept = Kept::default();
        let assembler = Assembler::new(params, hasher.clone(), &kept);
        for piece in pieces {
            let mut digests = Vec::new();
            for block in piece.clone() {
                digests.extend(hasher.hash_one(&block.to_le_bytes()).as_bytes());
            }
            assembler.push(piece.start, &digests).unwrap();
        }
        assert!(assembler.open.iter().all(|level| level.lock().unwrap().is_empty()));
        let root = assembler.finish();
        (root, kept)
    }

    proptest! {
        #[test]
        fn any_order_and_any_pieces_make_the_same_tree(
            data_blocks in 1_u64..700,
            algorithm in prop::sample::select(ALGORITHMS.as_slice()),
            hash_type in prop::sample::select(vec![HashType::ChromeOs, HashType::Normal]),
            cuts in prop::collection::vec(0_u64..700, 0..12),
            shuffle in any::<u64>(),
        ) {
            let params = Params::builder()
                .algorithm(algorithm)
                .hash_type(hash_type)
                .hash_block_size(BlockSize::MIN)
                .data_blocks(data_blocks)
                .build()
                .unwrap();
            let mut cuts: Vec<_> = cuts.into_iter().filter(|cut| *cut < data_blocks).collect();
            cuts.extend([0, data_blocks]);
            cuts.sort_unstable();
            let mut pieces: Vec<_> = cuts.windows(2).map(|pair| pair[0]..pair[1]).collect();
            pieces.sort_by_key(|piece| piece.start.wrapping_mul(shuffle | 1));
            let (root, kept) = assemble(&params, &pieces);
            let singles: Vec<_> = (0..data_blocks).map(|block| block..block + 1).collect();
            let (slow_root, slow_kept) = assemble(&params, &singles);
            prop_assert_eq!(root, slow_root);
            let kept = kept.0.into_inner().unwrap();
            prop_assert_eq!(kept.len() as u64, params.geometry().hash_blocks());
            prop_assert!(kept == slow_kept.0.into_inner().unwrap());
        }
    }
}
