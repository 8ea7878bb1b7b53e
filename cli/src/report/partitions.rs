//! The partitions of an image as systemd finds them: their types, and the UUIDs that follow from
//! the root hash.

use std::fmt;

use serde::Serialize;
use verity::disk::types::{Architecture, Content, MountPoint, PartitionType};
use verity_sign::Sidecar;

use crate::command::build::Built;
use crate::making::FileRole;
use crate::quoted::{Plain, Quoted};

/// One partition of the image. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct PartitionEntry {
    /// `data`, `verity` or `verity-sig`.
    content: &'static str,
    /// `NAME_VERSION` and what it is; unless a partition table has no room for it.
    label: Option<String>,
    /// Only if it follows from the root hash.
    uuid: Option<String>,
    /// What goes into it; null if it was not made.
    file: Option<String>,
    size_bytes: Option<u64>,
    /// One for each architecture.
    types: Vec<TypeEntry>,
}

/// The type of a partition. The order of the fields is the order of the keys.
#[derive(Serialize)]
struct TypeEntry {
    architecture: &'static str,
    /// In systemd's definitions, such as `root-arm64-verity`.
    name: String,
    guid: String,
}

/// A name in a partition table has at most this many units of UTF-16.
const MAX_LABEL: usize = 36;

impl PartitionEntry {
    /// All partitions that an image takes; empty unless asked for.
    pub(super) fn list(facts: &Built) -> Vec<PartitionEntry> {
        let mount_point = facts.mount_point.into_iter();
        mount_point
            .flat_map(|point| {
                Content::ALL.map(|content| PartitionEntry::new(facts, point, content))
            })
            .collect()
    }

    fn new(facts: &Built, mount_point: MountPoint, content: Content) -> PartitionEntry {
        let of = |architecture| PartitionType::new(mount_point, architecture, content);
        let types = facts.architectures.iter().map(|&architecture| TypeEntry {
            architecture: architecture.name(),
            name: of(architecture).to_string(),
            guid: of(architecture).guid().to_string(),
        });
        let (name, role) = match content {
            Content::Data => ("data", None),
            Content::Verity => ("verity", Some(FileRole::Hash)),
            Content::VeritySig => {
                ("verity-sig", Some(FileRole::Sidecar(Sidecar::SignaturePartition)))
            }
        };
        let file = match role {
            None => Some((&facts.image_file, facts.image.size_bytes())),
            Some(role) => {
                let file = facts.published.written.iter().find(|file| file.role == role);
                file.map(|file| (&file.path, file.size_bytes))
            }
        };
        PartitionEntry {
            content: name,
            label: label(facts, content),
            // It does not depend on the architecture.
            uuid: of(Architecture::X86_64)
                .uuid(&facts.formatted.root_hash)
                .map(|uuid| uuid.to_string()),
            file: file.map(|(path, _)| Quoted(path).to_string()),
            size_bytes: file.map(|(_, size)| size),
            types: types.collect(),
        }
    }
}

/// The label that systemd's updates go by: name and version.
fn label(facts: &Built, content: Content) -> Option<String> {
    let suffix = match content {
        Content::Data => "",
        Content::Verity => "_verity",
        Content::VeritySig => "_verity_sig",
    };
    let label = format!("{}_{}{suffix}", facts.image.name(), facts.image.version());
    Some(label).filter(|label| label.encode_utf16().count() <= MAX_LABEL)
}

impl fmt::Display for PartitionEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(label) = &self.label {
            writeln!(f, "Partition label: \t{}", Plain(label))?;
        }
        if let Some(uuid) = &self.uuid {
            writeln!(f, "Partition UUID:  \t{uuid} {}", self.content)?;
        }
        for TypeEntry { name, guid, .. } in &self.types {
            writeln!(f, "Partition type:  \t{guid} {name}")?;
        }
        Ok(())
    }
}
