//! `verity attach-signature`: the signature that a key on another machine has made, in its
//! envelope.

use std::path::PathBuf;

use verity_sign::{Certificate, Error, MAX_SIGNATURE_BYTES};

use crate::error::{Class, CommandError, OrFail};
use crate::inputs;
use crate::signing::{SignatureOutputs, SignatureShape, Signed, SignedContent, publish};

/// More than any encoding of 512 bytes takes, and a whole message: errors say what it is instead.
const MAX_RAW_SIGNATURE_BYTES: u64 = MAX_SIGNATURE_BYTES;

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
    let certificates = options.shape.certificates()?;
    let raw = inputs::read_small(&options.raw_signature, MAX_RAW_SIGNATURE_BYTES, Class::Usage)?;
    let to_be_signed =
        |certificate: &Certificate| options.shape.to_be_signed(certificate, &content.bytes);
    let certificate = certificates.of_signature(to_be_signed, &raw).map_err(|error| {
        let culprit = match error {
            Error::Signing(_) => &options.raw_signature,
            _ => &options.shape.certificate,
        };
        CommandError::new(Class::Trust, error).at(culprit)
    })?;
    let builder = options.shape.builder(certificate)?;
    let signature = builder
        .attach(&builder.prepare(&content.bytes), &raw)
        .or_fail(Class::Trust, &options.raw_signature)?;
    publish(&options.outputs, &content, &builder, &signature)
}
