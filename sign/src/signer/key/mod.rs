//! Private keys from files: PEM or DER; PKCS#8, plain or encrypted, PKCS#1 and SEC1.
//!
//! The bytes of a key are in buffers that are wiped. ring keeps its own, already computed form of
//! an RSA key for as long as the [`PrivateKey`] lives. RSA is signed by ring, ECDSA in `ec`.
//! Whether a key goes with a certificate is the business of `signatory`.

mod ec;
#[cfg(feature = "encrypted-keys")]
mod encrypted;

use std::fmt;
use std::io::Read;

use const_oid::db::rfc5912;
use der::asn1::{AnyRef, BitStringRef};
use der::{Decode, SliceReader, Tag, Tagged};
use pkcs8::PrivateKeyInfoRef;
use ring::error::KeyRejected;
use ring::rand::SystemRandom;
use ring::signature::{self, KeyPair, RsaEncoding, RsaKeyPair};

use self::ec::EcdsaKey;
use crate::algorithm::{KeyType, SignatureDigest};
use crate::certificate::input::{self, Object, Wanted};
use crate::certificate::{PublicKey, ToBeSigned};
use crate::error::{CertificateError, Error, KeyError, SignerError};
use crate::signer::Signer;

/// A private key from a file, ready to sign.
///
/// `Debug` shows the kind of key and nothing else.
pub struct PrivateKey {
    public_key: PublicKey,
    secret: Secret,
}

enum Secret {
    Rsa(Box<RsaKeyPair>),
    Ecdsa(Box<EcdsaKey>),
}

impl PrivateKey {
    /// Reads a key file to its end (at most [`MAX_KEY_BYTES`](crate::MAX_KEY_BYTES)) into a buffer
    /// that is wiped, and parses it.
    ///
    /// # Errors
    ///
    /// As [`PrivateKey::parse`], and when reading fails.
    pub fn read(reader: impl Read) -> Result<PrivateKey, Error> {
        let file = input::read_bounded(reader).map_err(KeyError::Input)?;
        PrivateKey::parse(&file)
    }

    /// Parses a key file: PEM or DER; PKCS#8, PKCS#1 (RSA) or SEC1 (EC).
    ///
    /// # Errors
    ///
    /// [`Error::Key`] when the file is empty, too large, does not hold exactly one private key (its
    /// certificates and parameters may stand beside it), or when the key is of an unsupported kind
    /// or size, or inconsistent; [`KeyError::Encrypted`] when it takes a passphrase.
    pub fn parse(file: &[u8]) -> Result<PrivateKey, Error> {
        let object = object(file)?;
        Ok(PrivateKey::decode(encoding(&object)?, &object.der)?)
    }

    /// Reads a file with an encrypted key, as [`PrivateKey::read`] reads a plain one.
    ///
    /// # Errors
    ///
    /// As [`PrivateKey::parse_encrypted`], and when reading fails.
    #[cfg(feature = "encrypted-keys")]
    pub fn read_encrypted(reader: impl Read, passphrase: &[u8]) -> Result<PrivateKey, Error> {
        let file = input::read_bounded(reader).map_err(KeyError::Input)?;
        PrivateKey::parse_encrypted(&file, passphrase)
    }

    /// Parses a file with an encrypted PKCS#8 key: PEM or DER; PBES2 with PBKDF2 (at most ten
    /// million rounds) or scrypt (at most 256 MiB of memory) and AES.
    ///
    /// # Errors
    ///
    /// As [`PrivateKey::parse`]; [`KeyError::Passphrase`] when the passphrase is wrong,
    /// [`KeyError::NotEncrypted`] when the key takes none: a user who gives a passphrase believes
    /// that it protects the file.
    #[cfg(feature = "encrypted-keys")]
    pub fn parse_encrypted(file: &[u8], passphrase: &[u8]) -> Result<PrivateKey, Error> {
        let object = object(file)?;
        match encoding(&object)? {
            Encoding::EncryptedPkcs8 => {}
            _ => return Err(KeyError::NotEncrypted.into()),
        }
        let plain = encrypted::decrypt(&object.der, passphrase)?;
        PrivateKey::decode(Encoding::Pkcs8, &plain).map_err(|error| match error {
            // One wrong passphrase in 256 leaves something that looks padded.
            KeyError::Malformed { .. } => KeyError::Passphrase.into(),
            error => error.into(),
        })
    }

    /// The kind of key.
    pub fn key_type(&self) -> KeyType {
        self.public_key.key_type()
    }

    fn decode(encoding: Encoding, der: &[u8]) -> Result<PrivateKey, KeyError> {
        match encoding {
            Encoding::EncryptedPkcs8 => Err(KeyError::Encrypted),
            Encoding::Pkcs1 => rsa(RsaKeyPair::from_der(der)),
            Encoding::Pkcs8 => pkcs8(der),
            Encoding::Sec1 => ecdsa(der, None, None),
        }
    }
}

impl Signer for PrivateKey {
    fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    fn sign(&self, to_be_signed: &ToBeSigned) -> Result<Vec<u8>, SignerError> {
        match &self.secret {
            Secret::Ecdsa(key) => Ok(key.sign(to_be_signed)),
            Secret::Rsa(pair) => {
                let padding = rsa_encoding(to_be_signed.digest_algorithm());
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(padding, &SystemRandom::new(), to_be_signed.content(), &mut signature)
                    // There is no randomness, or the key is damaged.
                    .map_err(|_| "the signing operation failed")?;
                Ok(signature)
            }
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.key_type())
    }
}

fn rsa_encoding(digest: SignatureDigest) -> &'static dyn RsaEncoding {
    match digest {
        SignatureDigest::Sha256 => &signature::RSA_PKCS1_SHA256,
        SignatureDigest::Sha384 => &signature::RSA_PKCS1_SHA384,
        SignatureDigest::Sha512 => &signature::RSA_PKCS1_SHA512,
    }
}

#[derive(Clone, Copy)]
enum Encoding {
    EncryptedPkcs8,
    Pkcs1,
    Pkcs8,
    Sec1,
}

/// The one object in a key file.
fn object(file: &[u8]) -> Result<Object, KeyError> {
    input::single_object(file, Wanted::PRIVATE_KEY).map_err(|error| {
        match has_encryption_header(file) {
            true => KeyError::UnsupportedEncryption { actual: "a PEM header".to_owned() },
            false => KeyError::Input(error),
        }
    })
}

/// How the key is encoded. The PEM label says so where there is one; otherwise the first two
/// elements tell the four structures apart.
fn encoding(object: &Object) -> Result<Encoding, KeyError> {
    match object.label.as_deref() {
        Some("PRIVATE KEY") => Ok(Encoding::Pkcs8),
        Some("RSA PRIVATE KEY") => Ok(Encoding::Pkcs1),
        Some("EC PRIVATE KEY") => Ok(Encoding::Sec1),
        Some("ENCRYPTED PRIVATE KEY") => Ok(Encoding::EncryptedPkcs8),
        Some(label) => Err(KeyError::Input(input::wrong_label(label, "a private key"))),
        None => match first_two_tags(&object.der).map_err(malformed)? {
            (Tag::Integer, Tag::Sequence) => Ok(Encoding::Pkcs8),
            (Tag::Integer, Tag::Integer) => Ok(Encoding::Pkcs1),
            (Tag::Integer, Tag::OctetString) => Ok(Encoding::Sec1),
            (Tag::Sequence, Tag::OctetString) => Ok(Encoding::EncryptedPkcs8),
            (Tag::Sequence, Tag::Sequence) => Err(KeyError::Malformed {
                reason: "it looks like a certificate, not a private key".to_owned(),
            }),
            _ => Err(KeyError::Malformed { reason: "not a private key structure".to_owned() }),
        },
    }
}

fn first_two_tags(der: &[u8]) -> der::Result<(Tag, Tag)> {
    let outer = AnyRef::from_der(der)?;
    outer.tag().assert_eq(Tag::Sequence)?;
    let mut reader = SliceReader::new(outer.value())?;
    let first = AnyRef::decode(&mut reader)?;
    let second = AnyRef::decode(&mut reader)?;
    Ok((first.tag(), second.tag()))
}

/// PEM of the days before PKCS#8 marks encryption in a header, which no strict decoder accepts.
fn has_encryption_header(file: &[u8]) -> bool {
    file.windows(ENCRYPTION_HEADER.len()).any(|window| window == ENCRYPTION_HEADER)
}

fn pkcs8(der: &[u8]) -> Result<PrivateKey, KeyError> {
    let info = PrivateKeyInfoRef::from_der(der).map_err(malformed)?;
    match info.algorithm.oid {
        rfc5912::RSA_ENCRYPTION => rsa(RsaKeyPair::from_pkcs8(der)),
        rfc5912::ID_EC_PUBLIC_KEY => {
            ecdsa(info.private_key.as_bytes(), info.algorithm.parameters, info.public_key)
        }
        other => Err(unsupported(format!("algorithm {other}"))),
    }
}

fn rsa(pair: Result<RsaKeyPair, KeyRejected>) -> Result<PrivateKey, KeyError> {
    let pair = pair.map_err(|rejected| match rejected.to_string().as_str() {
        size @ ("TooSmall" | "TooLarge" | "PrivateModulusLenNotMultipleOf512Bits") => {
            unsupported(format!("RSA modulus: {size}"))
        }
        reason => KeyError::Rejected { reason: reason.to_owned() },
    })?;
    let public_key = PublicKey::rsa(pair.public_key().as_ref()).map_err(|error| match error {
        CertificateError::UnsupportedKey { actual } => unsupported(actual),
        error => KeyError::Rejected { reason: error.to_string() },
    })?;
    Ok(PrivateKey { public_key, secret: Secret::Rsa(Box::new(pair)) })
}

fn ecdsa(
    sec1: &[u8],
    curve: Option<AnyRef<'_>>,
    stated: Option<BitStringRef<'_>>,
) -> Result<PrivateKey, KeyError> {
    let (key, public_key) = EcdsaKey::parse(sec1, curve, stated)?;
    Ok(PrivateKey { public_key, secret: Secret::Ecdsa(Box::new(key)) })
}

fn malformed(error: der::Error) -> KeyError {
    KeyError::Malformed { reason: error.to_string() }
}

fn unsupported(actual: String) -> KeyError {
    KeyError::Unsupported { actual }
}

const ENCRYPTION_HEADER: &[u8] = b"Proc-Type: 4,ENCRYPTED";
