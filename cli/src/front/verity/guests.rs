//! What else is made of the data in the same pass.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use verity::ImageDigestAlgorithm;

use crate::making::{CopyPlace, GuestOptions};

/// What else is made of the data in the same pass
#[derive(Args, Debug)]
pub(super) struct GuestArgs {
    /// Also write RAUC's index of the blocks (block-hash-index) to this file, in the same pass: the
    /// SHA-256 of each 4096 bytes
    #[arg(long, value_name = "FILE")]
    block_index: Option<PathBuf>,
    /// Also print this digest of all of the data, as sha256sum does, made in the same pass on one
    /// more thread; with parity the data is read once more for it
    #[arg(long, value_name = "ALG", value_enum)]
    image_digest: Option<DigestName>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DigestName {
    Sha256,
    Sha512,
}

impl GuestArgs {
    pub(super) fn options(self, copy_to: Option<PathBuf>) -> GuestOptions {
        GuestOptions {
            copy_to: copy_to.map(CopyPlace::of),
            block_index: self.block_index,
            image_digest: self.image_digest.map(|name| match name {
                DigestName::Sha256 => ImageDigestAlgorithm::Sha256,
                DigestName::Sha512 => ImageDigestAlgorithm::Sha512,
            }),
        }
    }
}
