//! What a hasher calls, whichever kernels are behind it.

/// A way to hash many blocks, with algorithm, hash type and salt already taken in.
pub(super) trait Kernel: Send + Sync {
    /// Hashes each `block_size` bytes of `blocks`; the digests go to `out` back to back.
    fn hash_many(&self, blocks: &[u8], block_size: usize, out: &mut [u8]);
}
