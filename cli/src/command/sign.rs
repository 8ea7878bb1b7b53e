//! `verity sign`: a detached signature of a root hash or of a manifest.

use std::path::PathBuf;

use serde::Serialize;
use verity::publish::{Input, Output};
use verity_sign::SignatureBuilder;

use super::format::write_bytes;
use super::{Context, Outcome};
use crate::error::CommandError;
use crate::quoted::Quoted;
use crate::signing::{Content, Signable, Signing};
use crate::trust;

/// What to sign with what.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) content: Content,
    /// The arguments always have one.
    pub(crate) signing: Option<Signing>,
    pub(crate) output: PathBuf,
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
    publish(&options.output, &inputs, &content, signatory.builder(), &signature)
}

/// Writes a signature, unless it would replace what it was made from.
pub(super) fn publish(
    path: &PathBuf,
    inputs: &[Input],
    content: &Signable,
    builder: &SignatureBuilder,
    signature: &[u8],
) -> Result<Outcome, CommandError> {
    let output = Output::create(path)?;
    inputs.iter().try_for_each(|input| output.check_distinct(input))?;
    write_bytes(&output, signature)?;
    output.commit()?;
    Ok(Outcome::Signed(Signed {
        signed: content.kind,
        root_hash: content.root_hash.to_string(),
        digest: builder.digest().to_string(),
        certificate_sha256: builder.certificate().fingerprint().to_string(),
        certificate_embedded: builder.embeds_certificate(),
        signature: Quoted(path).to_string(),
        signature_bytes: signature.len(),
    }))
}
