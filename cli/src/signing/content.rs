//! What is signed: a root hash, or a manifest.

use std::path::PathBuf;

use verity::RootHash;
use verity_sign::{MAX_MANIFEST_BYTES, Manifest, root_hash_content};

use crate::error::{Class, CommandError, OrFail};
use crate::inputs::read_small;
use crate::trust::RootHashSource;

/// What is signed.
#[derive(Debug)]
pub(crate) enum SignedContent {
    Manifest(PathBuf),
    /// In the form that the kernel takes.
    RootHash(RootHashSource),
}

/// Which of the two is signed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ContentKind {
    Manifest,
    RootHash,
}

impl ContentKind {
    /// The stable name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            ContentKind::Manifest => "manifest",
            ContentKind::RootHash => "root-hash",
        }
    }
}

/// What is signed, once it is read.
#[derive(Debug)]
pub(crate) struct Signable {
    pub(crate) kind: ContentKind,
    pub(crate) root_hash: RootHash,
    pub(crate) bytes: Vec<u8>,
}

impl SignedContent {
    /// Reads it.
    pub(crate) fn read(&self) -> Result<Signable, CommandError> {
        match self {
            SignedContent::RootHash(source) => {
                let root_hash = source.require()?;
                let bytes = root_hash_content(&root_hash).into_bytes();
                Ok(Signable { kind: ContentKind::RootHash, root_hash, bytes })
            }
            SignedContent::Manifest(path) => {
                let bytes = read_small(path, MAX_MANIFEST_BYTES, Class::Metadata)?;
                let manifest = Manifest::parse(&bytes).or_fail(Class::Metadata, path)?;
                Ok(Signable { kind: ContentKind::Manifest, root_hash: manifest.root_hash(), bytes })
            }
        }
    }
}
