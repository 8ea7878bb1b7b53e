//! `verity sign`: a detached signature of a root hash or of a manifest.

use crate::context::Context;
use crate::error::CommandError;
use crate::inputs;
use crate::report::Outcome;
use crate::signing::{Content, Outputs, Signing, publish};

/// What to sign with what.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) content: Content,
    /// The arguments always have one.
    pub(crate) signing: Option<Signing>,
    pub(crate) outputs: Outputs,
}

/// Signs.
pub(crate) fn run(options: &Options, context: &Context) -> Result<Outcome, CommandError> {
    let signing = options.signing.as_ref().ok_or_else(|| {
        CommandError::usage("somebody must sign: --key KEY or --signer-command PROGRAM")
    })?;
    let content = options.content.read()?;
    let signatory = signing.open(context)?;
    let mut inputs = signing.inputs()?;
    inputs.extend(options.content.file().map(inputs::open).transpose()?);
    let signature =
        signatory.sign_detached(&content.bytes).map_err(|error| signing.failed(error, context))?;
    publish(&options.outputs, &inputs, &content, signatory.builder(), &signature)
        .map(Outcome::Signed)
}
