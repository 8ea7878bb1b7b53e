//! X.509 certificates: loading one, and what messages and decisions need from it.
//!
//! A certificate here is a name tag for a public key. Where a caller has pinned it, the issuer's
//! signature, the extensions and the dates decide nothing; the dates are only reported. Chains are
//! the business of `trust`.

mod bundle;
pub(crate) mod input;
mod issuers;
mod name;
mod public_key;
mod signer_id;
mod to_be_signed;

use std::fmt;
use std::io::Read;

use der::asn1::AnyRef;
use der::{Decode, Encode};
use ring::digest;

pub use self::bundle::CertificateBundle;
pub(crate) use self::issuers::check_issuers;
pub(crate) use self::name::printable;
pub use self::public_key::PublicKey;
#[cfg(feature = "pkcs11")]
pub(crate) use self::public_key::rsa_public_key_der;
pub(crate) use self::signer_id::message_version;
pub use self::to_be_signed::ToBeSigned;
use crate::algorithm::KeyType;
use crate::canonical::first_difference;
use crate::date::Date;
use crate::error::{CertificateError, Error};

/// A message embeds at most this many certificates.
pub(crate) const MAX_EMBEDDED: usize = 8;

/// One certificate, with a public key of a kind that can sign here.
#[derive(Clone)]
pub struct Certificate {
    der: Vec<u8>,
    parsed: x509_cert::Certificate,
    subject: String,
    issuer: String,
    serial: String,
    public_key: PublicKey,
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

    /// Parses a certificate file: PEM or DER, exactly one certificate. A key that stands beside it
    /// is ignored.
    ///
    /// # Errors
    ///
    /// [`Error::Certificate`] when the file is empty, too large, does not hold exactly one
    /// certificate, when that is not canonical DER, or holds an unsupported public key.
    pub fn parse(file: &[u8]) -> Result<Certificate, Error> {
        let object = input::certificate_object(file).map_err(CertificateError::Input)?;
        Ok(Certificate::from_der(&object.der)?)
    }

    pub(crate) fn from_der(der: &[u8]) -> Result<Certificate, CertificateError> {
        check_no_key(der)?;
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
            public_key: PublicKey::from_info(tbs.subject_public_key_info())?,
            fingerprint: Fingerprint::of(der),
            der: der.to_vec(),
            parsed,
        })
    }

    /// The subject's name in RFC 4514 form. Control characters, and others that are not seen, are
    /// escaped.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The subject's name, cut off where it would fill a line about something else.
    pub(crate) fn short_subject(&self) -> String {
        match self.subject.char_indices().nth(MAX_SUBJECT) {
            Some((end, _)) => format!("{}...", &self.subject[..end]),
            None => self.subject.clone(),
        }
    }

    /// The issuer's name, in the form of the subject's.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The serial number in hex, with every byte of its encoding.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// The certificate in DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The public key in it.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The kind of its public key.
    pub fn key_type(&self) -> KeyType {
        self.public_key.key_type()
    }

    /// SHA-256 of the DER, by which certificates are commonly told apart.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The first second of its validity, in unix seconds.
    pub fn not_before(&self) -> u64 {
        self.parsed.tbs_certificate().validity().not_before.to_unix_duration().as_secs()
    }

    /// The last second of its validity, in unix seconds.
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
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({:?}, {}, {})", self.subject, self.key_type(), self.fingerprint)
    }
}

/// Whether a certificate is within its dates. This is reported and never enforced: the kernel does
/// not look at the dates either, and a machine may not know the time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Validity {
    /// The time is after its validity.
    Expired {
        /// The last second of its validity, in unix seconds.
        not_after: u64,
    },
    /// The time is before its validity.
    NotYetValid {
        /// The first second of its validity, in unix seconds.
        not_before: u64,
    },
    /// The time is within its validity.
    Valid,
}

impl fmt::Display for Validity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            &Validity::Expired { not_after } => write!(f, "expired at {}", Date(not_after)),
            &Validity::NotYetValid { not_before } => {
                write!(f, "not valid before {}", Date(not_before))
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

/// Refuses a SEQUENCE that begins with a number, as those of private keys do and none of a
/// certificate.
pub(crate) fn check_no_key(der: &[u8]) -> Result<(), CertificateError> {
    match AnyRef::from_der(der) {
        Ok(outer) if outer.value().first() == Some(&INTEGER) => {
            let reason = "it looks like a private key, not a certificate".to_owned();
            Err(CertificateError::Malformed { reason })
        }
        _ => Ok(()),
    }
}

const INTEGER: u8 = 0x02;

fn malformed(error: der::Error) -> CertificateError {
    CertificateError::Malformed { reason: error.to_string() }
}

/// A line about something else shows at most this many characters of a name.
const MAX_SUBJECT: usize = 200;
