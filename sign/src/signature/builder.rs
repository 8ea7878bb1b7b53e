//! Making a signature in two halves: what is to be signed, and the message around the raw
//! signature.
//!
//! Between the two anything may happen: a key in memory signs, or a token, or a service, or a
//! person carries a digest to a machine without a network. So no private key is known here, and no
//! raw signature is trusted: it must be by the certificate's key over the content, and the finished
//! message must pass the strict verifier before it is handed out. (A fault in a signing operation
//! must not leave the machine as a signature: for RSA it can even betray the key.)

use super::envelope::Envelope;
use super::mistake::explain;
use super::verify::verify_detached;
use crate::algorithm::{KeyType, SignatureDigest};
use crate::certificate::{Certificate, MAX_EMBEDDED, ToBeSigned, check_issuers};
use crate::error::{CertificateError, Error, SigningError};

/// How signatures look: the signer's certificate, and the choices that the kernel leaves.
///
/// ```
/// use verity_sign::{Certificate, PrivateKey, SignatureBuilder, Signer};
/// # let key = include_bytes!("../../../testdata/keys/TEST_KEY_DO_NOT_USE.p256.key.pem");
/// # let certificate = include_bytes!("../../../testdata/keys/TEST_KEY_DO_NOT_USE.p256.cert.pem");
/// let builder = SignatureBuilder::new(Certificate::parse(certificate)?);
///
/// // Here ...
/// let root_hash: verity::RootHash = "ab".repeat(32).parse()?;
/// let content = verity_sign::root_hash_content(&root_hash);
/// let to_be_signed = builder.prepare(content.as_bytes());
///
/// // ... where the key is, with to_be_signed.digest() alone ...
/// let raw = PrivateKey::parse(key)?.sign(&to_be_signed).map_err(|error| error.to_string())?;
///
/// // ... and here again.
/// let signature = builder.attach(&to_be_signed, &raw)?;
/// # let trusted = [builder.certificate().clone()];
/// # assert!(verity_sign::verify_root_hash(&signature, &root_hash, &trusted).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct SignatureBuilder {
    certificate: Certificate,
    digest: SignatureDigest,
    embed_certificate: bool,
    chain: Vec<Certificate>,
    subject_key_identifier: bool,
}

impl SignatureBuilder {
    /// Signatures by the key of this certificate. The digest is SHA-256, or SHA-384 for a P-384
    /// key and SHA-512 for a P-521 key; nothing is embedded, and the signer is named by issuer and
    /// serial number.
    pub fn new(certificate: Certificate) -> SignatureBuilder {
        SignatureBuilder {
            digest: certificate.key_type().default_digest(),
            certificate,
            embed_certificate: false,
            chain: Vec::new(),
            subject_key_identifier: false,
        }
    }

    /// Uses this digest instead.
    #[must_use]
    pub fn with_digest(self, digest: SignatureDigest) -> SignatureBuilder {
        SignatureBuilder { digest, ..self }
    }

    /// Sets whether signatures embed the certificate. The kernel needs it only where the signer's
    /// issuer is enrolled and the signer is not; systemd's own tools embed it.
    #[must_use]
    pub fn with_embedded_certificate(self, embed_certificate: bool) -> SignatureBuilder {
        SignatureBuilder { embed_certificate, ..self }
    }

    /// Embeds the certificate and these others, which lead from it to one that is trusted. The
    /// signatures in them are not checked here, but by the verifier that trusts the last one.
    ///
    /// # Errors
    ///
    /// [`Error::Certificate`] when one is the issuer neither of the certificate nor of another one,
    /// or occurs twice, and when there are more than 8 with the certificate, which verifiers
    /// refuse.
    pub fn with_chain(self, chain: Vec<Certificate>) -> Result<SignatureBuilder, Error> {
        let (actual, limit) = (chain.len() + 1, MAX_EMBEDDED);
        if actual > limit {
            return Err(CertificateError::TooManyInChain { actual, limit }.into());
        }
        let parsed: Vec<_> = chain.iter().map(Certificate::parsed).collect();
        if let Err(index) = check_issuers(&self.certificate, &parsed) {
            let subject = chain.get(index).map(Certificate::short_subject).unwrap_or_default();
            return Err(CertificateError::NotInChain { index, subject }.into());
        }
        let embed_certificate = self.embed_certificate || !chain.is_empty();
        Ok(SignatureBuilder { chain, embed_certificate, ..self })
    }

    /// Sets whether signatures name the signer by the certificate's subject key identifier, and not
    /// by issuer and serial number.
    ///
    /// # Errors
    ///
    /// [`Error::Certificate`] when the certificate has no subject key identifier.
    pub fn with_subject_key_identifier(
        self,
        subject_key_identifier: bool,
    ) -> Result<SignatureBuilder, Error> {
        if subject_key_identifier && self.certificate.id_by_key().is_none() {
            return Err(CertificateError::NoSubjectKeyIdentifier.into());
        }
        Ok(SignatureBuilder { subject_key_identifier, ..self })
    }

    /// The signer's certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The digest that signatures use.
    pub fn digest(&self) -> SignatureDigest {
        self.digest
    }

    /// The kind of key that must sign.
    pub fn key_type(&self) -> KeyType {
        self.certificate.key_type()
    }

    /// Whether signatures embed the certificate.
    pub fn embeds_certificate(&self) -> bool {
        self.embed_certificate
    }

    /// The certificates that are embedded beside the signer's.
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// Whether signatures name the signer by the subject key identifier.
    pub fn names_subject_key_identifier(&self) -> bool {
        self.subject_key_identifier
    }

    /// What a signer has to sign. The content is [`root_hash_content`](crate::root_hash_content)
    /// for a root hash, and all of its bytes for a manifest.
    pub fn prepare(&self, content: &[u8]) -> ToBeSigned {
        ToBeSigned::new(content, self.digest)
    }

    /// Makes a checked message of a raw signature: PKCS#1 v1.5, or of ECDSA r and s, in DER or one
    /// behind the other.
    ///
    /// # Errors
    ///
    /// [`Error::Signing`] when it is not a signature by the certificate's key over what was to be
    /// signed (the error says so where it is a well-known mistake), or when the message with
    /// everything embedded becomes larger than the kernel reads.
    pub fn attach(&self, to_be_signed: &ToBeSigned, signature: &[u8]) -> Result<Vec<u8>, Error> {
        let key = self.certificate.public_key();
        let Some(signature) = key.recognize(to_be_signed, signature) else {
            return Err(SigningError::NotByCertificate {
                actual: signature.len(),
                digest: to_be_signed.digest_algorithm(),
                key: self.certificate.key_type(),
                subject: self.certificate.short_subject(),
                mistake: explain(key, to_be_signed, signature).map(|found| found.words),
            }
            .into());
        };
        let envelope = self.envelope(to_be_signed.digest_algorithm());
        let message = envelope.seal(&signature).map_err(self_check)?;
        verify_detached(&message, to_be_signed.content(), std::slice::from_ref(&self.certificate))
            .map_err(self_check)?;
        Ok(message)
    }

    fn envelope(&self, digest: SignatureDigest) -> Envelope<'_> {
        let certificates = match self.embed_certificate {
            true => [&self.certificate].into_iter().chain(&self.chain).collect(),
            false => Vec::new(),
        };
        // A certificate without the identifier was refused when it was chosen.
        let by_key = self.subject_key_identifier.then(|| self.certificate.id_by_key()).flatten();
        let signer_id = by_key.unwrap_or_else(|| self.certificate.id_by_issuer());
        Envelope { key_type: self.key_type(), digest, signer_id, certificates }
    }
}

fn self_check(error: impl ToString) -> Error {
    Error::Signing(SigningError::SelfCheck { reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PrivateKey, Signer};

    /// K12: a fault in the signing operation.
    #[test]
    fn k12_a_faulty_signature_is_not_handed_out() {
        let key = include_bytes!("../../../testdata/keys/TEST_KEY_DO_NOT_USE.rsa2048.key.pem");
        let certificate =
            include_bytes!("../../../testdata/keys/TEST_KEY_DO_NOT_USE.rsa2048.cert.pem");
        let builder = SignatureBuilder::new(Certificate::parse(certificate).unwrap());
        let to_be_signed = builder.prepare(b"content");
        let mut signature = PrivateKey::parse(key).unwrap().sign(&to_be_signed).unwrap();
        assert!(builder.attach(&to_be_signed, &signature).is_ok());
        signature[100] ^= 1;
        let error = builder.attach(&to_be_signed, &signature).unwrap_err();
        let refused = matches!(error, Error::Signing(SigningError::NotByCertificate { .. }));
        assert!(refused, "{error}");
    }
}
