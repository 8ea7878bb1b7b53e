//! How signatures look.

use std::path::{Path, PathBuf};

use verity_sign::{
    Certificate, CertificateBundle, CertificateError, Error, SignatureBuilder, SignatureDigest,
    ToBeSigned,
};

use crate::error::{Class, CommandError, OrFail};
use crate::inputs;
use crate::quoted::Quoted;
use crate::trust::{self, now, warn_of_dates};

/// How signatures look.
#[derive(Debug)]
pub(crate) struct SignatureShape {
    pub(crate) certificate: PathBuf,
    pub(crate) digest: Option<SignatureDigest>,
    pub(crate) embed_certificate: bool,
    pub(crate) chain: Vec<PathBuf>,
    pub(crate) subject_key_identifier: bool,
}

impl SignatureShape {
    /// The certificates of the file that was named, of which one is the signer's.
    pub(crate) fn certificates(&self) -> Result<CertificateBundle, CommandError> {
        certificates(&self.certificate)
    }

    /// Signatures of this shape by the key of this certificate, which is out of that file.
    pub(crate) fn builder(
        &self,
        certificate: Certificate,
    ) -> Result<SignatureBuilder, CommandError> {
        let builder = builder(&self.certificate, certificate, self.digest);
        let chain =
            self.chain.iter().map(|path| trust::certificate(path)).collect::<Result<_, _>>()?;
        builder
            .with_embedded_certificate(self.embed_certificate)
            .with_chain(chain)
            .map_err(|error| self.chain_error(error))?
            .with_subject_key_identifier(self.subject_key_identifier)
            .or_fail(Class::Trust, &self.certificate)
    }

    /// What a raw signature must be of, if it is by the key of this certificate.
    pub(crate) fn to_be_signed(&self, certificate: &Certificate, content: &[u8]) -> ToBeSigned {
        with_digest(certificate.clone(), self.digest).prepare(content)
    }

    /// An error about the chain, which is that of one of its files.
    fn chain_error(&self, error: Error) -> CommandError {
        let index = match error {
            Error::Certificate(CertificateError::NotInChain { index, .. }) => Some(index),
            // The signer's own counts.
            Error::Certificate(CertificateError::TooManyInChain { limit, .. }) => {
                limit.checked_sub(1)
            }
            _ => None,
        };
        let path = index.and_then(|index| self.chain.get(index)).unwrap_or(&self.certificate);
        CommandError::new(Class::Trust, error).at(path)
    }
}

/// The certificates of a file. A chain or a key beside the certificate does no harm: whoever signs
/// has a key, which belongs to one of them.
pub(crate) fn certificates(path: &Path) -> Result<CertificateBundle, CommandError> {
    CertificateBundle::read(inputs::certificate_stream(path)?).or_fail(Class::Trust, path)
}

/// Signatures by the key of this certificate, with the given digest or the usual one.
pub(crate) fn builder(
    path: &Path,
    certificate: Certificate,
    digest: Option<SignatureDigest>,
) -> SignatureBuilder {
    warn_of_dates(path, &certificate, now());
    if let Some(since) = certificate.key_type().since_linux() {
        tracing::warn!(
            "{}: the kernel takes signatures by {} keys from Linux {since} on",
            Quoted(path),
            certificate.key_type(),
        );
    }
    with_digest(certificate, digest)
}

fn with_digest(certificate: Certificate, digest: Option<SignatureDigest>) -> SignatureBuilder {
    let builder = SignatureBuilder::new(certificate);
    match digest {
        Some(digest) => builder.with_digest(digest),
        None => builder,
    }
}
