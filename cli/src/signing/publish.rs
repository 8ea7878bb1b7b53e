//! Writing a signature, and what systemd's signature partition holds beside it.

use std::path::PathBuf;

use verity::RootHash;
use verity_sign::{Fingerprint, SignatureBuilder, SignatureDigest, SignaturePartition};

use super::content::{ContentKind, Signable};
use crate::error::{Class, CommandError, OrFail};
use crate::outputs::SmallOutputs;

/// Where a signature goes.
#[derive(Clone, Debug)]
pub(crate) struct SignatureOutputs {
    pub(crate) signature: PathBuf,
    /// Of a root hash: what systemd's signature partition holds.
    pub(crate) partition: Option<PathBuf>,
}

/// What was signed.
#[derive(Debug)]
pub(crate) struct Signed {
    pub(crate) kind: ContentKind,
    pub(crate) root_hash: RootHash,
    pub(crate) digest: SignatureDigest,
    pub(crate) certificate: Fingerprint,
    pub(crate) certificate_embedded: bool,
    pub(crate) signature_bytes: usize,
    pub(crate) outputs: SignatureOutputs,
}

/// Writes a signature and what is asked for beside it.
pub(crate) fn publish(
    outputs: &SignatureOutputs,
    content: &Signable,
    builder: &SignatureBuilder,
    signature: &[u8],
) -> Result<Signed, CommandError> {
    let certificate = builder.certificate();
    let mut set = SmallOutputs::default().with(&outputs.signature, signature)?;
    if let Some(path) = &outputs.partition {
        let partition =
            SignaturePartition::new(&content.root_hash, signature.to_vec(), certificate)
                .or_fail(Class::Trust, path)?;
        set = set.with(path, &partition.to_bytes())?;
    }
    set.publish()?;
    Ok(Signed {
        kind: content.kind,
        root_hash: content.root_hash,
        digest: builder.digest(),
        certificate: certificate.fingerprint(),
        certificate_embedded: builder.embeds_certificate(),
        signature_bytes: signature.len(),
        outputs: outputs.clone(),
    })
}
