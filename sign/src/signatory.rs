//! Making signatures in one step, by a signer and the builder that says how its signatures look.
//!
//! The keys of the two are compared when they are brought together, before an image is read.

use verity::RootHash;

use crate::error::{Error, KeyError, SigningError};
use crate::manifest::Manifest;
use crate::signature::{SignatureBuilder, root_hash_content};
use crate::signer::Signer;

/// A [`Signer`] whose key belongs to the certificate of a [`SignatureBuilder`].
#[derive(Debug)]
pub struct Signatory<S> {
    signer: S,
    builder: SignatureBuilder,
}

impl<S: Signer> Signatory<S> {
    /// Brings the two together.
    ///
    /// # Errors
    ///
    /// [`Error::Key`] when the certificate holds another public key.
    pub fn new(signer: S, builder: SignatureBuilder) -> Result<Signatory<S>, Error> {
        let (key, certificate) = (signer.public_key(), builder.certificate());
        if key != certificate.public_key() {
            return Err(Error::Key(KeyError::Mismatch {
                key: key.key_type(),
                certificate: certificate.key_type(),
                subject: certificate.short_subject(),
            }));
        }
        Ok(Signatory { signer, builder })
    }

    /// How the signatures look.
    pub fn builder(&self) -> &SignatureBuilder {
        &self.builder
    }

    /// Signs a root hash as the kernel and systemd expect it; the result is the content of a
    /// `.roothash.p7s` file.
    ///
    /// # Errors
    ///
    /// [`Error::Signing`] when the signer fails or what it returns is no signature by the
    /// certificate's key.
    pub fn sign_root_hash(&self, root_hash: &RootHash) -> Result<Vec<u8>, Error> {
        self.sign_detached(root_hash_content(root_hash).as_bytes())
    }

    /// Signs a manifest's bytes; the result is the content of a `.manifest.json.p7s` file.
    ///
    /// # Errors
    ///
    /// As [`Signatory::sign_root_hash`].
    pub fn sign_manifest(&self, manifest: &Manifest) -> Result<Vec<u8>, Error> {
        self.sign_detached(&manifest.to_bytes())
    }

    /// Signs any bytes.
    ///
    /// # Errors
    ///
    /// As [`Signatory::sign_root_hash`].
    pub fn sign_detached(&self, content: &[u8]) -> Result<Vec<u8>, Error> {
        let to_be_signed = self.builder.prepare(content);
        let signature = self.signer.sign(&to_be_signed).map_err(SigningError::Signer)?;
        self.builder.attach(&to_be_signed, &signature)
    }
}
