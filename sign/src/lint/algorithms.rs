//! The algorithms that the kernel's parsers know by their object identifiers, and what to do by
//! them.
//!
//! The lists are those of Linux 6.12, with the release that added each entry, for the report.

use const_oid::ObjectIdentifier;
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};
use sha3::{Sha3_256, Sha3_384, Sha3_512};

/// A digest that a signature or a certificate may name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Hash {
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    Sha3_256,
    Sha3_384,
    Sha3_512,
    /// Known to the parser; no key that is modelled here goes with it.
    Other,
}

impl Hash {
    /// As `SignerInfo.digestAlgorithm` names it.
    pub(super) fn of_signer(oid: &[u8]) -> Option<Hash> {
        find(&SIGNER_HASHES, oid)
    }

    /// The object identifier, as RSA's encoding of the digest holds it.
    pub(super) fn oid(self) -> Option<ObjectIdentifier> {
        SIGNER_HASHES.iter().find(|(_, hash)| *hash == self).map(|(oid, _)| *oid)
    }

    /// The digest of the parts, one behind the other; `None` if it is not modelled.
    pub(super) fn digest(self, parts: &[&[u8]]) -> Option<Vec<u8>> {
        Some(match self {
            Hash::Sha1 => digest::<Sha1>(parts),
            Hash::Sha224 => digest::<Sha224>(parts),
            Hash::Sha256 => digest::<Sha256>(parts),
            Hash::Sha384 => digest::<Sha384>(parts),
            Hash::Sha512 => digest::<Sha512>(parts),
            Hash::Sha3_256 => digest::<Sha3_256>(parts),
            Hash::Sha3_384 => digest::<Sha3_384>(parts),
            Hash::Sha3_512 => digest::<Sha3_512>(parts),
            Hash::Other => return None,
        })
    }

    pub(super) fn since(self) -> Version {
        match self {
            Hash::Sha3_256 | Hash::Sha3_384 | Hash::Sha3_512 => Version(6, 7),
            _ => BASE,
        }
    }
}

fn digest<D: sha2::Digest>(parts: &[&[u8]]) -> Vec<u8> {
    let mut digest = D::new();
    parts.iter().for_each(|part| digest.update(part));
    digest.finalize().to_vec()
}

/// How a signature value is made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Scheme {
    Rsa,
    Ecdsa,
    /// EC-RDSA: known to the parser, not modelled.
    Ecrdsa,
}

impl Scheme {
    /// As `SignerInfo.signatureAlgorithm` names it. Its digest does not count, only the family.
    pub(super) fn of_signer(oid: &[u8]) -> Option<Scheme> {
        find(&SIGNER_SCHEMES, oid)
    }

    /// As a certificate names the algorithm of its own signature.
    pub(super) fn of_certificate(oid: &[u8]) -> Option<(Scheme, Hash)> {
        find(&CERTIFICATE_SCHEMES, oid)
    }

    pub(super) fn since(self) -> Version {
        match self {
            Scheme::Ecdsa => Version(5, 14),
            _ => BASE,
        }
    }
}

/// What kind of public key a certificate holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Key {
    Rsa,
    P192,
    P256,
    P384,
    P521,
    /// EC-RDSA.
    Gost,
}

impl Key {
    pub(super) fn of_curve(oid: &[u8]) -> Option<Key> {
        find(&CURVES, oid)
    }

    pub(super) fn since(self) -> Version {
        match self {
            Key::P521 => Version(6, 10),
            Key::Rsa | Key::Gost => BASE,
            _ => Version(5, 14),
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Key::Rsa => "RSA",
            Key::P192 => "ECDSA P-192",
            Key::P256 => "ECDSA P-256",
            Key::P384 => "ECDSA P-384",
            Key::P521 => "ECDSA P-521",
            Key::Gost => "EC-RDSA",
        }
    }
}

/// A Linux release.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Version(pub(super) u16, pub(super) u16);

/// The first release whose dm-verity takes a signature.
pub(super) const BASE: Version = Version(5, 4);

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

fn find<T: Copy>(table: &[(ObjectIdentifier, T)], oid: &[u8]) -> Option<T> {
    table.iter().find(|(known, _)| known.as_bytes() == oid).map(|(_, value)| *value)
}

/// An identifier that is refused, for people: with its name, if it is a well-known one.
pub(super) fn name_of(oid: &[u8]) -> String {
    let known = NAMES.iter().find(|(known, _)| known.as_bytes() == oid);
    match (ObjectIdentifier::from_bytes(oid), known) {
        (Ok(oid), Some((_, name))) => format!("{name} ({oid})"),
        (Ok(oid), None) => oid.to_string(),
        (Err(_), _) => format!("an object identifier of bytes {}", hex::encode(short(oid))),
    }
}

fn short(oid: &[u8]) -> &[u8] {
    oid.get(..32).unwrap_or(oid)
}

pub(super) const fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

const SIGNER_HASHES: [(ObjectIdentifier, Hash); 11] = [
    (oid("1.3.14.3.2.26"), Hash::Sha1),
    (oid("2.16.840.1.101.3.4.2.1"), Hash::Sha256),
    (oid("2.16.840.1.101.3.4.2.2"), Hash::Sha384),
    (oid("2.16.840.1.101.3.4.2.3"), Hash::Sha512),
    (oid("2.16.840.1.101.3.4.2.4"), Hash::Sha224),
    (oid("2.16.840.1.101.3.4.2.8"), Hash::Sha3_256),
    (oid("2.16.840.1.101.3.4.2.9"), Hash::Sha3_384),
    (oid("2.16.840.1.101.3.4.2.10"), Hash::Sha3_512),
    (oid("1.2.156.10197.1.401"), Hash::Other),
    (oid("1.2.643.7.1.1.2.2"), Hash::Other),
    (oid("1.2.643.7.1.1.2.3"), Hash::Other),
];

const SIGNER_SCHEMES: [(ObjectIdentifier, Scheme); 11] = [
    (oid("1.2.840.113549.1.1.1"), Scheme::Rsa),
    (oid("1.2.840.10045.4.1"), Scheme::Ecdsa),
    (oid("1.2.840.10045.4.3.1"), Scheme::Ecdsa),
    (oid("1.2.840.10045.4.3.2"), Scheme::Ecdsa),
    (oid("1.2.840.10045.4.3.3"), Scheme::Ecdsa),
    (oid("1.2.840.10045.4.3.4"), Scheme::Ecdsa),
    (oid("2.16.840.1.101.3.4.3.10"), Scheme::Ecdsa),
    (oid("2.16.840.1.101.3.4.3.11"), Scheme::Ecdsa),
    (oid("2.16.840.1.101.3.4.3.12"), Scheme::Ecdsa),
    (oid("1.2.643.7.1.1.1.1"), Scheme::Ecrdsa),
    (oid("1.2.643.7.1.1.1.2"), Scheme::Ecrdsa),
];

const CERTIFICATE_SCHEMES: [(ObjectIdentifier, (Scheme, Hash)); 18] = [
    (oid("1.2.840.113549.1.1.5"), (Scheme::Rsa, Hash::Sha1)),
    (oid("1.2.840.113549.1.1.11"), (Scheme::Rsa, Hash::Sha256)),
    (oid("1.2.840.113549.1.1.12"), (Scheme::Rsa, Hash::Sha384)),
    (oid("1.2.840.113549.1.1.13"), (Scheme::Rsa, Hash::Sha512)),
    (oid("1.2.840.113549.1.1.14"), (Scheme::Rsa, Hash::Sha224)),
    (oid("2.16.840.1.101.3.4.3.14"), (Scheme::Rsa, Hash::Sha3_256)),
    (oid("2.16.840.1.101.3.4.3.15"), (Scheme::Rsa, Hash::Sha3_384)),
    (oid("2.16.840.1.101.3.4.3.16"), (Scheme::Rsa, Hash::Sha3_512)),
    (oid("1.2.840.10045.4.1"), (Scheme::Ecdsa, Hash::Sha1)),
    (oid("1.2.840.10045.4.3.1"), (Scheme::Ecdsa, Hash::Sha224)),
    (oid("1.2.840.10045.4.3.2"), (Scheme::Ecdsa, Hash::Sha256)),
    (oid("1.2.840.10045.4.3.3"), (Scheme::Ecdsa, Hash::Sha384)),
    (oid("1.2.840.10045.4.3.4"), (Scheme::Ecdsa, Hash::Sha512)),
    (oid("2.16.840.1.101.3.4.3.10"), (Scheme::Ecdsa, Hash::Sha3_256)),
    (oid("2.16.840.1.101.3.4.3.11"), (Scheme::Ecdsa, Hash::Sha3_384)),
    (oid("2.16.840.1.101.3.4.3.12"), (Scheme::Ecdsa, Hash::Sha3_512)),
    (oid("1.2.643.7.1.1.3.2"), (Scheme::Ecrdsa, Hash::Other)),
    (oid("1.2.643.7.1.1.3.3"), (Scheme::Ecrdsa, Hash::Other)),
];

const CURVES: [(ObjectIdentifier, Key); 4] = [
    (oid("1.2.840.10045.3.1.1"), Key::P192),
    (oid("1.2.840.10045.3.1.7"), Key::P256),
    (oid("1.3.132.0.34"), Key::P384),
    (oid("1.3.132.0.35"), Key::P521),
];

/// Identifiers that are met and refused often enough to be named.
const NAMES: [(ObjectIdentifier, &str); 19] = [
    (oid("1.2.840.113549.2.5"), "md5"),
    (oid("1.2.840.113549.2.4"), "md4"),
    (oid("1.3.36.3.2.1"), "ripemd160"),
    (oid("2.16.840.1.101.3.4.2.6"), "sha512-256"),
    (oid("2.16.840.1.101.3.4.2.7"), "sha3-224"),
    (oid("1.2.840.113549.1.1.10"), "RSA-PSS"),
    (oid("1.2.840.113549.1.1.5"), "sha1WithRSAEncryption"),
    (oid("1.2.840.113549.1.1.11"), "sha256WithRSAEncryption"),
    (oid("1.2.840.113549.1.1.12"), "sha384WithRSAEncryption"),
    (oid("1.2.840.113549.1.1.13"), "sha512WithRSAEncryption"),
    (oid("1.2.840.113549.1.1.14"), "sha224WithRSAEncryption"),
    (oid("1.2.840.10045.2.1"), "ecPublicKey"),
    (oid("1.3.101.112"), "Ed25519"),
    (oid("1.3.132.0.10"), "secp256k1"),
    (oid("2.16.840.1.101.3.4.3.17"), "ML-DSA-44"),
    (oid("2.16.840.1.101.3.4.3.18"), "ML-DSA-65"),
    (oid("2.16.840.1.101.3.4.3.19"), "ML-DSA-87"),
    (oid("1.2.840.113549.1.7.2"), "signedData"),
    (oid("1.2.840.113549.1.7.5"), "digestedData"),
];
