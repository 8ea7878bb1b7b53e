//! `verity prepare-signature`: what a key on another machine has to sign.

use std::fmt;

use serde::Serialize;

use super::lines::file;
use crate::command::prepare_signature::Prepared;
use crate::streams::OUTPUT;

/// What is to be signed. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct PreparedDocument {
    /// `root-hash` or `manifest`.
    to_be_signed: &'static str,
    root_hash: String,
    /// `rsa2048` and so on.
    key: &'static str,
    digest: String,
    digest_hex: String,
    /// Null, here and below, for standard output.
    digest_file: Option<String>,
    content_file: Option<String>,
    content_bytes: usize,
    certificate_sha256: String,
}

impl From<&Prepared> for PreparedDocument {
    fn from(facts: &Prepared) -> PreparedDocument {
        let Prepared { content, builder, to_be_signed, .. } = facts;
        PreparedDocument {
            to_be_signed: content.kind.name(),
            root_hash: content.root_hash.to_string(),
            key: builder.key_type().name(),
            digest: builder.digest().to_string(),
            digest_hex: hex::encode(to_be_signed.digest()),
            digest_file: file(&facts.digest_file),
            content_file: facts.content_file.as_deref().and_then(file),
            content_bytes: to_be_signed.content().len(),
            certificate_sha256: builder.certificate().fingerprint().to_string(),
        }
    }
}

impl fmt::Display for PreparedDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PreparedDocument { root_hash, key, certificate_sha256, .. } = self;
        let PreparedDocument { digest, digest_hex, .. } = self;
        let digest_file = self.digest_file.as_deref().unwrap_or(OUTPUT);
        let what = self.to_be_signed.replace('-', " ");
        writeln!(
            f,
            "to be signed: {what} {root_hash} by the {key} key of certificate sha256 \
             {certificate_sha256}",
        )?;
        writeln!(f, "{digest}: {digest_hex} into {digest_file}")?;
        match &self.content_file {
            Some(file) => writeln!(f, "content: {} bytes into {file}", self.content_bytes),
            None => Ok(()),
        }
    }
}
