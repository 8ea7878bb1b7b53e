//! Salts and UUIDs that follow from a text, so that the same build makes the same bytes.
//!
//! `docs/FORMAT.md` specifies both derivations.

use sha2::{Digest as _, Sha256};
use uuid::{Builder, Uuid};

use super::Salt;

impl Salt {
    /// The salt that belongs to a seed: SHA-256 over `verity-salt-v1`, a NUL byte and the seed.
    ///
    /// ```
    /// let salt = verity::Salt::from_seed("2026-11-23|aws|x86_64");
    /// assert_eq!(salt.as_bytes().len(), 32);
    /// ```
    pub fn from_seed(seed: &str) -> Salt {
        Salt::new(&hash("verity-salt-v1", seed)).unwrap_or_else(|_| unreachable!("32 of 256 bytes"))
    }
}

/// The UUID that belongs to a seed: the first 16 bytes of SHA-256 over `verity-uuid-v1`, a NUL byte
/// and the seed, with the version and variant bits of a version 4 UUID (RFC 9562).
///
/// ```
/// let uuid = verity::uuid_from_seed("2026-11-23|aws|x86_64");
/// assert_eq!(uuid.get_version_num(), 4);
/// ```
pub fn uuid_from_seed(seed: &str) -> Uuid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash("verity-uuid-v1", seed)[..16]);
    Builder::from_random_bytes(bytes).into_uuid()
}

fn hash(purpose: &str, seed: &str) -> [u8; 32] {
    Sha256::new().chain_update(purpose).chain_update([0]).chain_update(seed).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf 'verity-salt-v1\0demo' | sha256sum`, and the same with `uuid`.
    #[test]
    fn derivations_are_those_of_the_format_document() {
        assert_eq!(
            Salt::from_seed("demo").to_string(),
            "76cc4784906c05b8100593d5a938d15d14058187ca01433170e47efd23f902e1"
        );
        assert_eq!(uuid_from_seed("demo").to_string(), "66f0e76c-78a6-4a68-980c-6e2126c59c93");
    }
}
