//! Signatures: why one could not be made, and why one is refused.

use std::fmt;

use super::Class;
use crate::algorithm::{KeyType, SignatureDigest};

/// The error of a [`Signer`](crate::Signer) that cannot sign, of any type.
pub type SignerError = Box<dyn std::error::Error + Send + Sync>;

/// Why a signature could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SigningError {
    /// The signer returned something else than a signature by the certificate's key over what was
    /// to be signed.
    #[error(
        "the raw signature ({actual} bytes) is not by the certificate's key ({key}, {subject}) \
         over this content with {digest}{}", Reason(mistake.as_deref())
    )]
    NotByCertificate {
        /// The size of what was returned, in bytes.
        actual: usize,
        /// The digest that the signature was to use.
        digest: SignatureDigest,
        /// The certificate's key.
        key: KeyType,
        /// The certificate's subject, at most its first 200 characters.
        subject: String,
        /// What it is instead, if it is a well-known mistake.
        mistake: Option<String>,
    },
    /// A raw signature is by none of several certificates' keys, and nothing else tells which of
    /// them is the signer's.
    #[error(
        "the raw signature ({actual} bytes) is by the key of none of the {certificates} \
         certificates over this content{}", Reason(mistake.as_deref())
    )]
    NotByAny {
        /// The size of what was returned, in bytes.
        actual: usize,
        /// How many certificates there are.
        certificates: usize,
        /// What it is instead, if it is a well-known mistake.
        mistake: Option<String>,
    },
    /// The finished message does not verify, so it is kept back.
    #[error("the new signature failed its own check: {reason}")]
    SelfCheck {
        /// What the verifier said.
        reason: String,
    },
    /// The signer did not sign.
    #[error(transparent)]
    Signer(SignerError),
}

/// Why a signature is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// The signature algorithm does not fit the trusted key.
    #[error("signature algorithm {algorithm} with {digest} does not fit the signer's {key} key")]
    AlgorithmMismatch {
        /// The object identifier of the signature algorithm.
        algorithm: String,
        /// The digest it is used with.
        digest: SignatureDigest,
        /// The trusted key.
        key: KeyType,
    },
    /// The signer's certificate does not lead to a trusted authority as it must.
    #[error("the signer's certificate chain is refused: {reason}")]
    Chain {
        /// Why.
        reason: String,
    },
    /// The content type is not id-data.
    #[error("content type {actual} is signed where data is expected")]
    ContentType {
        /// The object identifier found.
        actual: String,
    },
    /// Certificate revocation lists travel with it.
    #[error("the signature carries revocation lists")]
    Crls,
    /// The digest named outside differs from the one the signer used.
    #[error("the message names another digest algorithm than its signer")]
    DigestMismatch,
    /// The signed bytes are inside.
    #[error("the signature embeds its content; it must be detached")]
    EmbeddedContent,
    /// There are no bytes at all.
    #[error("the signature is empty")]
    Empty,
    /// The embedded certificates are not the trusted signer's and those that lead on from it.
    #[error("the signature embeds a certificate that is not the trusted signer's own")]
    ForeignCertificate,
    /// The bytes are not DER, or not this structure.
    #[error("malformed signature: {reason}")]
    Malformed {
        /// What the decoder says.
        reason: String,
    },
    /// The signature is by the trusted key, or claims to be, but not over this content.
    #[error("the signature does not match the {content}{}", Hint(*signed_instead))]
    Mismatch {
        /// What was checked: "root hash", "manifest" or "content".
        content: &'static str,
        /// What the trusted key did sign, if it is a well-known mistake.
        signed_instead: Option<&'static str>,
    },
    /// It can be read, but its bytes are not the one encoding that DER allows.
    #[error("the signature is not canonical DER (byte {offset})")]
    NotCanonical {
        /// The first byte that differs from the canonical encoding.
        offset: usize,
    },
    /// The bytes are no message at all, but something else that is well known.
    #[error("the signature is {found}, where a PKCS#7 message in DER is expected{advice}")]
    NotPkcs7 {
        /// What they are.
        found: String,
        /// What to do, with a semicolon in front, or nothing.
        advice: String,
    },
    /// The message is of another CMS type.
    #[error("a CMS message of type {actual} where signed data is expected")]
    NotSignedData {
        /// The object identifier found.
        actual: String,
    },
    /// The caller trusts no certificate.
    #[error("no trusted certificate is given")]
    NothingTrusted,
    /// Signed attributes are present.
    #[error(
        "the signature has signed attributes, which verity does not take (openssl: use -noattr; \
         lint-signature tells whether a kernel takes it)"
    )]
    SignedAttributes,
    /// Signed attributes with S/MIME capabilities, which the kernel refuses.
    #[error(
        "the signature has S/MIME capabilities, which the kernel refuses (openssl: use -noattr)"
    )]
    SmimeCapabilities,
    /// There is not exactly one signer.
    #[error("{actual} signers where exactly one is expected")]
    Signers {
        /// How many there are.
        actual: usize,
    },
    /// It is larger than the kernel reads.
    #[error("the signature is {actual} bytes; at most {limit} are accepted")]
    TooLarge {
        /// The size, in bytes.
        actual: usize,
        /// The largest size accepted, in bytes.
        limit: usize,
    },
    /// More certificates are embedded than any chain needs.
    #[error("the signature embeds {actual} certificates; at most {limit} are accepted")]
    TooManyCertificates {
        /// How many there are.
        actual: usize,
        /// The most that are accepted.
        limit: usize,
    },
    /// Something follows the message.
    #[error("{count} bytes follow the signature")]
    TrailingBytes {
        /// How many bytes.
        count: usize,
    },
    /// No trusted certificate has this subject key identifier.
    #[error("signed by an untrusted certificate (subject key identifier {identifier})")]
    UnknownKeyIdentifier {
        /// The identifier in hex.
        identifier: String,
    },
    /// No trusted certificate has this issuer and serial number.
    #[error("signed by an untrusted certificate (issuer {issuer}, serial {serial})")]
    UnknownSigner {
        /// The issuer of the signer's certificate, as the signature names it.
        issuer: String,
        /// The serial number in hex.
        serial: String,
    },
    /// Unsigned attributes are present.
    #[error("the signature has unsigned attributes")]
    UnsignedAttributes,
    /// A digest or signature algorithm that is not accepted.
    #[error("unsupported algorithm {actual} in the signature")]
    UnsupportedAlgorithm {
        /// The object identifier found, and what is wrong with it.
        actual: String,
    },
    /// The embedded certificates are not sorted, as DER has it.
    #[error(
        "the embedded certificates are not in the order of DER, as openssl smime leaves them (sign \
         with openssl cms -certfile, or verity sign --chain)"
    )]
    UnsortedCertificates,
    /// A structure version that does not go with the rest.
    #[error("{part} has version {actual} where {expected} is expected")]
    Version {
        /// Which structure.
        part: &'static str,
        /// The version found.
        actual: u8,
        /// The version that goes with how the signer is named.
        expected: u8,
    },
}

impl SignatureError {
    pub(super) fn class(&self) -> Class {
        use SignatureError as E;
        match self {
            E::Empty
            | E::Malformed { .. }
            | E::NotCanonical { .. }
            | E::NotPkcs7 { .. }
            | E::NotSignedData { .. }
            | E::TrailingBytes { .. }
            | E::UnsortedCertificates
            | E::Version { .. } => Class::Format,
            E::TooLarge { .. } | E::TooManyCertificates { .. } => Class::Limit,
            E::SmimeCapabilities => Class::Policy,
            E::Chain { .. }
            | E::ForeignCertificate
            | E::NothingTrusted
            | E::UnknownKeyIdentifier { .. }
            | E::UnknownSigner { .. } => Class::Trust,
            E::UnsupportedAlgorithm { .. } => Class::Unsupported,
            E::AlgorithmMismatch { .. }
            | E::ContentType { .. }
            | E::Crls
            | E::DigestMismatch
            | E::EmbeddedContent
            | E::Mismatch { .. }
            | E::SignedAttributes
            | E::Signers { .. }
            | E::UnsignedAttributes => Class::Signature,
        }
    }
}

struct Reason<'a>(Option<&'a str>);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(mistake) => write!(f, ": {mistake}"),
            None => Ok(()),
        }
    }
}

struct Hint(Option<&'static str>);

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(signed) => write!(f, "; the signer signed {signed} instead"),
            None => Ok(()),
        }
    }
}
