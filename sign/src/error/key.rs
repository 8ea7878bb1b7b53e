//! Keys and certificates: files that do not hold one, and what is wrong with those that do.

use std::io;

use super::Class;
use crate::algorithm::KeyType;

/// Why a key or certificate file is refused: it must hold exactly one object.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// There is nothing in it.
    #[error("the file is empty")]
    Empty,
    /// It is neither PEM nor DER.
    #[error("neither PEM nor DER")]
    NotPemOrDer,
    /// There are PEM blocks, and none of them is what is looked for.
    #[error("no {expected} among {actual} PEM blocks ({labels})")]
    NoBlock {
        /// How many blocks there are.
        actual: usize,
        /// Their labels, separated by commas.
        labels: String,
        /// What is looked for: "certificate" or "private key".
        expected: &'static str,
    },
    /// There are several PEM blocks, and more than one of them may be what is looked for: taking
    /// one would be a guess.
    #[error("{actual} PEM blocks ({labels}) where exactly one {expected} is expected")]
    NotOneBlock {
        /// How many blocks there are.
        actual: usize,
        /// Their labels, separated by commas.
        labels: String,
        /// What is looked for: "certificate" or "private key".
        expected: &'static str,
    },
    /// It is a file of another format.
    #[error("it is {found}; {advice}")]
    OtherFormat {
        /// The format.
        found: &'static str,
        /// The command that makes a key or certificate file of it.
        advice: String,
    },
    /// The PEM is damaged.
    #[error("malformed PEM: {reason}")]
    Pem {
        /// What the decoder says.
        reason: String,
    },
    /// Reading failed.
    #[error("it cannot be read")]
    Read(#[source] io::Error),
    /// It is larger than any key or certificate.
    #[error("larger than {limit} bytes")]
    TooLarge {
        /// The largest size accepted, in bytes.
        limit: usize,
    },
    /// The PEM block is of another kind.
    #[error("a PEM block \"{label}\" where {expected} is expected{advice}")]
    WrongLabel {
        /// The label found.
        label: String,
        /// What was looked for.
        expected: &'static str,
        /// What to do, with a semicolon in front, or nothing.
        advice: &'static str,
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
    /// The key is protected by a passphrase, and none is given.
    #[error("the private key is encrypted: it takes a passphrase")]
    Encrypted,
    /// Decrypting the key would take longer, or more memory, than any honest file asks for.
    #[error(
        "decrypting the private key takes more than 10000000 rounds of PBKDF2 or 256 MiB of scrypt"
    )]
    EncryptionCost,
    /// The file does not hold exactly one key.
    #[error(transparent)]
    Input(InputError),
    /// The bytes are not the structure of a private key.
    #[error("malformed private key: {reason}")]
    Malformed {
        /// What the decoder says.
        reason: String,
    },
    /// The certificate holds another public key.
    #[error(
        "the private key ({key}) does not belong to the certificate ({certificate}, {subject})"
    )]
    Mismatch {
        /// The kind of the private key.
        key: KeyType,
        /// The kind of the certificate's public key.
        certificate: KeyType,
        /// The certificate's subject, at most its first 200 characters.
        subject: String,
    },
    /// A passphrase is given for a key that takes none.
    #[error("the private key is not encrypted, but a passphrase is given")]
    NotEncrypted,
    /// The passphrase does not decrypt the key.
    #[error("the passphrase does not decrypt the private key")]
    Passphrase,
    /// The numbers in the file do not make a usable key.
    #[error("the private key is rejected: {reason}")]
    Rejected {
        /// What the cryptographic library found.
        reason: String,
    },
    /// This crate does not sign with keys of this kind.
    #[error(
        "unsupported private key ({actual}); RSA 2048, 3072, 4096 and ECDSA P-256, P-384, P-521 \
         are supported"
    )]
    Unsupported {
        /// What it is.
        actual: String,
    },
    /// The key is encrypted in a way that this crate does not decrypt.
    #[error(
        "the private key is encrypted in an unsupported way ({actual}); PKCS#8 with PBES2 and AES \
         is supported (openssl pkcs8 -topk8 -in KEY -out NEW)"
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
    /// The bytes are not an X.509 certificate in DER.
    #[error("malformed certificate: {reason}")]
    Malformed {
        /// What the decoder says.
        reason: String,
    },
    /// By its own extensions it may not issue certificates.
    #[error("the certificate of {subject} is no authority: {reason}")]
    NotAuthority {
        /// The certificate's subject, at most its first 200 characters.
        subject: String,
        /// Which extension says so, and how.
        reason: String,
    },
    /// Which of several certificates in a file is the signer's cannot be told without its key.
    #[error(
        "{actual} certificates that are not one chain, so which one is the signer's is not known"
    )]
    NoChain {
        /// How many certificates there are.
        actual: usize,
    },
    /// None of several certificates in a file is that of the key.
    #[error("none of the {actual} certificates in the file is that of the {key} key")]
    NoneFits {
        /// How many certificates there are.
        actual: usize,
        /// The kind of the key.
        key: KeyType,
    },
    /// It has no subject key identifier, by which a signature could name it.
    #[error("the certificate has no subject key identifier")]
    NoSubjectKeyIdentifier,
    /// It can be read, but its bytes are not the one encoding that DER allows.
    #[error("the certificate is not canonical DER (byte {offset})")]
    NotCanonical {
        /// The first byte that differs from the canonical encoding.
        offset: usize,
    },
    /// It is given as part of the signer's chain, and is the issuer of no other one, or occurs
    /// twice.
    #[error("the certificate of {subject} is the issuer of no other in the chain, or twice in it")]
    NotInChain {
        /// Which of those that were given, from 0 on.
        index: usize,
        /// The certificate's subject, at most its first 200 characters.
        subject: String,
    },
    /// Several certificates in a file are those of the key.
    #[error(
        "{actual} certificates in the file are those of the key, and taking one would be a guess: \
         name a file with one of them"
    )]
    SeveralFit {
        /// How many are the key's.
        actual: usize,
    },
    /// There are more certificates than a verifier takes.
    #[error("a signature embeds at most {limit} certificates, and these are {actual}")]
    TooManyInChain {
        /// How many there are, the signer's included.
        actual: usize,
        /// The most that a verifier takes.
        limit: usize,
    },
    /// This crate does not verify with public keys of this kind.
    #[error(
        "unsupported public key ({actual}); RSA 2048, 3072, 4096 and ECDSA P-256, P-384, P-521 \
         are supported"
    )]
    UnsupportedKey {
        /// What it is.
        actual: String,
    },
}
