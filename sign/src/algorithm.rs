//! The closed set of keys, digests and signature schemes, with their object identifiers.
//!
//! One table (`Scheme::new`) says which combinations exist; signer and verifier both ask it.

use std::fmt;
use std::str::FromStr;

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5912;
use ring::signature::{self, EcdsaSigningAlgorithm, RsaEncoding, VerificationAlgorithm};

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
            _ => None,
        }
    }

    pub(crate) fn is_rsa(self) -> bool {
        !matches!(self, KeyType::EcdsaP256 | KeyType::EcdsaP384)
    }

    /// The digest that suits the key when the caller does not choose one.
    pub(crate) fn default_digest(self) -> SignatureDigest {
        match self {
            KeyType::EcdsaP384 => SignatureDigest::Sha384,
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
        })
    }
}

/// The digest inside a signature. It has nothing to do with the hash algorithm of the tree.
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
    /// All of them.
    pub const ALL: &[SignatureDigest] =
        &[SignatureDigest::Sha256, SignatureDigest::Sha384, SignatureDigest::Sha512];

    /// The name, as the kernel and openssl spell it.
    pub fn name(self) -> &'static str {
        match self {
            SignatureDigest::Sha256 => "sha256",
            SignatureDigest::Sha384 => "sha384",
            SignatureDigest::Sha512 => "sha512",
        }
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

/// How one kind of key and one digest make a signature.
pub(crate) struct Scheme {
    /// What SignerInfo.signatureAlgorithm says. For RSA the kernel takes plain rsaEncryption alone.
    pub(crate) oid: ObjectIdentifier,
    pub(crate) verification: &'static dyn VerificationAlgorithm,
    pub(crate) signing: Option<SigningAlgorithm>,
}

/// What ring signs with.
pub(crate) enum SigningAlgorithm {
    Rsa(&'static dyn RsaEncoding),
    Ecdsa,
}

impl Scheme {
    /// `None` where the key cannot be used with the digest. ring verifies two combinations that it
    /// does not sign: P-256 with SHA-384 and P-384 with SHA-256.
    pub(crate) fn new(key: KeyType, digest: SignatureDigest) -> Option<Scheme> {
        use SignatureDigest::{Sha256, Sha384, Sha512};
        let ecdsa = |oid, verification, signs: bool| Scheme {
            oid,
            verification,
            signing: signs.then_some(SigningAlgorithm::Ecdsa),
        };
        Some(match (key, digest) {
            (KeyType::EcdsaP256, Sha256) => {
                ecdsa(rfc5912::ECDSA_WITH_SHA_256, &signature::ECDSA_P256_SHA256_ASN1, true)
            }
            (KeyType::EcdsaP256, Sha384) => {
                ecdsa(rfc5912::ECDSA_WITH_SHA_384, &signature::ECDSA_P256_SHA384_ASN1, false)
            }
            (KeyType::EcdsaP384, Sha256) => {
                ecdsa(rfc5912::ECDSA_WITH_SHA_256, &signature::ECDSA_P384_SHA256_ASN1, false)
            }
            (KeyType::EcdsaP384, Sha384) => {
                ecdsa(rfc5912::ECDSA_WITH_SHA_384, &signature::ECDSA_P384_SHA384_ASN1, true)
            }
            (KeyType::EcdsaP256 | KeyType::EcdsaP384, Sha512) => return None,
            (_, Sha256) => {
                rsa(&signature::RSA_PKCS1_2048_8192_SHA256, &signature::RSA_PKCS1_SHA256)
            }
            (_, Sha384) => {
                rsa(&signature::RSA_PKCS1_2048_8192_SHA384, &signature::RSA_PKCS1_SHA384)
            }
            (_, Sha512) => {
                rsa(&signature::RSA_PKCS1_2048_8192_SHA512, &signature::RSA_PKCS1_SHA512)
            }
        })
    }
}

fn rsa(
    verification: &'static dyn VerificationAlgorithm,
    signing: &'static dyn RsaEncoding,
) -> Scheme {
    let signing = Some(SigningAlgorithm::Rsa(signing));
    Scheme { oid: rfc5912::RSA_ENCRYPTION, verification, signing }
}

/// ring's name for the one way in which it signs on each curve.
pub(crate) fn ecdsa_signing(key: KeyType) -> Option<&'static EcdsaSigningAlgorithm> {
    match key {
        KeyType::EcdsaP256 => Some(&signature::ECDSA_P256_SHA256_ASN1_SIGNING),
        KeyType::EcdsaP384 => Some(&signature::ECDSA_P384_SHA384_ASN1_SIGNING),
        _ => None,
    }
}
