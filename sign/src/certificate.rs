//! X.509 certificates: loading one, and what messages and decisions need from it.
//!
//! A certificate here is a name tag for a public key. Where somebody pinned it, nothing is built on its
//! issuer's signature, its extensions or its dates; the dates are only reported. Chains are the business
//! of `trust`.

use std::fmt;
use std::io::Read;

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5912;
use der::asn1::UintRef;
use der::{Decode, Encode, Sequence};
use ring::digest;
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use crate::algorithm::KeyType;
use crate::error::{CertificateError, Error, InputError};
use crate::input;

/// One certificate, with a public key of a kind that can sign here.
#[derive(Clone)]
pub struct Certificate {
    der: Vec<u8>,
    parsed: x509_cert::Certificate,
    subject: String,
    issuer: String,
    serial: String,
    key_type: KeyType,
    fingerprint: Fingerprint,
}

impl Certificate {
    /// Reads a certificate file to its end (at most [`MAX_KEY_BYTES`](crate::MAX_KEY_BYTES)) and
    /// parses it.
    ///
    /// # Errors
    ///
    /// As [`Certificate::parse`], and when reading fails.
    pub fn read(reader: impl Read) -> Result<Certificate, Error> {
        let file = input::read_bounded(reader).map_err(CertificateError::Input)?;
        Certificate::parse(&file)
    }

    /// Parses a certificate file: PEM or DER, exactly one certificate.
    ///
    /// # Errors
    ///
    /// [`Error::Certificate`] when the file is empty, too large, holds anything but exactly one
    /// certificate, when that is not canonical DER, or holds an unsupported public key.
    pub fn parse(file: &[u8]) -> Result<Certificate, Error> {
        let object = input::single_object(file, None).map_err(CertificateError::Input)?;
        match object.label {
            None => {}
            Some(label) if label == "CERTIFICATE" => {}
            Some(label) => {
                let expected = "a certificate";
                let input = InputError::WrongLabel { label, expected };
                return Err(CertificateError::Input(input).into());
            }
        }
        Ok(Certificate::from_der(&object.der)?)
    }

    pub(crate) fn from_der(der: &[u8]) -> Result<Certificate, CertificateError> {
        let parsed = x509_cert::Certificate::from_der(der).map_err(malformed)?;
        // A certificate that re-encodes differently could neither be embedded nor be named by its
        // issuer without changing bytes that others compare.
        let canonical = parsed.to_der().map_err(malformed)?;
        if let Some(offset) = first_difference(&canonical, der) {
            return Err(CertificateError::NotCanonical { offset });
        }
        let tbs = parsed.tbs_certificate();
        Ok(Certificate {
            subject: printable(tbs.subject()),
            issuer: printable(tbs.issuer()),
            serial: hex::encode(tbs.serial_number().as_bytes()),
            key_type: key_type(tbs.subject_public_key_info())?,
            fingerprint: Fingerprint::of(der),
            der: der.to_vec(),
            parsed,
        })
    }

    /// The subject's name, in RFC 4514 form, control characters escaped.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The issuer's name, in the same form.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The serial number in hex, as encoded.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// The certificate itself.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// What kind of public key it holds.
    pub fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// SHA-256 of the DER, by which certificates are commonly told apart.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// First second of its validity, in unix seconds.
    pub fn not_before(&self) -> u64 {
        self.parsed.tbs_certificate().validity().not_before.to_unix_duration().as_secs()
    }

    /// Last second of its validity, in unix seconds.
    pub fn not_after(&self) -> u64 {
        self.parsed.tbs_certificate().validity().not_after.to_unix_duration().as_secs()
    }

    /// Whether it is within its validity at `now` (unix seconds).
    pub fn validity_at(&self, now: u64) -> Validity {
        let (not_before, not_after) = (self.not_before(), self.not_after());
        if now < not_before {
            Validity::NotYetValid { not_before }
        } else if now > not_after {
            Validity::Expired { not_after }
        } else {
            Validity::Valid
        }
    }

    pub(crate) fn parsed(&self) -> &x509_cert::Certificate {
        &self.parsed
    }

    /// The contents of subjectPublicKey: RSAPublicKey in DER, or the uncompressed point.
    pub(crate) fn public_key(&self) -> &[u8] {
        self.parsed.tbs_certificate().subject_public_key_info().subject_public_key.raw_bytes()
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({:?}, {}, {})", self.subject, self.key_type, self.fingerprint)
    }
}

/// Whether a certificate is within its dates. Reported, never enforced: the kernel does not look at
/// them either, and a machine may not know the time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Validity {
    /// Its time is over.
    Expired {
        /// Its last second, in unix seconds.
        not_after: u64,
    },
    /// Its time has not come.
    NotYetValid {
        /// Its first second, in unix seconds.
        not_before: u64,
    },
    /// Within its dates.
    Valid,
}

impl fmt::Display for Validity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Validity::Expired { not_after } => write!(f, "expired at {not_after} (unix seconds)"),
            Validity::NotYetValid { not_before } => {
                write!(f, "not valid before {not_before} (unix seconds)")
            }
            Validity::Valid => f.write_str("valid"),
        }
    }
}

/// SHA-256 of a certificate's DER. `Display` is 64 lower-case hex digits.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    fn of(der: &[u8]) -> Fingerprint {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, der).as_ref());
        Fingerprint(bytes)
    }

    /// The digest.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Names come from files and go to terminals.
pub(crate) fn printable(name: &x509_cert::name::Name) -> String {
    let escape = |character: char| match character.is_control() {
        true => character.escape_default().to_string(),
        false => character.to_string(),
    };
    name.to_string().chars().map(escape).collect()
}

/// Where two encodings part, if they do.
pub(crate) fn first_difference(one: &[u8], other: &[u8]) -> Option<usize> {
    let shorter = one.len().min(other.len());
    one.iter()
        .zip(other)
        .position(|(a, b)| a != b)
        .or_else(|| (one.len() != other.len()).then_some(shorter))
}

/// PKCS#1 RSAPublicKey (RFC 8017 A.1.1).
#[derive(Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    exponent: UintRef<'a>,
}

fn key_type(key: &SubjectPublicKeyInfoOwned) -> Result<KeyType, CertificateError> {
    let parameters = key.algorithm.parameters.as_ref();
    let bytes = key.subject_public_key.as_bytes().unwrap_or_default();
    match key.algorithm.oid {
        rfc5912::RSA_ENCRYPTION => rsa_key_type(bytes),
        rfc5912::ID_EC_PUBLIC_KEY => {
            let curve = parameters.and_then(|any| any.decode_as().ok());
            ecdsa_key_type(curve, bytes)
        }
        other => Err(unsupported(format!("algorithm {other}"))),
    }
}

/// The same limits as for a private key: ring would verify with more, but nothing here makes them.
fn rsa_key_type(key: &[u8]) -> Result<KeyType, CertificateError> {
    let key = RsaPublicKey::from_der(key).map_err(malformed)?;
    let modulus = key.modulus.as_bytes();
    let leading = modulus.first().map_or(0, |first| first.leading_zeros());
    let bits = (modulus.len() * 8).saturating_sub(usize::try_from(leading).unwrap_or(0));
    let key_type = KeyType::rsa(bits).ok_or_else(|| unsupported(format!("RSA {bits} bits")))?;
    if modulus.last().is_none_or(|last| last % 2 == 0) {
        return Err(unsupported("RSA with an even modulus".to_owned()));
    }
    match key.exponent.as_bytes() {
        [.., last] if last % 2 == 0 => Err(unsupported("RSA with an even exponent".to_owned())),
        [] | [_] | [_, _] => Err(unsupported("RSA with an exponent under 65537".to_owned())),
        exponent if exponent.len() > 4 => {
            Err(unsupported("RSA with an exponent over 32 bits".to_owned()))
        }
        _ => Ok(key_type),
    }
}

fn ecdsa_key_type(
    curve: Option<ObjectIdentifier>,
    point: &[u8],
) -> Result<KeyType, CertificateError> {
    let curve = curve.ok_or_else(|| unsupported("EC without a named curve".to_owned()))?;
    let key_type = KeyType::ecdsa(curve).ok_or_else(|| unsupported(format!("EC curve {curve}")))?;
    let length = match key_type {
        KeyType::EcdsaP256 => 65,
        _ => 97,
    };
    match point {
        [0x04, ..] if point.len() == length => Ok(key_type),
        _ => Err(unsupported("EC with a compressed or damaged point".to_owned())),
    }
}

fn malformed(error: der::Error) -> CertificateError {
    CertificateError::Malformed { reason: error.to_string() }
}

fn unsupported(actual: String) -> CertificateError {
    CertificateError::UnsupportedKey { actual }
}
