//! `verity prepare-signature`: what a key on another machine has to sign.

use std::path::PathBuf;

use verity_sign::{SignatureBuilder, SignatureDigest, ToBeSigned};

use crate::error::{Class, CommandError, OrFail};
use crate::outputs::SmallOutputs;
use crate::signing::{self, Signable, SignedContent};

/// What to prepare.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) content: SignedContent,
    pub(crate) certificate: PathBuf,
    pub(crate) digest: Option<SignatureDigest>,
    pub(crate) output: PathBuf,
    pub(crate) content_output: Option<PathBuf>,
}

/// What is to be signed.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) content: Signable,
    pub(crate) builder: SignatureBuilder,
    pub(crate) to_be_signed: ToBeSigned,
    pub(crate) digest_file: PathBuf,
    pub(crate) content_file: Option<PathBuf>,
}

/// Writes the digest, and the content if asked to.
pub(crate) fn run(options: &Options) -> Result<Prepared, CommandError> {
    let content = options.content.read()?;
    let certificate = signing::certificates(&options.certificate)?
        .of_signer()
        .or_fail(Class::Trust, &options.certificate)?;
    let builder = signing::builder(&options.certificate, certificate, options.digest);
    let to_be_signed = builder.prepare(&content.bytes);
    let mut set = SmallOutputs::default().with(&options.output, &to_be_signed.digest())?;
    if let Some(path) = &options.content_output {
        set = set.with(path, to_be_signed.content())?;
    }
    set.publish()?;
    Ok(Prepared {
        content,
        builder,
        to_be_signed,
        digest_file: options.output.clone(),
        content_file: options.content_output.clone(),
    })
}
