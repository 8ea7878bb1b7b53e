//! The verified tree, which answers two questions: which digest must a block have, and is it right.
//!
//! Readers, repairs and verifications ask here.
//!
//! ```text
//!  expected   the hash block above in the `cache`: taken from there
//!             else: up to the lowest cached one or the root hash, and down again: `path`
//!  check      hash, compare, look for bytes that belong to no digest: `check`
//!             wrong: asked of the `repair` if there is one, and checked again
//! ```
//!
//! A verification has hash blocks of its own, wave after wave, and asks [`judge`] alone.

mod cache;
mod check;
mod counters;
mod expected;
mod path;
mod preload;
mod repair;
mod scratch;

use std::io;
use std::sync::Arc;

use crate::hash::BlockHasher;
use crate::io::ReadAt;
use crate::{Digest, Geometry, HashArea, Params, TrustedParams};

pub use self::counters::Counters;
pub use self::repair::Repair;

pub(crate) use self::check::{Fault, judge};
pub(crate) use self::counters::ThreadCounts;
pub(crate) use self::expected::Expected;
pub(crate) use self::scratch::{Lookup, Scratch, grown};

use self::cache::HashCache;
use self::counters::Counting;

/// The bound of the cache unless another one is asked for, in bytes: all hash blocks of 8 GB at the
/// usual parameters.
pub(crate) const CACHE_SIZE: u64 = 64 * 1024 * 1024;

/// A hash tree on a hash device. Only blocks that lead to the root hash are believed.
pub(crate) struct Tree<H> {
    hash: H,
    params: Params,
    hash_area: HashArea,
    root: Digest,
    hasher: BlockHasher,
    cache: HashCache,
    cache_size: u64,
    repair: Option<Arc<dyn Repair>>,
    counting: Counting,
}

impl<H: ReadAt> Tree<H> {
    /// The tree on `hash`, with at most `cache_size` bytes of verified hash blocks. `hasher` has
    /// the same parameters.
    pub(crate) fn new(
        trusted: &TrustedParams,
        hash: H,
        hasher: BlockHasher,
        cache_size: u64,
    ) -> Tree<H> {
        let params = trusted.params().clone();
        Tree {
            hash,
            hash_area: trusted.hash_area(),
            root: trusted.root_hash().digest(),
            hasher,
            cache: HashCache::new(&params, cache_size),
            cache_size,
            repair: None,
            counting: Counting::default(),
            params,
        }
    }

    /// Bounds the cache, which loses what is in it.
    pub(crate) fn set_cache_size(&mut self, bytes: u64) {
        self.cache = HashCache::new(&self.params, bytes);
        self.cache_size = bytes;
    }

    /// Hashes by another hasher of the same parameters.
    pub(crate) fn set_hasher(&mut self, hasher: BlockHasher) {
        self.hasher = hasher;
    }

    /// Asks `repair` for other bytes of blocks that are not right.
    pub(crate) fn set_repair(&mut self, repair: Arc<dyn Repair>) {
        self.repair = Some(repair);
    }

    /// The bound of the cache that holds the whole tree with these parameters, in bytes.
    pub(crate) fn cache_size_for(params: &Params) -> u64 {
        HashCache::size_for(params)
    }

    /// The levels of the tree.
    pub(crate) fn geometry(&self) -> &Geometry {
        self.params.geometry()
    }

    /// The hash device.
    pub(crate) fn hash(&self) -> &H {
        &self.hash
    }

    /// The hasher of data blocks and hash blocks.
    pub(crate) fn hasher(&self) -> &BlockHasher {
        &self.hasher
    }

    /// What this thread counts.
    pub(crate) fn counts(&self) -> &ThreadCounts {
        self.counting.of_this_thread()
    }

    /// What all threads have counted.
    pub(crate) fn counters(&self) -> Counters {
        self.counting.sum()
    }

    /// Reads hash blocks of a level, as they are.
    pub(crate) fn read(&self, level: u8, first: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.hash.read_exact_at(bytes, self.offset_of(level, first))
    }

    /// Where a hash block begins on the hash device, in bytes.
    pub(crate) fn offset_of(&self, level: u8, block: u64) -> u64 {
        self.hash_area.offset_of(&self.params, level, block)
    }

    /// Keeps a copy of a hash block that was verified.
    pub(crate) fn keep(&self, level: u8, block: u64, bytes: &[u8]) {
        self.cache.insert(self.params.geometry().number_of(level, block), bytes);
    }

    /// Lets `copy` look at a verified hash block, if the cache has it.
    fn cached<R>(&self, level: u8, block: u64, copy: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let result = self.cache.get(self.params.geometry().number_of(level, block), copy)?;
        self.counts().cache_hits.add(1);
        Some(result)
    }
}
