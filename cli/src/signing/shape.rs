//! How signatures look.

use std::path::{Path, PathBuf};

use verity_sign::{SignatureBuilder, SignatureDigest};

use crate::error::{Class, CommandError, OrFail};
use crate::trust::certificate;

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
    /// Signatures of this shape.
    pub(crate) fn builder(&self) -> Result<SignatureBuilder, CommandError> {
        let builder = builder(&self.certificate, self.digest)?;
        let chain = self.chain.iter().map(|path| certificate(path)).collect::<Result<_, _>>()?;
        builder
            .with_embedded_certificate(self.embed_certificate)
            .with_chain(chain)
            .and_then(|builder| builder.with_subject_key_identifier(self.subject_key_identifier))
            .or_fail(Class::Trust, &self.certificate)
    }
}

/// Signatures by the key of this certificate, with the given digest or the usual one.
pub(crate) fn builder(
    path: &Path,
    digest: Option<SignatureDigest>,
) -> Result<SignatureBuilder, CommandError> {
    let builder = SignatureBuilder::new(certificate(path)?);
    Ok(match digest {
        Some(digest) => builder.with_digest(digest),
        None => builder,
    })
}
