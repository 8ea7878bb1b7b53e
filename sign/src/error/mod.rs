//! Every way in which signing or checking can end, and the class of each.
//!
//! The classes are for programs (an exit code, a field in JSON), the messages for people. Messages
//! hold values, never secrets and never file names: the caller who opened the file adds its name.
//!
//! Every error that [`Error`] wraps stands here and holds texts and numbers only, so this room
//! knows no other room than `algorithm`. Other errors stand beside the functions that return them.

mod class;
mod key;
mod manifest;
mod partition;
#[cfg(feature = "pkcs11")]
mod pkcs11;
mod quoted;
mod signature;

pub use self::class::Class;
pub use self::key::{CertificateError, InputError, KeyError};
pub use self::manifest::{ManifestError, PolicyError, StateError};
pub use self::partition::SignaturePartitionError;
#[cfg(feature = "pkcs11")]
pub use self::pkcs11::Pkcs11Error;
pub(crate) use self::quoted::quoted;
pub use self::signature::{SignatureError, SignerError, SigningError};

/// Why this crate refuses something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A private key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A manifest is malformed or contradicts itself.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A key on a token cannot be used.
    #[cfg(feature = "pkcs11")]
    #[error(transparent)]
    Pkcs11(#[from] Pkcs11Error),
    /// A verified manifest forbids what is asked.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A signature does not verify.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The content of a signature partition is malformed or contradicts itself.
    #[error(transparent)]
    SignaturePartition(#[from] SignaturePartitionError),
    /// A signature could not be made.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// What was remembered of accepted images cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
}

impl Error {
    /// What kind of refusal this is.
    pub fn class(&self) -> Class {
        match self {
            Error::Certificate(CertificateError::Input(input)) => input.class(),
            Error::Key(KeyError::Input(input)) => input.class(),
            Error::Key(KeyError::EncryptionCost) => Class::Limit,
            Error::Certificate(_) | Error::Key(_) | Error::Signing(_) => Class::Key,
            #[cfg(feature = "pkcs11")]
            Error::Pkcs11(_) => Class::Key,
            Error::Manifest(error) => error.class(),
            Error::Policy(_) => Class::Policy,
            Error::State(StateError::Version { .. }) => Class::Unsupported,
            Error::State(_) => Class::Format,
            Error::Signature(error) => error.class(),
            Error::SignaturePartition(error) => error.class(),
        }
    }
}
