//! Who signed, as JSON states it.

use std::fmt;

use serde::Serialize;

use crate::quoted::Plain;
use crate::signer::Signer;

/// Who signed. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct SignerEntry {
    subject: String,
    issuer: String,
    serial: String,
    certificate_sha256: String,
    /// Who vouches for the certificate, unless that itself is trusted.
    authority: Option<AuthorityEntry>,
    #[serde(skip)]
    words: String,
}

/// An authority. The order of the fields is the order of the keys.
#[derive(Serialize)]
struct AuthorityEntry {
    subject: String,
    certificate_sha256: String,
}

impl From<&Signer> for SignerEntry {
    fn from(facts: &Signer) -> SignerEntry {
        let authority = facts.authority.as_ref().map(|(subject, fingerprint)| AuthorityEntry {
            subject: subject.clone(),
            certificate_sha256: fingerprint.to_string(),
        });
        SignerEntry {
            subject: facts.subject.clone(),
            issuer: facts.issuer.clone(),
            serial: facts.serial.clone(),
            certificate_sha256: facts.fingerprint.to_string(),
            authority,
            words: facts.to_string(),
        }
    }
}

impl fmt::Display for SignerEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Plain(&self.words).fmt(f)
    }
}
