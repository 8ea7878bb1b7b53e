//! `verity attach-signature`: the signature that a key on another machine has made, in its
//! envelope.

use std::path::PathBuf;

use crate::error::{Class, CommandError, OrFail};
use crate::inputs;
use crate::signing::{SignatureOutputs, SignatureShape, Signed, SignedContent, publish};

/// RSA-4096 makes 512 bytes.
const MAX_RAW_SIGNATURE_BYTES: u64 = 1024;

/// What to put together.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) content: SignedContent,
    pub(crate) raw_signature: PathBuf,
    pub(crate) shape: SignatureShape,
    pub(crate) outputs: SignatureOutputs,
}

/// Checks the raw signature and writes the whole one.
pub(crate) fn run(options: &Options) -> Result<Signed, CommandError> {
    let content = options.content.read()?;
    let builder = options.shape.builder()?;
    let raw = inputs::read_small(&options.raw_signature, MAX_RAW_SIGNATURE_BYTES, Class::Usage)?;
    let signature = builder
        .attach(&builder.prepare(&content.bytes), &raw)
        .or_fail(Class::Trust, &options.raw_signature)?;
    publish(&options.outputs, &content, &builder, &signature)
}
