//! The closed set of keys and digests, with their object identifiers.
//!
//! Every kind of key goes with every digest. What a signature value is follows from the two: PKCS#1
//! v1.5 for RSA, DER of r and s for ECDSA.

use std::fmt;
use std::str::FromStr;

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5912;
use ring::digest;

/// The kinds of key that sign.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum KeyType {
    /// RSA with a 2048-bit modulus.
    Rsa2048,
    /// RSA with a 3072-bit modulus.
    Rsa3072,
    /// RSA with a 4096-bit modulus.
    Rsa4096,
    /// ECDSA on the curve P-256 (secp256r1, prime256v1).
    EcdsaP256,
    /// ECDSA on the curve P-384 (secp384r1).
    EcdsaP384,
    /// ECDSA on the curve P-521 (secp521r1). Linux takes it from 6.10 on.
    EcdsaP521,
}

impl KeyType {
    pub(crate) fn rsa(modulus_bits: usize) -> Option<KeyType> {
        match modulus_bits {
            2048 => Some(KeyType::Rsa2048),
            3072 => Some(KeyType::Rsa3072),
            4096 => Some(KeyType::Rsa4096),
            _ => None,
        }
    }

    pub(crate) fn ecdsa(curve: ObjectIdentifier) -> Option<KeyType> {
        match curve {
            rfc5912::SECP_256_R_1 => Some(KeyType::EcdsaP256),
            rfc5912::SECP_384_R_1 => Some(KeyType::EcdsaP384),
            rfc5912::SECP_521_R_1 => Some(KeyType::EcdsaP521),
            _ => None,
        }
    }

    pub(crate) fn is_rsa(self) -> bool {
        self.scalar_size().is_none()
    }

    /// How long a number of a signature is, in bytes; of ECDSA only.
    pub(crate) fn scalar_size(self) -> Option<usize> {
        match self {
            KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => None,
            KeyType::EcdsaP256 => Some(32),
            KeyType::EcdsaP384 => Some(48),
            KeyType::EcdsaP521 => Some(66),
        }
    }

    /// How long a signature is, in bytes; of RSA only.
    pub(crate) fn modulus_size(self) -> Option<usize> {
        match self {
            KeyType::Rsa2048 => Some(256),
            KeyType::Rsa3072 => Some(384),
            KeyType::Rsa4096 => Some(512),
            KeyType::EcdsaP256 | KeyType::EcdsaP384 | KeyType::EcdsaP521 => None,
        }
    }

    /// The first Linux release that takes signatures by such keys, where that is later than 5.14,
    /// which takes those by all others.
    pub fn since_linux(self) -> Option<&'static str> {
        match self {
            KeyType::EcdsaP521 => Some("6.10"),
            _ => None,
        }
    }

    /// A name for programs, without blanks. An [`ExternalSigner`](crate::ExternalSigner) is told
    /// it.
    pub fn name(self) -> &'static str {
        match self {
            KeyType::Rsa2048 => "rsa2048",
            KeyType::Rsa3072 => "rsa3072",
            KeyType::Rsa4096 => "rsa4096",
            KeyType::EcdsaP256 => "ecdsa-p256",
            KeyType::EcdsaP384 => "ecdsa-p384",
            KeyType::EcdsaP521 => "ecdsa-p521",
        }
    }

    /// The digest that suits the key when the caller does not choose one.
    pub(crate) fn default_digest(self) -> SignatureDigest {
        match self {
            KeyType::EcdsaP384 => SignatureDigest::Sha384,
            KeyType::EcdsaP521 => SignatureDigest::Sha512,
            _ => SignatureDigest::Sha256,
        }
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KeyType::Rsa2048 => "RSA-2048",
            KeyType::Rsa3072 => "RSA-3072",
            KeyType::Rsa4096 => "RSA-4096",
            KeyType::EcdsaP256 => "ECDSA P-256",
            KeyType::EcdsaP384 => "ECDSA P-384",
            KeyType::EcdsaP521 => "ECDSA P-521",
        })
    }
}

/// The digest inside a signature, which is independent of the hash algorithm of the tree.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum SignatureDigest {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl SignatureDigest {
    /// Every digest.
    pub const ALL: &[SignatureDigest] =
        &[SignatureDigest::Sha256, SignatureDigest::Sha384, SignatureDigest::Sha512];

    /// The name in the spelling of the kernel and openssl.
    pub fn name(self) -> &'static str {
        match self {
            SignatureDigest::Sha256 => "sha256",
            SignatureDigest::Sha384 => "sha384",
            SignatureDigest::Sha512 => "sha512",
        }
    }

    /// Hashes `content`.
    pub(crate) fn hash(self, content: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            SignatureDigest::Sha256 => &digest::SHA256,
            SignatureDigest::Sha384 => &digest::SHA384,
            SignatureDigest::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, content).as_ref().to_vec()
    }

    pub(crate) fn oid(self) -> ObjectIdentifier {
        match self {
            SignatureDigest::Sha256 => rfc5912::ID_SHA_256,
            SignatureDigest::Sha384 => rfc5912::ID_SHA_384,
            SignatureDigest::Sha512 => rfc5912::ID_SHA_512,
        }
    }

    pub(crate) fn from_oid(oid: ObjectIdentifier) -> Option<SignatureDigest> {
        SignatureDigest::ALL.iter().copied().find(|digest| digest.oid() == oid)
    }
}

impl fmt::Display for SignatureDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SignatureDigest {
    type Err = UnknownSignatureDigest;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        SignatureDigest::ALL
            .iter()
            .copied()
            .find(|digest| digest.name() == name)
            .ok_or_else(|| UnknownSignatureDigest { name: name.to_owned() })
    }
}

/// A digest name that is not one of [`SignatureDigest::ALL`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown signature digest {name:?}; known are sha256, sha384, sha512")]
pub struct UnknownSignatureDigest {
    name: String,
}

/// The value of SignerInfo.signatureAlgorithm. For RSA the kernel takes plain rsaEncryption alone.
pub(crate) fn signature_oid(key: KeyType, digest: SignatureDigest) -> ObjectIdentifier {
    match (key.is_rsa(), digest) {
        (true, _) => rfc5912::RSA_ENCRYPTION,
        (false, SignatureDigest::Sha256) => rfc5912::ECDSA_WITH_SHA_256,
        (false, SignatureDigest::Sha384) => rfc5912::ECDSA_WITH_SHA_384,
        (false, SignatureDigest::Sha512) => rfc5912::ECDSA_WITH_SHA_512,
    }
}
