//! What a hasher calls, whichever kernels are behind it.

use crate::io::Ahead;

/// A way to hash many blocks, with algorithm, hash type and salt already taken in.
pub(super) trait Kernel: Send + Sync {
    /// Hashes each `block_size` bytes of `blocks`; the digests go to `out` back to back.
    /// Meanwhile the bytes at `next` are fetched into the CPU's caches, as far as they are as many.
    fn hash_many(&self, blocks: &[u8], block_size: usize, out: &mut [u8], next: Ahead);
}
