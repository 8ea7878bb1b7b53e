//! A hash area that was made.

use std::path::PathBuf;

use verity::{FecArea, RootHash};

use super::guests::FileDigest;
use super::tree::PlannedTree;

/// A hash area that was made, and the parity with it.
#[derive(Debug)]
pub(crate) struct Formatted {
    /// The device or file with the hash area.
    pub(crate) hash: PathBuf,
    pub(crate) tree: PlannedTree,
    pub(crate) root_hash: RootHash,
    /// Bytes of the data that the tree does not cover.
    pub(crate) uncovered_bytes: u64,
    pub(crate) parity: Option<FecArea>,
    /// Whether the parity lies on the hash device.
    pub(crate) is_parity_with_hash: bool,
    /// The digest of all of the data, if it was asked for.
    pub(crate) image_digest: Option<FileDigest>,
}

impl Formatted {
    /// The parity, if it lies on the hash device.
    pub(crate) fn parity_with_hash(&self) -> Option<&FecArea> {
        self.parity.as_ref().filter(|_| self.is_parity_with_hash)
    }
}
