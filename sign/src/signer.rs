//! Making signatures: a key and the certificate that belongs to it.
//!
//! The two are compared when they are brought together, before anybody reads an image, and every
//! signature passes the strict verifier before it is handed out: a fault in the signing operation
//! must not leave the machine as a signature (for RSA it can even betray the key).

use verity::RootHash;

use crate::algorithm::{Scheme, SignatureDigest};
use crate::certificate::Certificate;
use crate::content::root_hash_content;
use crate::error::{Error, KeyError, SigningError};
use crate::key::PrivateKey;
use crate::manifest::Manifest;
use crate::pkcs7;
use crate::verify::verify_detached;

/// A private key, its certificate, and how to sign with them.
#[derive(Debug)]
pub struct Signer {
    key: PrivateKey,
    certificate: Certificate,
    digest: SignatureDigest,
    embed_certificate: bool,
}

impl Signer {
    /// Brings a key and its certificate together. The digest is SHA-256, or SHA-384 for a P-384 key;
    /// the certificate is not embedded.
    ///
    /// # Errors
    ///
    /// [`Error::Key`] when the certificate holds another public key.
    pub fn new(key: PrivateKey, certificate: Certificate) -> Result<Signer, Error> {
        if key.key_type() != certificate.key_type() || key.public_key() != certificate.public_key()
        {
            return Err(Error::Key(KeyError::Mismatch {
                key: key.key_type(),
                certificate: certificate.key_type(),
                subject: certificate.subject().to_owned(),
            }));
        }
        let digest = key.key_type().default_digest();
        Ok(Signer { key, certificate, digest, embed_certificate: false })
    }

    /// Signs with this digest instead.
    ///
    /// # Errors
    ///
    /// [`Error::Key`] when the key cannot: an ECDSA key signs with one digest only.
    pub fn with_digest(self, digest: SignatureDigest) -> Result<Signer, Error> {
        self.key.check_digest(digest)?;
        Ok(Signer { digest, ..self })
    }

    /// Embeds the certificate in signatures, or does not. The kernel needs it only where the
    /// signer's issuer is enrolled and not the signer; systemd's own tools embed it.
    #[must_use]
    pub fn with_embedded_certificate(self, embed_certificate: bool) -> Signer {
        Signer { embed_certificate, ..self }
    }

    /// The certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The digest that signatures use.
    pub fn digest(&self) -> SignatureDigest {
        self.digest
    }

    /// Signs a root hash as the kernel and systemd expect it; the result is the content of a
    /// `.roothash.p7s` file.
    ///
    /// # Errors
    ///
    /// [`Error::Signing`] when the operation fails or its result does not verify.
    pub fn sign_root_hash(&self, root_hash: &RootHash) -> Result<Vec<u8>, Error> {
        self.sign_detached(root_hash_content(root_hash).as_bytes())
    }

    /// Signs a manifest's bytes; the result is the content of a `.manifest.json.p7s` file.
    ///
    /// # Errors
    ///
    /// As [`Signer::sign_root_hash`].
    pub fn sign_manifest(&self, manifest: &Manifest) -> Result<Vec<u8>, Error> {
        self.sign_detached(&manifest.to_bytes())
    }

    /// Signs any bytes in the same shape.
    ///
    /// # Errors
    ///
    /// As [`Signer::sign_root_hash`].
    pub fn sign_detached(&self, content: &[u8]) -> Result<Vec<u8>, Error> {
        let signature = self.key.sign(content, self.digest)?;
        self.finish(content, &signature)
    }

    /// From a raw signature to a checked message.
    fn finish(&self, content: &[u8], signature: &[u8]) -> Result<Vec<u8>, Error> {
        let scheme = Scheme::new(self.key.key_type(), self.digest).ok_or(SigningError::Failed)?;
        let message = pkcs7::assemble(
            &self.certificate,
            self.digest,
            &scheme,
            signature,
            self.embed_certificate,
        )
        .map_err(self_check)?;
        verify_detached(&message, content, std::slice::from_ref(&self.certificate))
            .map_err(self_check)?;
        Ok(message)
    }
}

fn self_check(error: impl ToString) -> Error {
    Error::Signing(SigningError::SelfCheck { reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// K12: a fault in the signing operation.
    #[test]
    fn k12_a_faulty_signature_is_not_handed_out() {
        let key = include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.rsa2048.key.pem");
        let certificate =
            include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.rsa2048.cert.pem");
        let signer =
            Signer::new(PrivateKey::parse(key).unwrap(), Certificate::parse(certificate).unwrap())
                .unwrap();
        let mut signature = signer.key.sign(b"content", SignatureDigest::Sha256).unwrap();
        assert!(signer.finish(b"content", &signature).is_ok());
        signature[100] ^= 1;
        let error = signer.finish(b"content", &signature).unwrap_err();
        assert!(matches!(error, Error::Signing(SigningError::SelfCheck { .. })), "{error}");
    }
}
