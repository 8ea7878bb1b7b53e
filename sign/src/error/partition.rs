//! What is wrong with the content of a signature partition.

use super::Class;

/// Why the content of a signature partition is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignaturePartitionError {
    /// It names another certificate than the one whose key signed.
    #[error("certificateFingerprint is {actual}, the signer's certificate has {expected}")]
    Fingerprint {
        /// What it states.
        actual: String,
        /// The signer's.
        expected: String,
    },
    /// It is not the JSON of a signature partition.
    #[error("no signature partition: {reason}")]
    Malformed {
        /// What the decoder says.
        reason: String,
    },
    /// The spelling is another than systemd's own.
    #[error("the JSON of the signature partition is not in its one spelling (byte {offset})")]
    NotCanonical {
        /// The first byte that differs.
        offset: usize,
    },
    /// Something follows its end, such as an earlier content of the partition.
    #[error("byte {offset}, behind the JSON of the signature partition, is not NUL")]
    Padding {
        /// The first such byte.
        offset: usize,
    },
    /// It is about another image.
    #[error("the signature partition is about root hash {actual}, not {expected}")]
    RootHash {
        /// What it states.
        actual: String,
        /// What was looked for.
        expected: String,
    },
    /// It is longer than systemd reads.
    #[error("the signature partition is longer than {limit} bytes")]
    TooLarge {
        /// The largest size accepted, in bytes.
        limit: usize,
    },
}

impl SignaturePartitionError {
    pub(super) fn class(&self) -> Class {
        match self {
            SignaturePartitionError::Fingerprint { .. }
            | SignaturePartitionError::RootHash { .. } => Class::Signature,
            SignaturePartitionError::TooLarge { .. } => Class::Limit,
            _ => Class::Format,
        }
    }
}
