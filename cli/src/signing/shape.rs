//! How signatures look.

use std::path::{Path, PathBuf};

use verity_sign::{Certificate, CertificateBundle, SignatureBuilder, SignatureDigest};

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
            .and_then(|builder| builder.with_subject_key_identifier(self.subject_key_identifier))
            .or_fail(Class::Trust, &self.certificate)
    }
}

/// The certificates of a file. A chain or a key beside the certificate does no harm: whoever signs
/// has a key, which belongs to one of them.
pub(crate) fn certificates(path: &Path) -> Result<CertificateBundle, CommandError> {
    CertificateBundle::read(inputs::stream(path)?).or_fail(Class::Trust, path)
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
    let builder = SignatureBuilder::new(certificate);
    match digest {
        Some(digest) => builder.with_digest(digest),
        None => builder,
    }
}
