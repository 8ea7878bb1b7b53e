//! One block after the other, by the RustCrypto hash functions; correct for every algorithm.
//!
//! What can be done once is done once: the state that has taken in the
//! salt is kept and cloned for each block.

use std::sync::Arc;

use digest::Update;

use super::kernel::Kernel;
use crate::io::Ahead;
use crate::{Algorithm, HashType, Salt};

/// The kernel for an algorithm, hash type and salt.
pub(super) fn kernel(algorithm: Algorithm, hash_type: HashType, salt: &Salt) -> Arc<dyn Kernel> {
    match algorithm {
        Algorithm::Sha1 => Salted::<sha1::Sha1>::boxed(hash_type, salt),
        Algorithm::Sha224 => Salted::<sha2::Sha224>::boxed(hash_type, salt),
        Algorithm::Sha256 => Salted::<sha2::Sha256>::boxed(hash_type, salt),
        Algorithm::Sha384 => Salted::<sha2::Sha384>::boxed(hash_type, salt),
        Algorithm::Sha512 => Salted::<sha2::Sha512>::boxed(hash_type, salt),
        Algorithm::Sha3_256 => Salted::<sha3::Sha3_256>::boxed(hash_type, salt),
        Algorithm::Sha3_384 => Salted::<sha3::Sha3_384>::boxed(hash_type, salt),
        Algorithm::Sha3_512 => Salted::<sha3::Sha3_512>::boxed(hash_type, salt),
        Algorithm::Blake2b256 => Salted::<blake2::Blake2b256>::boxed(hash_type, salt),
        Algorithm::Blake2b512 => Salted::<blake2::Blake2b512>::boxed(hash_type, salt),
        Algorithm::Blake2s256 => Salted::<blake2::Blake2s256>::boxed(hash_type, salt),
        Algorithm::Sm3 => Salted::<sm3::Sm3>::boxed(hash_type, salt),
    }
}

/// A hash function that has taken in what stands before each block, and what follows each block.
struct Salted<H> {
    before: H,
    after: Box<[u8]>,
}

impl<H> Salted<H>
where
    H: Clone + digest::Digest + Update + Send + Sync + 'static,
{
    fn boxed(hash_type: HashType, salt: &Salt) -> Arc<dyn Kernel> {
        let (before, after) = match hash_type {
            HashType::ChromeOs => (&[][..], salt.as_bytes()),
            HashType::Normal => (salt.as_bytes(), &[][..]),
        };
        Arc::new(Salted { before: H::new_with_prefix(before), after: after.into() })
    }
}

impl<H> Kernel for Salted<H>
where
    H: Clone + digest::Digest + Update + Send + Sync,
{
    fn hash_many(&self, blocks: &[u8], block_size: usize, out: &mut [u8], _next: Ahead) {
        let digests = out.chunks_exact_mut(<H as digest::Digest>::output_size());
        for (block, out) in blocks.chunks_exact(block_size).zip(digests) {
            let mut hash = self.before.clone();
            Update::update(&mut hash, block);
            Update::update(&mut hash, &self.after);
            out.copy_from_slice(&digest::Digest::finalize(hash));
        }
    }
}
