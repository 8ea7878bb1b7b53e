//! Hashing of blocks: n equal blocks in, n digests out.
//!
//! The one seam between the tree and the hash functions. Everything that hashes a block, data or
//! hash block, one or many, goes through [`BlockHasher::hash_many`]. It knows the algorithm, the
//! hash type and the salt, and nothing of trees or files.
//!
//! ```text
//!  platform   the ladders of kernels that this CPU has, by name
//!  choice     the kernels on each, and the fastest one here, with the measurements
//!  explained  both in words
//!  ladder     climbs down one: full groups to the widest kernel, the rest to narrower ones
//!  rung       a kernel on a ladder; group: the blocks that it hashes together
//!  walk       the way of a kernel over a group of blocks, once, over lanes; feed: loads them
//!  sha2       the rounds, once, over lanes; word: u32 and u64
//!  message    all that the messages of a tree share: state behind the salt, padding
//!  little     the ladder of SHA-3 and BLAKE2b, whose words are little-endian: one kernel each
//!  keccak, blake2b    their rounds, once, over lanes; text: their messages
//!  lanes      the operations on one word of each message that a kernel has; arrays, pairs
//!  streams    the walk for kernels that have instructions for SHA-256 itself
//!  x86_64, aarch64    lane operations, SHA instructions and, in `rows`, a walk by hand: with the
//!             prefetch the only unsafe code
//!  prefetch   asks the CPU for what comes next
//!  scalar     one block after the other by the crates, for every algorithm
//! ```
//!
//! Every file imports files below it only: kernels know their group, not the ladder.

#[cfg(target_arch = "aarch64")]
#[expect(unsafe_code, reason = "vector instructions, each behind the proof that the CPU has them")]
mod aarch64;
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "no vectors for it yet"))]
mod blake2b;
mod choice;
mod explained;
mod feed;
mod group;
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "no vectors for it yet"))]
mod keccak;
mod kernel;
mod ladder;
mod lanes;
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "no vectors for it yet"))]
mod little;
mod message;
mod platform;
#[cfg_attr(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    expect(unsafe_code, reason = "an instruction of each CPU family")
)]
mod prefetch;
mod rung;
mod scalar;
mod sha2;
mod streams;
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "no vectors for it yet"))]
mod text;
mod walk;
mod word;
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "vector instructions, each behind the proof that the CPU has them")]
mod x86_64;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::io::Ahead;
use crate::number::to_len;
use crate::{Digest, Params};

pub use self::explained::{ChosenKernel, ChosenKernels};
pub use self::platform::Platform;

use self::kernel::Kernel;

/// Hashes blocks the way one tree needs it: `H(salt ‖ block)` for hash
/// type 1, `H(block ‖ salt)` for type 0.
///
/// Public for benchmarks and tests alone, by `verity::internals`.
#[derive(Clone)]
pub struct BlockHasher {
    kernel: Arc<dyn Kernel>,
    platform: Platform,
    digest_size: usize,
}

impl BlockHasher {
    /// For trees with these parameters, by the fastest kernels that this CPU has.
    pub fn new(params: &Params) -> BlockHasher {
        BlockHasher::with_platform(params, Platform::detect(params.algorithm()))
    }

    /// For trees with these parameters, by the kernels of that platform. An algorithm that it has
    /// no kernels for is hashed one block after the other.
    pub fn with_platform(params: &Params, platform: Platform) -> BlockHasher {
        let kernel = ladder::kernel(params, platform);
        let digest_size = to_len(params.algorithm().digest_size().into());
        BlockHasher { kernel, platform, digest_size }
    }

    /// Whose kernels these are.
    pub fn platform(&self) -> Platform {
        self.platform
    }

    /// The size of a digest, in bytes.
    pub(crate) fn digest_size(&self) -> usize {
        self.digest_size
    }

    /// Hashes `blocks`, a whole number of blocks of `block_size` bytes,
    /// into `out`, as many digests.
    ///
    /// # Panics
    /// If the lengths do not go together.
    pub fn hash_many(&self, blocks: &[u8], block_size: usize, out: &mut [u8]) {
        self.hash_before(blocks, block_size, out, Ahead::NOWHERE);
    }

    /// As [`BlockHasher::hash_many`]; meanwhile the bytes at `next`, which will be wanted then, are
    /// fetched into the CPU's caches.
    pub(crate) fn hash_before(
        &self,
        blocks: &[u8],
        block_size: usize,
        out: &mut [u8],
        next: Ahead,
    ) {
        assert_eq!(blocks.len() % block_size, 0, "whole blocks");
        assert_eq!(out.len(), blocks.len() / block_size * self.digest_size, "one digest a block");
        self.kernel.hash_many(blocks, block_size, out, next);
    }

    /// The digest of one block, whatever its size.
    pub(crate) fn hash_one(&self, block: &[u8]) -> Digest {
        let mut out = [0; Digest::MAX_SIZE];
        let out = &mut out[..self.digest_size];
        self.hash_many(block, block.len(), out);
        digest(out)
    }
}

/// The digest that a kernel wrote.
pub(crate) fn digest(bytes: &[u8]) -> Digest {
    Digest::new(bytes).unwrap_or_else(|_| unreachable!("kernels write whole digests"))
}
