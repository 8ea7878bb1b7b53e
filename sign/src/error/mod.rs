//! Every way in which signing or checking can end, and the class of each.
//!
//! The classes are for programs (an exit code, a field in JSON), the messages for people. Messages
//! hold values, never secrets and never file names: whoever opened the file adds its name.

mod key;
mod manifest;
mod partition;
mod signature;

use std::fmt;

pub use self::key::{CertificateError, InputError, KeyError};
pub use self::manifest::{ManifestError, PolicyError, StateError};
pub use self::partition::SignaturePartitionError;
pub use self::signature::{SignatureError, SignerError, SigningError};

/// Everything that this crate refuses.
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
    Pkcs11(#[from] crate::signer::pkcs11::Pkcs11Error),
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

/// One short printable line of what a parser or a token says: it may quote whatever it was given.
pub(crate) fn quoted(text: impl ToString) -> String {
    text.to_string().chars().flat_map(char::escape_debug).take(200).collect()
}

/// The kinds of refusal, by what the operator would do next.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Class {
    /// The bytes are not what they claim to be.
    Format,
    /// Reading the input failed.
    Io,
    /// A key or certificate is unfit, or the two do not belong together.
    Key,
    /// Larger than the format allows.
    Limit,
    /// Well-formed and authentic, and forbidden.
    Policy,
    /// The signature does not hold for this content.
    Signature,
    /// Signed by nobody who is trusted here.
    Trust,
    /// Well-formed, and not supported here.
    Unsupported,
}

impl Class {
    /// The name used in machine-readable output.
    pub fn name(self) -> &'static str {
        match self {
            Class::Format => "format",
            Class::Io => "io",
            Class::Key => "key",
            Class::Limit => "limit",
            Class::Policy => "policy",
            Class::Signature => "signature",
            Class::Trust => "trust",
            Class::Unsupported => "unsupported",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
