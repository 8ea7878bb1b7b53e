//! Private keys: loading from PEM or DER, and the signing operation itself (ring's).
//!
//! Bytes of a key are held in buffers that are wiped; ring keeps its own, already computed form for
//! as long as the [`PrivateKey`] lives. Encrypted keys are refused, not asked for a passphrase.
//! Whether a key goes with a certificate is the business of `signer`.

use std::fmt;
use std::io::Read;

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5912;
use der::asn1::{AnyRef, OctetStringRef};
use der::{Decode, Encode, Reader, Sequence, SliceReader, Tag, Tagged};
use ring::error::KeyRejected;
use ring::rand::SystemRandom;
use ring::signature::{EcdsaKeyPair, KeyPair, RsaKeyPair};
use x509_cert::spki::AlgorithmIdentifierRef;
use zeroize::Zeroizing;

use crate::algorithm::{KeyType, Scheme, SignatureDigest, SigningAlgorithm, ecdsa_signing};
use crate::error::{Error, KeyError, SigningError};
use crate::input::{self, Object};

/// A private key, ready to sign.
///
/// `Debug` shows the kind of key and nothing else.
pub struct PrivateKey {
    key_type: KeyType,
    pair: Pair,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ecdsa(Box<EcdsaKeyPair>),
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

    /// Parses a key file: PEM or DER; PKCS#8, PKCS#1 (RSA) or SEC1 (EC, with its public key).
    ///
    /// # Errors
    ///
    /// [`Error::Key`] when the file is empty, too large, holds anything but exactly one private key
    /// (an `EC PARAMETERS` block may stand beside it), when the key is encrypted, of an unsupported
    /// kind or size, or inconsistent.
    pub fn parse(file: &[u8]) -> Result<PrivateKey, Error> {
        let object = match input::single_object(file, Some("EC PARAMETERS")) {
            Ok(object) => object,
            Err(_) if has_encryption_header(file) => return Err(KeyError::Encrypted.into()),
            Err(error) => return Err(KeyError::Input(error).into()),
        };
        let encoding = encoding(&object)?;
        let (key_type, pair) = match encoding {
            Encoding::Pkcs1 => rsa(RsaKeyPair::from_der(&object.der))?,
            Encoding::Pkcs8 => pkcs8(&object.der)?,
            Encoding::Sec1 => sec1(&object.der)?,
        };
        Ok(PrivateKey { key_type, pair })
    }

    /// What kind of key it is.
    pub fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// The public half, as a certificate's subjectPublicKey holds it: RSAPublicKey in DER, or the
    /// uncompressed point.
    pub(crate) fn public_key(&self) -> &[u8] {
        match &self.pair {
            Pair::Rsa(pair) => pair.public_key().as_ref(),
            Pair::Ecdsa(pair) => pair.public_key().as_ref(),
        }
    }

    /// Whether the key can sign with this digest.
    pub(crate) fn check_digest(&self, digest: SignatureDigest) -> Result<(), KeyError> {
        self.signing_algorithm(digest).map(drop)
    }

    /// Signs `content`: PKCS#1 v1.5 for RSA, DER of r and s for ECDSA.
    pub(crate) fn sign(&self, content: &[u8], digest: SignatureDigest) -> Result<Vec<u8>, Error> {
        let algorithm = self.signing_algorithm(digest)?;
        let random = SystemRandom::new();
        let failed = |ring::error::Unspecified| SigningError::Failed;
        match (&self.pair, algorithm) {
            (Pair::Rsa(pair), SigningAlgorithm::Rsa(padding)) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(padding, &random, content, &mut signature).map_err(failed)?;
                Ok(signature)
            }
            (Pair::Ecdsa(pair), SigningAlgorithm::Ecdsa) => {
                Ok(pair.sign(&random, content).map_err(failed)?.as_ref().to_vec())
            }
            _ => Err(SigningError::Failed.into()),
        }
    }

    fn signing_algorithm(&self, digest: SignatureDigest) -> Result<SigningAlgorithm, KeyError> {
        Scheme::new(self.key_type, digest).and_then(|scheme| scheme.signing).ok_or(
            KeyError::UnsupportedDigest {
                key: self.key_type,
                digest,
                supported: match self.key_type {
                    KeyType::EcdsaP256 => "sha256 is supported",
                    KeyType::EcdsaP384 => "sha384 is supported",
                    _ => "sha256, sha384 and sha512 are supported",
                },
            },
        )
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.key_type)
    }
}

enum Encoding {
    Pkcs1,
    Pkcs8,
    Sec1,
}

/// The PEM label decides where there is one; otherwise the first two elements tell the four
/// structures apart.
fn encoding(object: &Object) -> Result<Encoding, KeyError> {
    match object.label.as_deref() {
        Some("PRIVATE KEY") => Ok(Encoding::Pkcs8),
        Some("RSA PRIVATE KEY") => Ok(Encoding::Pkcs1),
        Some("EC PRIVATE KEY") => Ok(Encoding::Sec1),
        Some("ENCRYPTED PRIVATE KEY") => Err(KeyError::Encrypted),
        Some(label) => Err(KeyError::Input(crate::error::InputError::WrongLabel {
            label: label.to_owned(),
            expected: "a private key",
        })),
        None => match first_two_tags(&object.der).map_err(malformed)? {
            (Tag::Integer, Tag::Sequence) => Ok(Encoding::Pkcs8),
            (Tag::Integer, Tag::Integer) => Ok(Encoding::Pkcs1),
            (Tag::Integer, Tag::OctetString) => Ok(Encoding::Sec1),
            (Tag::Sequence, Tag::OctetString) => Err(KeyError::Encrypted),
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
    const MARK: &[u8] = b"Proc-Type: 4,ENCRYPTED";
    file.windows(MARK.len()).any(|window| window == MARK)
}

/// PKCS#8 PrivateKeyInfo (RFC 5208), as far as it is needed to choose the key's kind.
#[derive(Sequence)]
struct PrivateKeyInfo<'a> {
    version: u8,
    algorithm: AlgorithmIdentifierRef<'a>,
    private_key: &'a OctetStringRef,
}

fn pkcs8(der: &[u8]) -> Result<(KeyType, Pair), KeyError> {
    let algorithm = pkcs8_algorithm(der).map_err(malformed)?;
    match algorithm.oid {
        rfc5912::RSA_ENCRYPTION => rsa(RsaKeyPair::from_pkcs8(der)),
        rfc5912::ID_EC_PUBLIC_KEY => {
            let curve = algorithm.parameters.and_then(|any| any.decode_as().ok());
            ecdsa(curve, der)
        }
        other => Err(unsupported(format!("algorithm {other}"))),
    }
}

/// Reads only up to the algorithm: optional attributes may follow the key, and ring checks the rest.
fn pkcs8_algorithm(der: &[u8]) -> der::Result<AlgorithmIdentifierRef<'_>> {
    let mut reader = SliceReader::new(AnyRef::from_der(der)?.value())?;
    let _version: u8 = reader.decode()?;
    reader.decode()
}

fn rsa(pair: Result<RsaKeyPair, KeyRejected>) -> Result<(KeyType, Pair), KeyError> {
    let pair = pair.map_err(|rejected| match rejected.to_string().as_str() {
        size @ ("TooSmall" | "TooLarge" | "PrivateModulusLenNotMultipleOf512Bits") => {
            unsupported(format!("RSA modulus: {size}"))
        }
        reason => KeyError::Rejected { reason: reason.to_owned() },
    })?;
    let bits = pair.public().modulus_len().saturating_mul(8);
    let key_type = KeyType::rsa(bits).ok_or_else(|| unsupported(format!("RSA {bits} bits")))?;
    Ok((key_type, Pair::Rsa(Box::new(pair))))
}

fn ecdsa(curve: Option<ObjectIdentifier>, pkcs8: &[u8]) -> Result<(KeyType, Pair), KeyError> {
    let curve = curve.ok_or_else(|| unsupported("EC without a named curve".to_owned()))?;
    let (key_type, algorithm) = KeyType::ecdsa(curve)
        .and_then(|key_type| Some((key_type, ecdsa_signing(key_type)?)))
        .ok_or_else(|| unsupported(format!("EC curve {curve}")))?;
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8, &SystemRandom::new())
        .map_err(|rejected| KeyError::Rejected { reason: rejected.to_string() })?;
    Ok((key_type, Pair::Ecdsa(Box::new(pair))))
}

/// SEC1 ECPrivateKey (RFC 5915).
#[derive(Sequence)]
struct EcPrivateKey<'a> {
    version: u8,
    private_key: &'a OctetStringRef,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    parameters: Option<AnyRef<'a>>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    public_key: Option<AnyRef<'a>>,
}

/// ring reads EC keys in PKCS#8 only, so a SEC1 key is put into that wrapper.
fn sec1(der: &[u8]) -> Result<(KeyType, Pair), KeyError> {
    let key = EcPrivateKey::from_der(der).map_err(malformed)?;
    if key.public_key.is_none() {
        let reason = "it lacks its public key".to_owned();
        return Err(KeyError::Rejected { reason });
    }
    let curve: Option<ObjectIdentifier> = key.parameters.and_then(|any| any.decode_as().ok());
    let wrapped = PrivateKeyInfo {
        version: 0,
        algorithm: AlgorithmIdentifierRef {
            oid: rfc5912::ID_EC_PUBLIC_KEY,
            parameters: curve.as_ref().map(AnyRef::from),
        },
        private_key: OctetStringRef::new(der).map_err(malformed)?,
    };
    let length = wrapped.encoded_len().and_then(usize::try_from).map_err(malformed)?;
    let mut pkcs8 = Zeroizing::new(vec![0; length]);
    wrapped.encode_to_slice(&mut pkcs8).map_err(malformed)?;
    ecdsa(curve, &pkcs8)
}

fn malformed(error: der::Error) -> KeyError {
    KeyError::Malformed { reason: error.to_string() }
}

fn unsupported(actual: String) -> KeyError {
    KeyError::Unsupported { actual }
}
