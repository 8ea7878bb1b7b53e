//! Signers: a private key and how to sign with it, wherever the key is.
//!
//! The trait is all that the rest of the crate knows of keys. A
//! [`SignatureBuilder`](crate::SignatureBuilder) says what to sign. It also checks every raw
//! signature that comes back, and makes a message of it.

mod external;
mod key;
#[cfg(feature = "pkcs11")]
mod pkcs11;

pub use self::external::{
    DIGEST_ALGORITHM_VARIABLE, ExternalSigner, ExternalSignerError, KEY_ALGORITHM_VARIABLE,
};
pub use self::key::PrivateKey;
#[cfg(feature = "pkcs11")]
pub use self::pkcs11::{Pkcs11Signer, Pkcs11Token, Pkcs11Uri, Pkcs11UriError};
use crate::certificate::{PublicKey, ToBeSigned};
use crate::error::SignerError;

/// A key that can be asked for raw signatures: one from a file ([`PrivateKey`](crate::PrivateKey)),
/// another program ([`ExternalSigner`](crate::ExternalSigner)), or your own key service.
///
/// An implementation need not be trusted: a signature that is not by the certificate's key is
/// refused before it is used.
///
/// It need not be `Send`: what talks to a token may have to stay where it is. For another thread a
/// boxed one is a `Box<dyn Signer + Send>`.
///
/// ```
/// use verity_sign::{PublicKey, Signer, SignerError, ToBeSigned};
///
/// /// A key service that signs digests.
/// struct Service {
///     public_key: PublicKey,
/// }
///
/// # fn ask_service(_: &str, _: &[u8]) -> Result<Vec<u8>, std::io::Error> { Ok(vec![]) }
/// impl Signer for Service {
///     fn public_key(&self) -> &PublicKey {
///         &self.public_key
///     }
///
///     fn sign(&self, to_be_signed: &ToBeSigned) -> Result<Vec<u8>, SignerError> {
///         let digest = to_be_signed.digest();
///         Ok(ask_service(to_be_signed.digest_algorithm().name(), &digest)?)
///     }
/// }
/// ```
pub trait Signer {
    /// The public half of the key, as the signer knows it or its certificate states it.
    fn public_key(&self) -> &PublicKey;

    /// Signs with the digest that is asked for: PKCS#1 v1.5 for RSA, DER of r and s for ECDSA.
    ///
    /// # Errors
    ///
    /// The reason why the signer could not sign. Users see the words, so there are no secrets in
    /// them.
    fn sign(&self, to_be_signed: &ToBeSigned) -> Result<Vec<u8>, SignerError>;
}

impl<S: Signer + ?Sized> Signer for Box<S> {
    fn public_key(&self) -> &PublicKey {
        (**self).public_key()
    }

    fn sign(&self, to_be_signed: &ToBeSigned) -> Result<Vec<u8>, SignerError> {
        (**self).sign(to_be_signed)
    }
}

impl<S: Signer + ?Sized> Signer for &S {
    fn public_key(&self) -> &PublicKey {
        (**self).public_key()
    }

    fn sign(&self, to_be_signed: &ToBeSigned) -> Result<Vec<u8>, SignerError> {
        (**self).sign(to_be_signed)
    }
}
