//! Who signed, in the words and fields that every result has for it.

use std::fmt;

use verity_sign::{Fingerprint, SignedBy};

/// Who signed something: what a certificate says, and which authority vouches for it.
#[derive(Clone, Debug)]
pub(crate) struct Signer {
    /// The subject's name in RFC 4514 form.
    pub(crate) subject: String,
    pub(crate) issuer: String,
    /// In hex.
    pub(crate) serial: String,
    pub(crate) fingerprint: Fingerprint,
    /// Subject and fingerprint of the authority, unless the certificate itself is trusted.
    pub(crate) authority: Option<(String, Fingerprint)>,
}

impl From<&SignedBy> for Signer {
    fn from(signed_by: &SignedBy) -> Signer {
        let certificate = signed_by.certificate();
        let authority = signed_by.authority();
        Signer {
            subject: certificate.subject().to_owned(),
            issuer: certificate.issuer().to_owned(),
            serial: certificate.serial().to_owned(),
            fingerprint: certificate.fingerprint(),
            authority: authority.map(|it| (it.subject().to_owned(), it.fingerprint())),
        }
    }
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (certificate sha256 {})", self.subject, self.fingerprint)?;
        match &self.authority {
            Some((subject, _)) => write!(f, " under {subject}"),
            None => Ok(()),
        }
    }
}
