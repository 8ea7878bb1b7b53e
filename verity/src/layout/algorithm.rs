//! The hash algorithms dm-verity images use, by the kernel's names.
//!
//! A closed set: a name outside it is refused with the list of known ones, in options and in
//! superblocks alike. Hashing itself lives in `hash`.

use std::fmt;
use std::str::FromStr;

/// A hash algorithm, named as the Linux kernel's crypto API and veritysetup name it.
///
/// Names are lower case and have one spelling: `sha-256` is refused, because a superblock that says
/// so cannot be activated by the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// SHA-1 (FIPS 180-4), 20 bytes. Legacy: collisions are practical.
    Sha1,
    /// SHA-224 (FIPS 180-4), 28 bytes.
    Sha224,
    /// SHA-256 (FIPS 180-4), 32 bytes; dm-verity's usual choice.
    #[default]
    Sha256,
    /// SHA-384 (FIPS 180-4), 48 bytes.
    Sha384,
    /// SHA-512 (FIPS 180-4), 64 bytes.
    Sha512,
    /// SHA3-256 (FIPS 202), 32 bytes.
    Sha3_256,
    /// SHA3-384 (FIPS 202), 48 bytes.
    Sha3_384,
    /// SHA3-512 (FIPS 202), 64 bytes.
    Sha3_512,
    /// BLAKE2b with a digest of 32 bytes (RFC 7693).
    Blake2b256,
    /// BLAKE2b with a digest of 64 bytes (RFC 7693).
    Blake2b512,
    /// BLAKE2s with a digest of 32 bytes (RFC 7693).
    Blake2s256,
    /// SM3 (GB/T 32905-2016), 32 bytes.
    Sm3,
}

impl Algorithm {
    /// Every algorithm, in the order they are listed to users.
    pub const ALL: &[Algorithm] = &[
        Algorithm::Sha1,
        Algorithm::Sha224,
        Algorithm::Sha256,
        Algorithm::Sha384,
        Algorithm::Sha512,
        Algorithm::Sha3_256,
        Algorithm::Sha3_384,
        Algorithm::Sha3_512,
        Algorithm::Blake2b256,
        Algorithm::Blake2b512,
        Algorithm::Blake2s256,
        Algorithm::Sm3,
    ];

    /// The name in superblocks, device-mapper tables and options.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Sha1 => "sha1",
            Algorithm::Sha224 => "sha224",
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha384 => "sha384",
            Algorithm::Sha512 => "sha512",
            Algorithm::Sha3_256 => "sha3-256",
            Algorithm::Sha3_384 => "sha3-384",
            Algorithm::Sha3_512 => "sha3-512",
            Algorithm::Blake2b256 => "blake2b-256",
            Algorithm::Blake2b512 => "blake2b-512",
            Algorithm::Blake2s256 => "blake2s-256",
            Algorithm::Sm3 => "sm3",
        }
    }

    /// The size of a digest, in bytes: 20 to 64.
    pub fn digest_size(self) -> u32 {
        match self {
            Algorithm::Sha1 => 20,
            Algorithm::Sha224 => 28,
            Algorithm::Sha256
            | Algorithm::Sha3_256
            | Algorithm::Blake2b256
            | Algorithm::Blake2s256
            | Algorithm::Sm3 => 32,
            Algorithm::Sha384 | Algorithm::Sha3_384 => 48,
            Algorithm::Sha512 | Algorithm::Sha3_512 | Algorithm::Blake2b512 => 64,
        }
    }

    /// Whether new images should avoid it: collisions are known.
    pub fn is_legacy(self) -> bool {
        self == Algorithm::Sha1
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = AlgorithmError;

    /// Accepts upper case, as veritysetup does; see [`Algorithm::name`] for the spellings.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let lower = name.to_ascii_lowercase();
        let known = Self::ALL.iter().find(|algorithm| algorithm.name() == lower);
        known.copied().ok_or_else(|| AlgorithmError { name: name.chars().take(64).collect() })
    }
}

/// A hash algorithm that is not one of [`Algorithm::ALL`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error("hash algorithm {name:?} is not supported; known ones: {known}", known = known_names())]
pub struct AlgorithmError {
    /// The name that was refused, at most 64 characters of it.
    pub name: String,
}

fn known_names() -> String {
    let names: Vec<_> = Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for &algorithm in Algorithm::ALL {
            assert_eq!(algorithm.name().parse(), Ok(algorithm));
            assert_eq!(algorithm.name().to_uppercase().parse(), Ok(algorithm));
            assert!(algorithm.name().len() < 32, "the superblock field holds 31 bytes and a NUL");
        }
    }

    #[test]
    fn only_sha1_is_to_be_avoided() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.is_legacy(), *algorithm == Algorithm::Sha1, "{algorithm}");
        }
    }

    #[test]
    fn aliases_and_weak_hashes_are_refused_with_the_known_names() {
        for name in [
            "sha-256",
            "sha2-256",
            "md4",
            "md5",
            "shake128",
            "shake256",
            "whirlpool",
            "rmd160",
            "ripemd160",
            "blake2b",
            "crc32",
            "sha256 ",
            "",
            "sha256\0",
        ] {
            let error = name.parse::<Algorithm>().unwrap_err();
            assert_eq!(error.name, name);
            let text = error.to_string();
            assert!(text.contains("sha256, ") && text.ends_with("sm3"), "{text}");
        }
    }
}
