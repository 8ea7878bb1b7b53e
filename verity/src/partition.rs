//! Partitions as systemd finds them: which type a partition has, and how the root hash names it.
//!
//! The Discoverable Partitions Specification (UAPI.2) gives each partition type a GUID of its own
//! for each architecture. Which data and which verity partition belong to a root hash stands in
//! their UUIDs: they are the two ends of the root hash.

use std::fmt;

use crate::{RootHash, Uuid};

/// An architecture that an image is for, of those that partition types are known for here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Architecture {
    /// AArch64, ARM with 64 bits.
    Arm64,
    /// AMD64, x86 with 64 bits.
    X86_64,
}

impl Architecture {
    /// All of them.
    pub const ALL: [Architecture; 2] = [Architecture::X86_64, Architecture::Arm64];

    /// The name in partition types: `arm64` or `x86-64`.
    pub fn name(self) -> &'static str {
        match self {
            Architecture::Arm64 => "arm64",
            Architecture::X86_64 => "x86-64",
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Where the file system of an image is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MountPoint {
    /// It is the root file system.
    Root,
    /// It is mounted on `/usr`.
    Usr,
}

impl MountPoint {
    /// The name in partition types: `root` or `usr`.
    pub fn name(self) -> &'static str {
        match self {
            MountPoint::Root => "root",
            MountPoint::Usr => "usr",
        }
    }
}

/// What a partition of a verified image holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Content {
    /// The data blocks.
    Data,
    /// The hash area, with a superblock, from the partition's first byte on.
    Verity,
    /// The root hash and its signature.
    VeritySig,
}

impl Content {
    /// All of them.
    pub const ALL: [Content; 3] = [Content::Data, Content::Verity, Content::VeritySig];
}

/// The type of a partition. `Display` is systemd's name of it, such as `root-x86-64-verity-sig`.
///
/// ```
/// use verity::partition::{Architecture, Content, MountPoint, PartitionType};
///
/// let of = |content| PartitionType::new(MountPoint::Root, Architecture::X86_64, content);
/// assert_eq!(of(Content::Verity).to_string(), "root-x86-64-verity");
/// assert_eq!(of(Content::Verity).guid().to_string(), "2c7357ed-ebd2-46d9-aec1-23d437ec2bf5");
///
/// let root_hash: verity::RootHash =
///     "097855c0d4a81da2806b4887cd9c0fcb7aed14d1a326e0ddb15cfb5ff299fbb9".parse()?;
/// let uuid = of(Content::Data).uuid(&root_hash).map(|uuid| uuid.to_string());
/// assert_eq!(uuid.as_deref(), Some("097855c0-d4a8-1da2-806b-4887cd9c0fcb"));
/// # Ok::<(), verity::DigestError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartitionType {
    mount_point: MountPoint,
    architecture: Architecture,
    content: Content,
}

impl PartitionType {
    /// The type of a partition with this content of an image for this architecture.
    pub fn new(
        mount_point: MountPoint,
        architecture: Architecture,
        content: Content,
    ) -> PartitionType {
        PartitionType { mount_point, architecture, content }
    }

    /// The GUID of the type. A partition table stores the first three of its five fields with their
    /// bytes swapped (UEFI specification, section 5.3 and appendix A).
    pub fn guid(self) -> Uuid {
        use Architecture::{Arm64, X86_64};
        use Content::{Data, Verity, VeritySig};
        use MountPoint::{Root, Usr};
        Uuid::from_u128(match (self.mount_point, self.architecture, self.content) {
            (Root, X86_64, Data) => 0x4f68bce3_e8cd_4db1_96e7_fbcaf984b709,
            (Root, X86_64, Verity) => 0x2c7357ed_ebd2_46d9_aec1_23d437ec2bf5,
            (Root, X86_64, VeritySig) => 0x41092b05_9fc8_4523_994f_2def0408b176,
            (Root, Arm64, Data) => 0xb921b045_1df0_41c3_af44_4c6f280d3fae,
            (Root, Arm64, Verity) => 0xdf3300ce_d69f_4c92_978c_9bfb0f38d820,
            (Root, Arm64, VeritySig) => 0x6db69de6_29f4_4758_a7a5_962190f00ce3,
            (Usr, X86_64, Data) => 0x8484680c_9521_48c6_9c11_b0720656f69e,
            (Usr, X86_64, Verity) => 0x77ff5f63_e7b6_4633_acf4_1565b864c0e6,
            (Usr, X86_64, VeritySig) => 0xe7bb33fb_06cf_4e81_8273_e543b413e2e2,
            (Usr, Arm64, Data) => 0xb0e01050_ee5f_4390_949a_9101b17104e9,
            (Usr, Arm64, Verity) => 0x6e11a4e7_fbca_4ded_b9e9_e1a512bb664e,
            (Usr, Arm64, VeritySig) => 0xc23ce4ff_44bd_4b00_b2d4_b41b3419e02a,
        })
    }

    /// The UUID by which such a partition is known to belong to a root hash: the first 16 bytes of
    /// the root hash for data, the last 16 for the hash area. A signature has none: it says in
    /// itself which root hash it is about. No version or variant of RFC 9562 is forced on it.
    pub fn uuid(self, root_hash: &RootHash) -> Option<Uuid> {
        let digest = root_hash.digest();
        let half = match self.content {
            Content::Data => digest.as_bytes().first_chunk(),
            Content::Verity => digest.as_bytes().last_chunk(),
            Content::VeritySig => None,
        };
        half.copied().map(Uuid::from_bytes)
    }
}

impl fmt::Display for PartitionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = match self.content {
            Content::Data => "",
            Content::Verity => "-verity",
            Content::VeritySig => "-verity-sig",
        };
        f.pad(&format!("{}-{}{suffix}", self.mount_point.name(), self.architecture))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A root hash of 32 bytes, and the shortest one, whose ends overlap.
    #[test]
    fn uuids_are_the_ends_of_the_root_hash() {
        let uuids = |hex: &str| {
            let root_hash = hex.parse().unwrap();
            Content::ALL.map(|content| {
                PartitionType::new(MountPoint::Usr, Architecture::Arm64, content)
                    .uuid(&root_hash)
                    .map(|uuid| uuid.to_string())
                    .unwrap_or_default()
            })
        };
        assert_eq!(
            uuids("097855c0d4a81da2806b4887cd9c0fcb7aed14d1a326e0ddb15cfb5ff299fbb9"),
            ["097855c0-d4a8-1da2-806b-4887cd9c0fcb", "7aed14d1-a326-e0dd-b15c-fb5ff299fbb9", ""]
        );
        assert_eq!(
            uuids("000102030405060708090a0b0c0d0e0f10111213"),
            ["00010203-0405-0607-0809-0a0b0c0d0e0f", "04050607-0809-0a0b-0c0d-0e0f10111213", ""]
        );
    }
}
