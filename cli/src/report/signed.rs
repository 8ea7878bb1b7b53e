//! `verity sign` and `verity attach-signature`: what was signed.

use std::fmt;

use serde::Serialize;

use super::lines::file;
use crate::signing::Signed;
use crate::streams::OUTPUT;

/// What was signed. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct SignedDocument {
    /// `root-hash` or `manifest`.
    signed: &'static str,
    root_hash: String,
    digest: String,
    certificate_sha256: String,
    certificate_embedded: bool,
    /// The file; null if it went to standard output.
    signature: Option<String>,
    signature_bytes: usize,
    signature_partition: Option<String>,
}

impl From<&Signed> for SignedDocument {
    fn from(facts: &Signed) -> SignedDocument {
        SignedDocument {
            signed: facts.kind.name(),
            root_hash: facts.root_hash.to_string(),
            digest: facts.digest.to_string(),
            certificate_sha256: facts.certificate.to_string(),
            certificate_embedded: facts.certificate_embedded,
            signature: file(&facts.outputs.signature),
            signature_bytes: facts.signature_bytes,
            signature_partition: facts.outputs.partition.as_deref().and_then(file),
        }
    }
}

impl fmt::Display for SignedDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SignedDocument { root_hash, digest, signature_bytes, .. } = self;
        let signature = self.signature.as_deref().unwrap_or(OUTPUT);
        let what = self.signed.replace('-', " ");
        writeln!(
            f,
            "signed: {what} {root_hash} with {digest} into {signature} ({signature_bytes} bytes)",
        )?;
        match &self.signature_partition {
            Some(file) => writeln!(f, "signature partition: {file}"),
            None => Ok(()),
        }
    }
}
