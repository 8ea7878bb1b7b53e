//! Verified hash blocks, kept in a bounded amount of memory.
//!
//! The cache believes its user: only hash blocks whose digest matched are put into it. Users copy what they need
//! while they hold a lock, so a block that is evicted is gone, and the bound holds at any time.
//!
//! A hash block belongs to one of some shards by its number, so that neighbours, which are read together, lie in
//! different ones and a tree fills all of them evenly. Each shard has a lock of its own, held for a look-up and
//! the copy of some digests. Which block goes first, the clock decides: it passes over those that were used
//! since it came by last.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{BlockSize, Params};

/// What a cached block costs beside its bytes, at the most: its place in the map, its entry, its allocation.
const ENTRY_SIZE: u64 = 128;

/// The most shards; many threads seldom meet in one of them.
const MAX_SHARDS: u64 = 64;

/// Shards are not made smaller than that many blocks, so that the clock has a choice.
const MIN_SHARD_BLOCKS: u64 = 8;

/// How many blocks' bytes are allocated at once.
const CHUNK_BLOCKS: usize = 64;

/// Verified hash blocks by their number in the tree, counted from its first one on the hash device.
pub(super) struct HashCache {
    shards: Box<[Mutex<Shard>]>,
    blocks: u64,
}

struct Shard {
    /// The most blocks it may hold.
    capacity: usize,
    /// The bytes of a block.
    block_size: usize,
    /// The slots of the blocks that are there.
    index: HashMap<u64, usize>,
    /// What lies in each slot.
    entries: Vec<Entry>,
    /// The bytes of [`CHUNK_BLOCKS`] slots each.
    chunks: Vec<Box<[u8]>>,
    /// The slot that the clock looks at next.
    hand: usize,
}

struct Entry {
    block: u64,
    /// Whether it was used since the clock came by.
    used: bool,
}

impl HashCache {
    /// A cache of at most `bytes` bytes, book-keeping included, for the tree with these parameters.
    pub(super) fn new(params: &Params, bytes: u64) -> HashCache {
        let blocks = bytes / cost(params.hash_block_size());
        let blocks = blocks.min(params.geometry().hash_blocks());
        let shards = (blocks / MIN_SHARD_BLOCKS).clamp(1, MAX_SHARDS);
        // A power of two makes the remainder cheap.
        let shards = 1 << shards.ilog2();
        let shard = |number| {
            let capacity = blocks / shards + u64::from(number < blocks % shards);
            let capacity = usize::try_from(capacity).unwrap_or(usize::MAX);
            Mutex::new(Shard::new(capacity, params.hash_block_size().buffer_len(1)))
        };
        HashCache { shards: (0..shards).map(shard).collect(), blocks }
    }

    /// The bytes that hold the whole tree with these parameters.
    pub(super) fn size_for(params: &Params) -> u64 {
        params.geometry().hash_blocks().saturating_mul(cost(params.hash_block_size()))
    }

    /// How many hash blocks it can hold.
    pub(super) fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Lets `copy` look at a block, if it is there.
    pub(super) fn get<R>(&self, block: u64, copy: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let mut shard = self.shard(block);
        let slot = *shard.index.get(&block)?;
        shard.entries[slot].used = true;
        Some(copy(shard.bytes_mut(slot)))
    }

    /// Keeps a copy of a verified hash block, in place of another one if there is no room.
    pub(super) fn insert(&self, block: u64, bytes: &[u8]) {
        let mut shard = self.shard(block);
        // Another thread may have been as fast.
        if shard.capacity > 0 && !shard.index.contains_key(&block) {
            shard.insert(block, bytes);
        }
    }

    fn shard(&self, block: u64) -> MutexGuard<'_, Shard> {
        let count = u64::try_from(self.shards.len()).unwrap_or(u64::MAX);
        let number = usize::try_from(block & (count - 1)).unwrap_or_default();
        self.shards[number].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    fn new(capacity: usize, block_size: usize) -> Shard {
        let (index, entries, chunks) = (HashMap::new(), Vec::new(), Vec::new());
        Shard { capacity, block_size, index, entries, chunks, hand: 0 }
    }

    fn insert(&mut self, block: u64, bytes: &[u8]) {
        let slot = if self.entries.len() < self.capacity { self.grow() } else { self.next_to_go() };
        self.index.remove(&self.entries[slot].block);
        self.entries[slot].block = block;
        self.bytes_mut(slot).copy_from_slice(bytes);
        self.index.insert(block, slot);
    }

    /// A slot that nothing was in yet.
    fn grow(&mut self) -> usize {
        let slot = self.entries.len();
        if slot.is_multiple_of(CHUNK_BLOCKS) {
            let blocks = (self.capacity - slot).min(CHUNK_BLOCKS);
            self.chunks.push(vec![0; blocks * self.block_size].into());
        }
        self.entries.push(Entry { block: u64::MAX, used: false });
        slot
    }

    fn bytes_mut(&mut self, slot: usize) -> &mut [u8] {
        let start = slot % CHUNK_BLOCKS * self.block_size;
        &mut self.chunks[slot / CHUNK_BLOCKS][start..][..self.block_size]
    }

    /// Turns the clock to the first entry that was not used since it was there last; at most once around.
    fn next_to_go(&mut self) -> usize {
        loop {
            let slot = self.hand;
            self.hand = (slot + 1) % self.entries.len();
            if !std::mem::take(&mut self.entries[slot].used) {
                return slot;
            }
        }
    }
}

fn cost(block_size: BlockSize) -> u64 {
    u64::from(block_size) + ENTRY_SIZE
}

#[cfg(test)]
mod tests {
    use super::*;

    /// sha256 and hash blocks of 512 bytes: 16 hashes a block.
    fn params(hash_blocks_of_level_0: u64) -> Params {
        let params = Params::builder().hash_block_size(BlockSize::MIN);
        params.data_blocks(16 * hash_blocks_of_level_0).build().unwrap()
    }

    fn cache(blocks: u64) -> HashCache {
        HashCache::new(&params(1 << 20), blocks * cost(BlockSize::MIN))
    }

    fn bytes(block: u64) -> [u8; 512] {
        let mut bytes = [0; 512];
        bytes[..8].copy_from_slice(&block.to_le_bytes());
        bytes
    }

    fn holds(cache: &HashCache, block: u64) -> bool {
        cache.get(block, |found| assert_eq!(found, bytes(block))).is_some()
    }

    #[test]
    fn never_more_than_the_bound_and_never_another_block() {
        for bound in [0, 1, 2, 7, 8, 9, 63, 64, 500, 1000] {
            let cache = cache(bound);
            for block in (0..5000).map(|turn| turn * 7 % 3001) {
                cache.insert(block, &bytes(block));
            }
            let held = (0..5000).filter(|&block| holds(&cache, block)).count();
            assert_eq!(u64::try_from(held), Ok(bound));
            assert_eq!(cache.blocks(), bound);
        }
    }

    #[test]
    fn a_whole_tree_fits_what_is_said_to_hold_it() {
        for level_0 in [1, 2, 16, 17, 1000, 4097] {
            let params = params(level_0);
            let cache = HashCache::new(&params, HashCache::size_for(&params));
            let all = params.geometry().hash_blocks();
            assert_eq!(cache.blocks(), all);
            (0..all).for_each(|block| cache.insert(block, &bytes(block)));
            assert!((0..all).all(|block| holds(&cache, block)), "{level_0}");
        }
    }

    #[test]
    fn what_is_used_stays_and_what_is_not_goes() {
        let cache = cache(1000);
        // Four blocks in use, among a hundred times as many as there is room for.
        let in_use = [1, 2, 3, 4];
        in_use.iter().for_each(|&block| cache.insert(block, &bytes(block)));
        for block in 10..100_000 {
            cache.insert(block, &bytes(block));
            assert!(in_use.iter().all(|&block| holds(&cache, block)), "{block}");
        }
        assert!(!holds(&cache, 10));
        assert!(holds(&cache, 99_999));
    }

    #[test]
    fn a_block_that_nobody_used_again_makes_room_for_every_other_one_in_turn() {
        let cache = cache(4);
        for round in 0..3 {
            for block in 0..100 {
                let block = round * 100 + block;
                cache.insert(block, &bytes(block));
                assert!(holds(&cache, block));
            }
        }
    }

    #[test]
    fn x03_threads_find_whole_blocks_or_none() {
        let cache = cache(50);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let cache = &cache;
                scope.spawn(move || {
                    for turn in 0..50_000 {
                        let block = (turn * 17 + thread) % 200;
                        if !holds(cache, block) {
                            cache.insert(block, &bytes(block));
                        }
                    }
                });
            }
        });
    }
}
