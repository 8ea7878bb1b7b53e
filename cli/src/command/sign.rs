//! `verity sign`: a detached signature of a root hash or of a manifest.

use std::path::PathBuf;

use serde::Serialize;
use verity::publish::{Input, Output};
use verity_sign::{MAX_MANIFEST_BYTES, Manifest, SignatureDigest, Signer};

use super::format::write_bytes;
use super::{Context, Outcome};
use crate::error::{Class, CommandError, OrFail};
use crate::quoted::Quoted;
use crate::trust::{self, RootSource};

/// What to sign with what.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) content: Content,
    pub(crate) key: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) embed_certificate: bool,
    pub(crate) digest: Option<SignatureDigest>,
    pub(crate) output: PathBuf,
}

/// What is signed.
#[derive(Debug)]
pub(crate) enum Content {
    Manifest(PathBuf),
    /// In the form that the kernel takes.
    RootHash(RootSource),
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
pub(crate) fn run(options: &Options, _context: &Context) -> Result<Outcome, CommandError> {
    let signer = signer(options)?;
    let (signed, root_hash, signature) = match &options.content {
        Content::RootHash(source) => {
            let root_hash = source.require()?;
            ("root-hash", root_hash, signer.sign_root_hash(&root_hash))
        }
        Content::Manifest(path) => {
            let bytes = trust::read_small(path, MAX_MANIFEST_BYTES)?;
            let manifest = Manifest::parse(&bytes).or_fail(Class::Metadata, path)?;
            ("manifest", manifest.root_hash(), signer.sign_manifest(&manifest))
        }
    };
    let signature = signature.or_fail(Class::Trust, &options.key)?;
    let output = Output::create(&options.output)?;
    check_distinct(&output, options)?;
    write_bytes(&output, &signature)?;
    output.commit()?;
    Ok(Outcome::Signed(Signed {
        signed,
        root_hash: root_hash.to_string(),
        digest: signer.digest().to_string(),
        certificate_sha256: signer.certificate().fingerprint().to_string(),
        certificate_embedded: options.embed_certificate,
        signature: Quoted(&options.output).to_string(),
        signature_bytes: signature.len(),
    }))
}

fn signer(options: &Options) -> Result<Signer, CommandError> {
    let signer = trust::signer(&options.key, &options.certificate)?;
    let signer = match options.digest {
        Some(digest) => signer.with_digest(digest).or_fail(Class::Trust, &options.key)?,
        None => signer,
    };
    Ok(signer.with_embedded_certificate(options.embed_certificate))
}

/// Refuses to write the signature over what it was made from.
fn check_distinct(output: &Output, options: &Options) -> Result<(), CommandError> {
    let mut inputs = vec![&options.key, &options.certificate];
    match &options.content {
        Content::Manifest(path) => inputs.push(path),
        Content::RootHash(source) => inputs.extend(&source.file),
    }
    for path in inputs {
        output.check_distinct(&Input::open(path)?)?;
    }
    Ok(())
}
