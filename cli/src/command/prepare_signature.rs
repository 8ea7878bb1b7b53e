//! `verity prepare-signature`: what a key on another machine has to sign.

use std::path::PathBuf;

use serde::Serialize;
use verity::publish::OutputSet;
use verity_sign::SignatureDigest;

use crate::error::CommandError;
use crate::inputs;
use crate::outputs::written;
use crate::quoted::Quoted;
use crate::report::Outcome;
use crate::signing::{self, Content};

/// What to prepare.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) content: Content,
    pub(crate) certificate: PathBuf,
    pub(crate) digest: Option<SignatureDigest>,
    pub(crate) output: PathBuf,
    pub(crate) content_output: Option<PathBuf>,
}

/// What is to be signed. The order of the fields is the order of the keys.
#[derive(Debug, Serialize)]
pub(crate) struct Prepared {
    /// `root-hash` or `manifest`.
    pub(crate) to_be_signed: &'static str,
    pub(crate) root_hash: String,
    /// `rsa2048` and so on.
    pub(crate) key: &'static str,
    pub(crate) digest: String,
    pub(crate) digest_hex: String,
    pub(crate) digest_file: String,
    pub(crate) content_file: Option<String>,
    pub(crate) content_bytes: usize,
    pub(crate) certificate_sha256: String,
}

/// Writes the digest, and the content if asked to.
pub(crate) fn run(options: &Options) -> Result<Outcome, CommandError> {
    let content = options.content.read()?;
    let builder = signing::builder(&options.certificate, options.digest)?;
    let to_be_signed = builder.prepare(&content.bytes);
    let digest = to_be_signed.digest();
    let mut inputs = vec![inputs::open(&options.certificate)?];
    inputs.extend(options.content.file().map(inputs::open).transpose()?);
    if options.content_output.as_ref() == Some(&options.output) {
        return Err(CommandError::usage("is named as two outputs").at(&options.output));
    }
    let mut set = OutputSet::new().output(written(&options.output, &digest, &inputs)?);
    if let Some(path) = &options.content_output {
        set = set.output(written(path, to_be_signed.content(), &inputs)?);
    }
    set.commit()?;
    let named = |path: &PathBuf| Quoted(path).to_string();
    Ok(Outcome::Prepared(Prepared {
        to_be_signed: content.kind,
        root_hash: content.root_hash.to_string(),
        key: builder.key_type().name(),
        digest: builder.digest().to_string(),
        digest_hex: hex::encode(digest),
        digest_file: named(&options.output),
        content_file: options.content_output.as_ref().map(named),
        content_bytes: to_be_signed.content().len(),
        certificate_sha256: builder.certificate().fingerprint().to_string(),
    }))
}
