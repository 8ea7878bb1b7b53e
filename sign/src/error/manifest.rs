//! Manifests, what they forbid, and what was accepted before them.

use super::Class;
use crate::date::Date;

/// Why a manifest is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// A value is well formed and wrong.
    #[error("manifest field {field}: {reason}")]
    Field {
        /// Which key, with dots between levels.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// It is not JSON, or not these keys with values of these types.
    #[error("malformed manifest: {reason}")]
    Malformed {
        /// What the decoder says.
        reason: String,
    },
    /// The values are in other bytes than the format prescribes.
    #[error("the manifest is not in its canonical form (byte {offset})")]
    NotCanonical {
        /// The first byte that differs from the canonical form.
        offset: usize,
    },
    /// The hash device's superblock region is not the one the manifest binds.
    #[error(
        "the superblock or the padding after it is not the one in the manifest (SHA-256 expected \
         {expected}, actual {actual})"
    )]
    Superblock {
        /// SHA-256 in the manifest, in hex.
        expected: String,
        /// SHA-256 of the bytes given, in hex.
        actual: String,
    },
    /// The superblock region given is not as long as the layout says.
    #[error("the superblock region is {expected} bytes, {actual} are given")]
    SuperblockSize {
        /// The length by the layout, in bytes.
        expected: u64,
        /// The length given, in bytes.
        actual: u64,
    },
    /// It is larger than any manifest.
    #[error("the manifest is {actual} bytes; at most {limit} are accepted")]
    TooLarge {
        /// The size, in bytes.
        actual: usize,
        /// The largest size accepted, in bytes.
        limit: usize,
    },
    /// The manifest is of a later format.
    #[error("manifest version {actual} is not supported; 1 is expected")]
    Version {
        /// The version found.
        actual: u64,
    },
}

impl ManifestError {
    pub(super) fn class(&self) -> Class {
        match self {
            ManifestError::Superblock { .. } => Class::Signature,
            ManifestError::TooLarge { .. } => Class::Limit,
            ManifestError::Version { .. } => Class::Unsupported,
            _ => Class::Format,
        }
    }
}

/// What a verified manifest forbids, or what was accepted before it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The manifest has expired.
    #[error("the manifest is valid until {}, and it is {} now", Date(*not_after), Date(*now))]
    Expired {
        /// The last second in which it counts, in unix seconds.
        not_after: u64,
        /// The caller's time, in unix seconds.
        now: u64,
    },
    /// The version is one that no other can follow.
    #[error("image {name:?} has version 18446744073709551615, which no newer one could follow")]
    LastVersion {
        /// The image's name.
        name: String,
    },
    /// The manifest is about another image than the expected one.
    #[error("the manifest is about image {name:?}, but {expected:?} is expected")]
    OtherName {
        /// The name that is expected.
        expected: String,
        /// The image's name.
        name: String,
    },
    /// The version is older than one that was accepted.
    #[error("image {name:?} has version {version}, but version {newest} was accepted before")]
    Rollback {
        /// The image's name.
        name: String,
        /// The image's version.
        version: u64,
        /// The newest accepted one.
        newest: u64,
    },
    /// The version was accepted before, of another image.
    #[error("image {name:?} version {version} was accepted before with another root hash")]
    SameVersion {
        /// The image's name.
        name: String,
        /// The image's version.
        version: u64,
    },
    /// Other images were accepted, but none of this name, and nobody said that it is expected.
    #[error("no image {name:?} was accepted before, but others were")]
    UnknownName {
        /// The image's name.
        name: String,
    },
}

/// Why what was remembered of accepted images cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// It is not JSON, or not these keys with values of these types.
    #[error("malformed state: {reason}")]
    Malformed {
        /// What the decoder says.
        reason: String,
    },
    /// The values are in other bytes than the format prescribes.
    #[error("the state is not in its canonical form (byte {offset})")]
    NotCanonical {
        /// The first byte that differs from the canonical form.
        offset: usize,
    },
    /// The state is of a later format.
    #[error("state version {actual} is not supported; 1 is expected")]
    Version {
        /// The version found.
        actual: u64,
    },
}
