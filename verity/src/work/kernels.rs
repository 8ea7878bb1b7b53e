//! Whose kernels do the work: those that hash and those that make parity, chosen together.

use crate::fec::{Decoder, Encoder, FecPlatform};
use crate::hash::{BlockHasher, Platform};
use crate::{Algorithm, FecArea, Params};

/// The kernels of one piece of work. No result depends on them.
///
/// Public for hidden options, benchmarks and tests alone, by `verity::internals`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernels {
    /// Those that hash.
    pub hash: Platform,
    /// Those that make parity, and recover by it.
    pub fec: FecPlatform,
}

impl Kernels {
    /// The fastest ones here, where an algorithm hashes.
    pub fn detect(algorithm: Algorithm) -> Kernels {
        Kernels { hash: Platform::detect(algorithm), fec: FecPlatform::detect() }
    }

    /// Hashes by them.
    pub(crate) fn hasher(self, params: &Params) -> BlockHasher {
        BlockHasher::with_platform(params, self.hash)
    }

    /// Makes parity by them.
    pub(crate) fn encoder(self, area: FecArea) -> Encoder {
        Encoder::new(area, self.fec)
    }

    /// Recovers by them.
    pub(crate) fn decoder(self, area: FecArea) -> Decoder {
        Decoder::new(area, self.fec)
    }
}
