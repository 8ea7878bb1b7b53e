//! `verity rehash`: the hash area that was made, and what of the data was verified on the way.

use std::fmt;

use serde::Serialize;

use super::header::HeaderDocument;
use super::lines::counted;
use crate::command::rehash::{RehashedArea, Unchanged};

/// A hash area that was made from an old one. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct RehashedDocument {
    #[serde(flatten)]
    header: HeaderDocument,
    old_root_hash: String,
    /// What vouches for the parameters of the old tree.
    geometry: String,
    hashed_blocks: u64,
    /// Blocks whose digests are those of the old tree.
    kept_blocks: u64,
    /// What was done about their data: `unread`, `compared` or `hashed`.
    kept_data: &'static str,
    /// Whether all of the data was hashed, so that it is what the new tree says.
    data_verified: bool,
    #[serde(skip)]
    unchanged: Unchanged,
}

impl From<&RehashedArea> for RehashedDocument {
    fn from(facts: &RehashedArea) -> Self {
        RehashedDocument {
            header: HeaderDocument::from(&facts.formatted),
            old_root_hash: facts.old_root_hash.to_string(),
            geometry: facts.origin.to_string(),
            hashed_blocks: facts.hashed_blocks,
            kept_blocks: facts.kept_blocks,
            kept_data: match facts.unchanged {
                Unchanged::Unread => "unread",
                Unchanged::Compared => "compared",
                Unchanged::Hashed => "hashed",
            },
            data_verified: facts.unchanged == Unchanged::Hashed || facts.kept_blocks == 0,
            unchanged: facts.unchanged,
        }
    }
}

impl fmt::Display for RehashedDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.header)?;
        writeln!(f, "geometry: {}", self.geometry)?;
        writeln!(f, "hashed: {}", counted(self.hashed_blocks, "data block"))?;
        let kept = counted(self.kept_blocks, "digest");
        writeln!(f, "kept: {kept} of the old tree, verified up to {}", self.old_root_hash)?;
        if self.data_verified {
            return writeln!(f, "data: all of it is what the new tree says");
        }
        let blocks = counted(self.kept_blocks, "data block");
        match self.unchanged {
            Unchanged::Compared => writeln!(
                f,
                "not verified: {blocks} equal to the old image, which was not held against the \
                 old tree"
            ),
            _ => writeln!(f, "not verified: {blocks} that no --range names, which were not read"),
        }
    }
}
