//! Keys and certificates: files that hold none, and what is wrong with those that do.

use std::io;

use super::Class;
use crate::algorithm::KeyType;

/// A key or certificate file that does not hold exactly one object.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// Nothing in it.
    #[error("the file is empty")]
    Empty,
    /// Neither PEM nor DER.
    #[error("neither PEM nor DER")]
    NotPemOrDer,
    /// More than one PEM block, where taking one of them would be a guess.
    #[error("{actual} PEM blocks ({labels}) where exactly one is expected")]
    NotOneBlock {
        /// How many there are.
        actual: usize,
        /// What they are called, separated by commas.
        labels: String,
    },
    /// Damaged PEM.
    #[error("malformed PEM: {reason}")]
    Pem {
        /// What the decoder met.
        reason: String,
    },
    /// Reading failed.
    #[error("it cannot be read")]
    Read(#[source] io::Error),
    /// Larger than any key or certificate.
    #[error("larger than {limit} bytes")]
    TooLarge {
        /// The largest size accepted, in bytes.
        limit: usize,
    },
    /// A PEM block of another kind.
    #[error("a PEM block \"{label}\" where {expected} is expected")]
    WrongLabel {
        /// The label found.
        label: String,
        /// What was looked for.
        expected: &'static str,
    },
}

impl InputError {
    pub(super) fn class(&self) -> Class {
        match self {
            InputError::Read(_) => Class::Io,
            InputError::TooLarge { .. } => Class::Limit,
            _ => Class::Key,
        }
    }
}

/// Why a private key cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Protected by a passphrase, and none is given.
    #[error("the private key is encrypted: it takes a passphrase")]
    Encrypted,
    /// Decrypting it would take longer, or more memory, than any honest file asks for.
    #[error(
        "decrypting the private key takes more than 10000000 rounds of PBKDF2 or 256 MiB of scrypt"
    )]
    EncryptionCost,
    /// The file does not hold exactly one key.
    #[error(transparent)]
    Input(InputError),
    /// Not a private key structure.
    #[error("malformed private key: {reason}")]
    Malformed {
        /// What the decoder met.
        reason: String,
    },
    /// The certificate holds another public key.
    #[error(
        "the private key ({key}) does not belong to the certificate ({certificate}, {subject})"
    )]
    Mismatch {
        /// Kind of the private key.
        key: KeyType,
        /// Kind of the certificate's public key.
        certificate: KeyType,
        /// The certificate's subject, at most its first 200 characters.
        subject: String,
    },
    /// A passphrase is given for a key that takes none.
    #[error("the private key is not encrypted, but a passphrase is given")]
    NotEncrypted,
    /// The passphrase does not decrypt it.
    #[error("the passphrase does not decrypt the private key")]
    Passphrase,
    /// The numbers in it do not make a usable key.
    #[error("the private key is rejected: {reason}")]
    Rejected {
        /// What the cryptographic library found.
        reason: String,
    },
    /// A kind of key that this crate does not sign with.
    #[error(
        "unsupported private key ({actual}); RSA 2048, 3072, 4096 and ECDSA P-256, P-384 are supported"
    )]
    Unsupported {
        /// What it is.
        actual: String,
    },
    /// Encrypted in a way that this crate does not decrypt.
    #[error(
        "the private key is encrypted in an unsupported way ({actual}); PKCS#8 with PBES2 and AES is \
         supported (openssl pkcs8 -topk8 -in KEY -out NEW)"
    )]
    UnsupportedEncryption {
        /// What it is.
        actual: String,
    },
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The file does not hold exactly one certificate.
    #[error(transparent)]
    Input(InputError),
    /// Not an X.509 certificate in DER.
    #[error("malformed certificate: {reason}")]
    Malformed {
        /// What the decoder met.
        reason: String,
    },
    /// By its own words it may not issue certificates.
    #[error("the certificate of {subject} is no authority: {reason}")]
    NotAuthority {
        /// The certificate's subject, at most its first 200 characters.
        subject: String,
        /// What says so.
        reason: String,
    },
    /// It has no such extension, by which a signature could name it.
    #[error("the certificate has no subject key identifier")]
    NoSubjectKeyIdentifier,
    /// Parsed, but its bytes are not the one encoding that DER allows.
    #[error("the certificate is not canonical DER (byte {offset})")]
    NotCanonical {
        /// First byte that differs from the canonical encoding.
        offset: usize,
    },
    /// Given as part of the signer's chain, and issuer of nobody in it, or in it already.
    #[error("the certificate of {subject} is the issuer of no other in the chain, or twice in it")]
    NotInChain {
        /// Whose it is.
        subject: String,
    },
    /// More certificates than a verifier takes.
    #[error("a signature embeds at most {limit} certificates, and these are {actual}")]
    TooManyInChain {
        /// The signer's and its issuers.
        actual: usize,
        /// The most.
        limit: usize,
    },
    /// A public key that this crate does not verify with.
    #[error(
        "unsupported public key ({actual}); RSA 2048, 3072, 4096 and ECDSA P-256, P-384 are supported"
    )]
    UnsupportedKey {
        /// What it is.
        actual: String,
    },
}
