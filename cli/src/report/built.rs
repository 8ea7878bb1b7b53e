//! `verity build`: what a set consists of.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::header::HeaderDocument;
use super::partitions::{PartitionEntry, partitions};
use crate::command::build::Built;
use crate::quoted::Quoted;

/// What was built. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct BuiltDocument {
    #[serde(flatten)]
    header: HeaderDocument,
    image_name: String,
    image_version: u64,
    signed: bool,
    certificate_sha256: Option<String>,
    /// Those of a disk on which systemd finds them; empty unless asked for.
    partitions: Vec<PartitionEntry>,
    files: Vec<String>,
    /// Files of an earlier set that are gone.
    removed: Vec<String>,
}

impl From<&Built> for BuiltDocument {
    fn from(facts: &Built) -> BuiltDocument {
        let root_hash = &facts.formatted.root_hash;
        let mount_point = facts.mount_point.into_iter();
        let of = |point| partitions(point, &facts.architectures, root_hash);
        BuiltDocument {
            header: HeaderDocument::from(&facts.formatted),
            image_name: facts.image.name().to_owned(),
            image_version: facts.image.version(),
            signed: facts.signed_by.is_some(),
            certificate_sha256: facts.signed_by.map(|fingerprint| fingerprint.to_string()),
            partitions: mount_point.flat_map(of).collect(),
            files: names(&facts.published.written),
            removed: names(&facts.published.removed),
        }
    }
}

fn names(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| Quoted(path).to_string()).collect()
}

impl fmt::Display for BuiltDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.header.fmt(f)?;
        for partition in &self.partitions {
            partition.fmt(f)?;
        }
        for file in &self.files {
            writeln!(f, "Written:         \t{file}")?;
        }
        for file in &self.removed {
            writeln!(f, "Removed:         \t{file}")?;
        }
        Ok(())
    }
}
