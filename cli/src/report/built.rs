//! `verity build`: what a set consists of.

use std::fmt;

use serde::Serialize;

use super::header::HeaderDocument;
use super::partitions::PartitionEntry;
use crate::command::build::Built;
use crate::making::SetFile;
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
    files: Vec<FileEntry>,
    /// Files of an earlier set that are gone.
    removed: Vec<String>,
}

impl From<&Built> for BuiltDocument {
    fn from(facts: &Built) -> BuiltDocument {
        BuiltDocument {
            header: HeaderDocument::from(&facts.formatted),
            image_name: facts.image.name().to_owned(),
            image_version: facts.image.version(),
            signed: facts.signed_by.is_some(),
            certificate_sha256: facts.signed_by.map(|fingerprint| fingerprint.to_string()),
            partitions: PartitionEntry::list(facts),
            files: facts.published.written.iter().map(FileEntry::from).collect(),
            removed: facts.published.removed.iter().map(|path| Quoted(path).to_string()).collect(),
        }
    }
}

impl fmt::Display for BuiltDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.header.fmt(f)?;
        for partition in &self.partitions {
            partition.fmt(f)?;
        }
        for FileEntry { path, .. } in &self.files {
            writeln!(f, "Written:         \t{path}")?;
        }
        for file in &self.removed {
            writeln!(f, "Removed:         \t{file}")?;
        }
        Ok(())
    }
}

/// A file that was written. The order of the fields is the order of the keys.
#[derive(Serialize)]
struct FileEntry {
    /// `hash`, `root-hash`, `root-hash-signature`, `signature-partition`, `manifest` or
    /// `manifest-signature`.
    role: &'static str,
    path: String,
    size_bytes: u64,
}

impl From<&SetFile> for FileEntry {
    fn from(file: &SetFile) -> FileEntry {
        FileEntry {
            role: file.role.name(),
            path: Quoted(&file.path).to_string(),
            size_bytes: file.size_bytes,
        }
    }
}
