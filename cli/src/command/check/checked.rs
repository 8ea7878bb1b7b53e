//! What is checked, and what was found good of a set.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use verity_sign::Manifest;

use super::policy::ImagePolicy;
use crate::image::Verification;
use crate::signer::Signer;
use crate::trust::{Acceptance, TrustSource};

/// What to check.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) image: PathBuf,
    pub(crate) trust: TrustSource,
    /// Where accepted versions are remembered.
    pub(crate) state: Option<PathBuf>,
    pub(crate) output_dir: Option<PathBuf>,
    pub(crate) usr: bool,
    /// There is no manifest: the root hash signature vouches for the root hash, and nothing for the
    /// geometry.
    pub(crate) no_manifest: bool,
    /// Where the manifests lie, if not beside the image.
    pub(crate) manifests: Vec<PathBuf>,
    /// What a disk must have and must not have.
    pub(crate) policy: Option<ImagePolicy>,
    pub(crate) threads: Option<NonZeroUsize>,
}

/// What was found good.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) verification: Verification,
    pub(crate) manifest: Option<Manifest>,
    /// Who signed what systemd's signature partition holds, if the set has that.
    pub(crate) signature_partition_signer: Option<Box<Signer>>,
    pub(crate) state: Option<Acceptance>,
}
