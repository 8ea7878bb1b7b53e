//! What a caller says of an image: its devices, and what it is held against.

use std::path::PathBuf;

use crate::parameters::{Parameters, ParitySource};
use crate::trust::{RootHashSource, TrustSource};

/// Which image, and what it is held against.
#[derive(Clone, Debug)]
pub(crate) struct ImageSource {
    pub(crate) data: PathBuf,
    pub(crate) hash: PathBuf,
    pub(crate) root: RootHashSource,
    pub(crate) manifest: Option<PathBuf>,
    pub(crate) trust: TrustSource,
    pub(crate) parameters: Parameters,
    pub(crate) parity: ParitySource,
    /// A signature of the root hash by somebody who is trusted.
    pub(crate) root_hash_signature: Option<PathBuf>,
}

/// How a verified reader goes about it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reading {
    /// The bound of the cache of hash blocks, in bytes.
    pub(crate) cache_size: Option<u64>,
    /// Verify the whole tree before the first read.
    pub(crate) preload: bool,
    pub(crate) ignore_zero_blocks: bool,
    /// Trust a data block for good once it was checked.
    pub(crate) check_at_most_once: bool,
}
