//! `verity sign`: a detached signature of a root hash or of a manifest.

use std::path::{Path, PathBuf};

use serde::Serialize;
use verity::publish::{Input, Output, OutputSet};
use verity_sign::{SignatureBuilder, SignaturePartition};

use super::format::write_bytes;
use super::{Context, Outcome};
use crate::error::{Class, CommandError, OrFail};
use crate::quoted::Quoted;
use crate::signing::{Content, Signable, Signing};
use crate::trust;

/// What to sign with what.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) content: Content,
    /// The arguments always have one.
    pub(crate) signing: Option<Signing>,
    pub(crate) outputs: Outputs,
}

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

/// Signs.
pub(crate) fn run(options: &Options, context: &Context) -> Result<Outcome, CommandError> {
    let signing = options.signing.as_ref().ok_or_else(|| {
        CommandError::usage("somebody must sign: --key KEY or --signer-command PROGRAM")
    })?;
    let content = options.content.read()?;
    let signatory = signing.open(context)?;
    let mut inputs = signing.inputs()?;
    inputs.extend(options.content.file().map(trust::open).transpose()?);
    let signature =
        signatory.sign_detached(&content.bytes).map_err(|error| signing.failed(error, context))?;
    publish(&options.outputs, &inputs, &content, signatory.builder(), &signature)
}

/// Writes a signature and what is asked for beside it, unless it would replace what it was made from.
pub(super) fn publish(
    outputs: &Outputs,
    inputs: &[Input],
    content: &Signable,
    builder: &SignatureBuilder,
    signature: &[u8],
) -> Result<Outcome, CommandError> {
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
    Ok(Outcome::Signed(Signed {
        signed: content.kind,
        root_hash: content.root_hash.to_string(),
        digest: builder.digest().to_string(),
        certificate_sha256: builder.certificate().fingerprint().to_string(),
        certificate_embedded: builder.embeds_certificate(),
        signature: Quoted(&outputs.signature).to_string(),
        signature_bytes: signature.len(),
        signature_partition: outputs.partition.as_ref().map(|path| Quoted(path).to_string()),
    }))
}

/// An output with these bytes, not yet published, that is none of the inputs.
pub(super) fn written(path: &Path, bytes: &[u8], inputs: &[Input]) -> Result<Output, CommandError> {
    let output = Output::create(path)?;
    inputs.iter().try_for_each(|input| output.check_distinct(input))?;
    write_bytes(&output, bytes)?;
    Ok(output)
}
