//! `verity sign`: a detached signature of a root hash or of a manifest.

use crate::context::Context;
use crate::error::CommandError;
use crate::signing::{SignatureOutputs, Signed, SignedContent, Signing, publish};

/// What to sign with what.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) content: SignedContent,
    /// The arguments always have one.
    pub(crate) signing: Option<Signing>,
    pub(crate) outputs: SignatureOutputs,
}

/// Signs.
pub(crate) fn run(options: &Options, context: &Context) -> Result<Signed, CommandError> {
    let signing = options.signing.as_ref().ok_or_else(|| {
        CommandError::usage("somebody must sign: --key KEY or --signer-command PROGRAM")
    })?;
    let content = options.content.read()?;
    let key = signing.open(context)?;
    let signature = key.sign(|signatory| signatory.sign_detached(&content.bytes))?;
    publish(&options.outputs, &content, key.builder(), &signature)
}
