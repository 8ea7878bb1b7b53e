//! The partitions of an image as systemd finds them: their types, and the UUIDs that follow from
//! the root hash.

use serde::Serialize;
use verity::RootHash;
use verity::partition::{Architecture, Content, MountPoint, PartitionType};

/// One partition of the image. The order of the fields is the order of the keys.
#[derive(Debug, Serialize)]
pub(crate) struct Partition {
    /// `data`, `verity` or `verity-sig`.
    pub(crate) content: &'static str,
    /// None where nothing follows from the root hash.
    pub(crate) uuid: Option<String>,
    /// One for each architecture.
    pub(crate) types: Vec<Type>,
}

/// The type of a partition. The order of the fields is the order of the keys.
#[derive(Debug, Serialize)]
pub(crate) struct Type {
    pub(crate) architecture: &'static str,
    /// In systemd's definitions, such as `root-arm64-verity`.
    pub(crate) name: String,
    pub(crate) guid: String,
}

/// All partitions that an image with this root hash takes.
pub(crate) fn partitions(mount_point: MountPoint, root_hash: &RootHash) -> Vec<Partition> {
    Content::ALL.map(|content| partition(mount_point, content, root_hash)).into()
}

fn partition(mount_point: MountPoint, content: Content, root_hash: &RootHash) -> Partition {
    let of = |architecture| PartitionType::new(mount_point, architecture, content);
    let types = Architecture::ALL.map(|architecture| Type {
        architecture: architecture.name(),
        name: of(architecture).to_string(),
        guid: of(architecture).guid().to_string(),
    });
    Partition {
        content: match content {
            Content::Data => "data",
            Content::Verity => "verity",
            Content::VeritySig => "verity-sig",
        },
        // The same for each architecture.
        uuid: of(Architecture::X86_64).uuid(root_hash).map(|uuid| uuid.to_string()),
        types: types.into(),
    }
}
