//! What is signed: a root hash, or a manifest.

use std::path::{Path, PathBuf};

use verity::RootHash;
use verity_sign::{MAX_MANIFEST_BYTES, Manifest, root_hash_content};

use crate::error::{Class, CommandError, OrFail};
use crate::inputs::read_small;
use crate::trust::RootSource;

/// What is signed.
#[derive(Debug)]
pub(crate) enum Content {
    Manifest(PathBuf),
    /// In the form that the kernel takes.
    RootHash(RootSource),
}

/// What is signed, once it is read.
pub(crate) struct Signable {
    /// `root-hash` or `manifest`.
    pub(crate) kind: &'static str,
    pub(crate) root_hash: RootHash,
    pub(crate) bytes: Vec<u8>,
}

impl Content {
    pub(crate) fn read(&self) -> Result<Signable, CommandError> {
        match self {
            Content::RootHash(source) => {
                let root_hash = source.require()?;
                let bytes = root_hash_content(&root_hash).into_bytes();
                Ok(Signable { kind: "root-hash", root_hash, bytes })
            }
            Content::Manifest(path) => {
                let bytes = read_small(path, MAX_MANIFEST_BYTES, Class::Metadata)?;
                let manifest = Manifest::parse(&bytes).or_fail(Class::Metadata, path)?;
                Ok(Signable { kind: "manifest", root_hash: manifest.root_hash(), bytes })
            }
        }
    }

    /// The file that it comes from, if it does.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Content::Manifest(path) => Some(path),
            Content::RootHash(source) => source.file.as_deref(),
        }
    }
}
