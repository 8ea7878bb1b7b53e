//! The partitions of an image as systemd finds them: their types, and the UUIDs that follow from
//! the root hash.

use std::fmt;

use serde::Serialize;
use verity::RootHash;
use verity::partition::{Architecture, Content, MountPoint, PartitionType};

/// One partition of the image. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct PartitionEntry {
    /// `data`, `verity` or `verity-sig`.
    content: &'static str,
    /// Only if it follows from the root hash.
    uuid: Option<String>,
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

/// All partitions that an image with this root hash takes on these architectures.
pub(super) fn partitions(
    mount_point: MountPoint,
    architectures: &[Architecture],
    root_hash: &RootHash,
) -> [PartitionEntry; 3] {
    Content::ALL.map(|content| partition(mount_point, architectures, content, root_hash))
}

fn partition(
    mount_point: MountPoint,
    architectures: &[Architecture],
    content: Content,
    root_hash: &RootHash,
) -> PartitionEntry {
    let of = |architecture| PartitionType::new(mount_point, architecture, content);
    let types = architectures.iter().map(|&architecture| TypeEntry {
        architecture: architecture.name(),
        name: of(architecture).to_string(),
        guid: of(architecture).guid().to_string(),
    });
    PartitionEntry {
        content: match content {
            Content::Data => "data",
            Content::Verity => "verity",
            Content::VeritySig => "verity-sig",
        },
        // It does not depend on the architecture.
        uuid: of(Architecture::X86_64).uuid(root_hash).map(|uuid| uuid.to_string()),
        types: types.collect(),
    }
}

impl fmt::Display for PartitionEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(uuid) = &self.uuid {
            writeln!(f, "Partition UUID:  \t{uuid} {}", self.content)?;
        }
        for TypeEntry { name, guid, .. } in &self.types {
            writeln!(f, "Partition type:  \t{guid} {name}")?;
        }
        Ok(())
    }
}
