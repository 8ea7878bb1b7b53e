//! Writing a signature, and what systemd's signature partition holds beside it.

use std::path::PathBuf;

use serde::Serialize;
use verity::publish::{Input, OutputSet};
use verity_sign::{SignatureBuilder, SignaturePartition};

use super::content::Signable;
use crate::error::{Class, CommandError, OrFail};
use crate::outputs::written;
use crate::quoted::Quoted;

/// Where the signature goes.
#[derive(Debug)]
pub(crate) struct Outputs {
    pub(crate) signature: PathBuf,
    /// Of a root hash: what systemd's signature partition holds.
    pub(crate) partition: Option<PathBuf>,
}

/// What was signed. The order of the fields is the order of the keys.
#[derive(Debug, Serialize)]
pub(crate) struct Signed {
    /// `root-hash` or `manifest`.
    pub(crate) signed: &'static str,
    pub(crate) root_hash: String,
    pub(crate) digest: String,
    pub(crate) certificate_sha256: String,
    pub(crate) certificate_embedded: bool,
    pub(crate) signature: String,
    pub(crate) signature_bytes: usize,
    pub(crate) signature_partition: Option<String>,
}

/// Writes a signature and what is asked for beside it, unless it would replace what it was made
/// from.
pub(crate) fn publish(
    outputs: &Outputs,
    inputs: &[Input],
    content: &Signable,
    builder: &SignatureBuilder,
    signature: &[u8],
) -> Result<Signed, CommandError> {
    if outputs.partition.as_ref() == Some(&outputs.signature) {
        return Err(CommandError::usage("is named as two outputs").at(&outputs.signature));
    }
    let mut set = OutputSet::new().output(written(&outputs.signature, signature, inputs)?);
    if let Some(path) = &outputs.partition {
        let certificate = builder.certificate();
        let partition =
            SignaturePartition::new(&content.root_hash, signature.to_vec(), certificate)
                .or_fail(Class::Trust, path)?;
        set = set.output(written(path, &partition.to_bytes(), inputs)?);
    }
    set.commit()?;
    Ok(Signed {
        signed: content.kind,
        root_hash: content.root_hash.to_string(),
        digest: builder.digest().to_string(),
        certificate_sha256: builder.certificate().fingerprint().to_string(),
        certificate_embedded: builder.embeds_certificate(),
        signature: Quoted(&outputs.signature).to_string(),
        signature_bytes: signature.len(),
        signature_partition: outputs.partition.as_ref().map(|path| Quoted(path).to_string()),
    })
}
