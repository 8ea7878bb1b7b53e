//! Verified hash blocks, kept in a bounded amount of memory.
//!
//! The cache believes its user: only hash blocks whose digest matched are put into it. Users copy
//! what they need while they hold a lock, so a block that is evicted is gone, and the bound holds
//! at any time.
//!
//! A hash block belongs to one shard and one set of slots in it, by its number, so that neighbours,
//! which are read together, lie in different shards and a tree fills all sets evenly. Each shard
//! has a lock of its own, held for a look-up and the copy of some digests. A look-up touches one
//! line of tags and then the block. Which block of a set goes first, the clock decides: it passes
//! over those that were used since it came by last.
//!
//! How many blocks the tree is said to have may be a lie, and a bound may be large. So a shard
//! begins with one set, and doubles when it has no room for a further verified block: what is
//! allocated follows what was verified.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard};

use crate::lock::unpoisoned;
use crate::number::{to_len, to_u64};
use crate::{BlockSize, Params};

/// What a cached block costs at most beside its bytes: its tag, and its part of what is
/// allocated at once.
const ENTRY_SIZE: u64 = 16;

/// The most shards; many threads seldom meet in one of them.
const MAX_SHARDS: u64 = 64;

/// The most slots of a set: their tags are one line of a CPU's cache.
const MAX_WAYS: usize = 8;

/// How many slots' bytes are allocated at once.
const CHUNK_SLOTS: usize = 64;

/// A shard grows only if at least one of that many slots is taken: blocks that all belong to one
/// set make room for one another.
const MOST_SLOTS_A_BLOCK: u64 = 16;

/// In a tag: the block was used since the clock came by.
const USED: u64 = 1 << 63;

/// Verified hash blocks by their number in the tree, counted from its first one on the hash device.
pub(super) struct HashCache {
    shards: Box<[Mutex<Shard>]>,
    blocks: u64,
}

struct Shard {
    /// The bytes of a block.
    block_size: usize,
    /// The most slots that there may ever be.
    most: u64,
    /// How many slots are taken.
    taken: u64,
    /// What lies in each slot: nothing (0), or the key of a block, perhaps [`USED`].
    tags: Vec<u64>,
    /// The bytes of [`CHUNK_SLOTS`] slots each; empty before the first of them is needed.
    chunks: Vec<Box<[u8]>>,
    /// Where in each set the clock looks next.
    hands: Vec<u8>,
}

impl HashCache {
    /// A cache of at most `bytes` bytes, book-keeping included, for the tree with these parameters.
    pub(super) fn new(params: &Params, bytes: u64) -> HashCache {
        let blocks = bytes / cost(params.hash_block_size());
        let blocks = blocks.min(params.geometry().hash_blocks());
        // A power of two makes the remainder cheap. Every shard has a whole set at least.
        let shards = 1 << (blocks / to_u64(MAX_WAYS)).clamp(1, MAX_SHARDS).ilog2();
        let shard = |number| {
            let most = blocks / shards + u64::from(number < blocks % shards);
            Mutex::new(Shard::new(most, params.hash_block_size().buffer_len(1)))
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
        let (mut shard, key) = self.shard(block);
        let slot = shard.find(key)?;
        shard.tags[slot] |= USED;
        Some(copy(shard.bytes(slot)))
    }

    /// Keeps a copy of a verified hash block, in place of another one if there is no room.
    pub(super) fn insert(&self, block: u64, bytes: &[u8]) {
        let (mut shard, key) = self.shard(block);
        // Another thread may have been as fast.
        if shard.most > 0 && shard.find(key).is_none() {
            shard.insert(key, bytes);
        }
    }

    /// The shard of a block, and the block's key there.
    fn shard(&self, block: u64) -> (MutexGuard<'_, Shard>, u64) {
        let count = to_u64(self.shards.len());
        let shard = unpoisoned(self.shards[to_len(block & (count - 1))].lock());
        // A tree has less than 2^55 hash blocks; 0 stands for nothing.
        (shard, block / count + 1)
    }
}

impl Shard {
    /// A shard that has up to `most` slots one day; one set of them at first.
    fn new(most: u64, block_size: usize) -> Shard {
        let slots = to_len(most.min(to_u64(MAX_WAYS)));
        Shard::with_slots(slots, most, block_size)
    }

    fn with_slots(slots: usize, most: u64, block_size: usize) -> Shard {
        let chunks = (0..slots.div_ceil(CHUNK_SLOTS)).map(|_| Box::default()).collect();
        let (tags, hands) = (vec![0; slots], vec![0; slots.div_ceil(MAX_WAYS)]);
        Shard { block_size, most, taken: 0, tags, chunks, hands }
    }

    /// Doubles the slots, if more are allowed and enough of those there are hold a block. A block
    /// that finds no room in its new set is dropped.
    fn grow(&mut self) -> bool {
        let slots = to_u64(self.tags.len());
        if slots >= self.most || self.taken.saturating_mul(MOST_SLOTS_A_BLOCK) < slots {
            return false;
        }
        let more = to_len(slots.saturating_mul(2).min(self.most));
        let mut larger = Shard::with_slots(more, self.most, self.block_size);
        for (slot, &tag) in self.tags.iter().enumerate().filter(|(_, tag)| **tag != 0) {
            if let Some(free) = larger.free_slot(tag & !USED) {
                larger.put(free, tag, self.bytes(slot));
            }
        }
        *self = larger;
        true
    }

    /// A slot for a block that holds none yet.
    fn free_slot(&self, key: u64) -> Option<usize> {
        let (_, slots) = self.set(key);
        let place = self.tags[slots.clone()].iter().position(|tag| *tag == 0)?;
        Some(slots.start + place)
    }

    /// Puts a block into a slot that holds none.
    fn put(&mut self, slot: usize, tag: u64, bytes: &[u8]) {
        self.taken += 1;
        self.tags[slot] = tag;
        self.bytes_mut(slot).copy_from_slice(bytes);
    }

    /// The number of the set of a block, and its slots. Sets differ by at most one slot, and
    /// keys that follow one another go to different sets, so that as many of them as there are
    /// slots all have one.
    fn set(&self, key: u64) -> (usize, Range<usize>) {
        let sets = self.hands.len();
        let set = to_len((key - 1) % to_u64(sets));
        let (ways, more) = (self.tags.len() / sets, self.tags.len() % sets);
        let start = set * ways + set.min(more);
        (set, start..start + ways + usize::from(set < more))
    }

    fn find(&self, key: u64) -> Option<usize> {
        if self.tags.is_empty() {
            return None;
        }
        let (_, slots) = self.set(key);
        let place = self.tags[slots.clone()].iter().position(|tag| tag & !USED == key)?;
        Some(slots.start + place)
    }

    fn insert(&mut self, key: u64, bytes: &[u8]) {
        loop {
            if let Some(slot) = self.free_slot(key) {
                return self.put(slot, key, bytes);
            }
            if !self.grow() {
                break;
            }
        }
        let (set, slots) = self.set(key);
        let slot = self.next_to_go(set, slots);
        self.tags[slot] = key;
        self.bytes_mut(slot).copy_from_slice(bytes);
    }

    /// Turns the clock of a set to the first slot that was not used since it was there last; at
    /// most once around.
    fn next_to_go(&mut self, set: usize, slots: Range<usize>) -> usize {
        let hand = &mut self.hands[set];
        loop {
            let place = usize::from(*hand);
            *hand = u8::try_from((place + 1) % slots.len()).unwrap_or_default();
            let tag = &mut self.tags[slots.start + place];
            if *tag & USED == 0 {
                return slots.start + place;
            }
            *tag &= !USED;
        }
    }

    fn bytes(&self, slot: usize) -> &[u8] {
        let start = slot % CHUNK_SLOTS * self.block_size;
        &self.chunks[slot / CHUNK_SLOTS][start..][..self.block_size]
    }

    /// The bytes of a slot, allocated if they are not yet.
    fn bytes_mut(&mut self, slot: usize) -> &mut [u8] {
        let (number, place) = (slot / CHUNK_SLOTS, slot % CHUNK_SLOTS);
        let chunk = &mut self.chunks[number];
        if chunk.is_empty() {
            let slots = (self.tags.len() - number * CHUNK_SLOTS).min(CHUNK_SLOTS);
            *chunk = vec![0; slots * self.block_size].into();
        }
        &mut chunk[place * self.block_size..][..self.block_size]
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

    /// However large the bound, and however many blocks the tree is said to have.
    #[test]
    fn a01_memory_follows_what_was_put_in() {
        let params = params(1 << 47);
        let cache = HashCache::new(&params, HashCache::size_for(&params));
        let slots = |cache: &HashCache| -> u64 {
            let of = |shard: &Mutex<Shard>| to_u64(unpoisoned(shard.lock()).tags.len());
            cache.shards.iter().map(of).sum()
        };
        assert!(cache.blocks() >= 1 << 47);
        assert_eq!(slots(&cache), MAX_SHARDS * 8);
        // In a row; and such as meet in one set, however many of these there are.
        for (step, count) in [(1, 100_000), (1 << 38, 1000)] {
            let cache = HashCache::new(&params, HashCache::size_for(&params));
            (0..count).for_each(|turn| cache.insert(turn * step, &bytes(turn * step)));
            assert!(slots(&cache) <= 2 * MOST_SLOTS_A_BLOCK * count + MAX_SHARDS * 8);
            let held = (0..count).filter(|turn| holds(&cache, turn * step)).count();
            assert!(step > 1 || to_u64(held) == count, "{held}");
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
