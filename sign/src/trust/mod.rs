//! Whom a caller trusts to sign: pinned certificates, or authorities that issue them.
//!
//! Pinning is the default, and the kernel's model: only the very certificate counts, and only its
//! key. With [`Authorities`] the signer's certificate comes with the signature and must lead to one
//! of them, for code signing, at a given time. Either way trust comes from the caller alone. A
//! certificate that a message embeds is at best a link of a chain.

mod chain;

use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};

pub(crate) use self::chain::{Embedded, MAX_EMBEDDED, verify_chain};

use crate::certificate::{Certificate, Validity};
use crate::error::{CertificateError, Error};

/// Whom the caller trusts. Certificates and [`Authorities`] convert into it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Trust<'a> {
    /// The keys of these certificates. Dates and extensions do not decide.
    Pinned(&'a [Certificate]),
    /// Everybody who has a certificate for code signing from one of these.
    Authorities(&'a Authorities),
}

impl<'a> From<&'a [Certificate]> for Trust<'a> {
    fn from(pinned: &'a [Certificate]) -> Trust<'a> {
        Trust::Pinned(pinned)
    }
}

impl<'a, const N: usize> From<&'a [Certificate; N]> for Trust<'a> {
    fn from(pinned: &'a [Certificate; N]) -> Trust<'a> {
        Trust::Pinned(pinned)
    }
}

impl<'a> From<&'a Vec<Certificate>> for Trust<'a> {
    fn from(pinned: &'a Vec<Certificate>) -> Trust<'a> {
        Trust::Pinned(pinned)
    }
}

impl<'a> From<&'a Authorities> for Trust<'a> {
    fn from(authorities: &'a Authorities) -> Trust<'a> {
        Trust::Authorities(authorities)
    }
}

/// Certificate authorities, and the time for which chains to them must be valid.
#[derive(Clone, Debug)]
pub struct Authorities {
    certificates: Vec<Certificate>,
    at: u64,
}

impl Authorities {
    /// Trusts these authorities. `at` is the time for which chains must be valid, in unix seconds:
    /// that of the check, or another one.
    ///
    /// # Errors
    ///
    /// [`Error::Certificate`] when one of them may not issue certificates by its own extensions: it
    /// must be marked as an authority, and its key usage, if stated, must have keyCertSign.
    pub fn new(certificates: Vec<Certificate>, at: u64) -> Result<Authorities, Error> {
        for certificate in &certificates {
            check_authority(certificate)?;
        }
        Ok(Authorities { certificates, at })
    }

    /// The authorities.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// The time, in unix seconds.
    pub fn at(&self) -> u64 {
        self.at
    }
}

fn check_authority(certificate: &Certificate) -> Result<(), CertificateError> {
    let refused = |reason: &str| CertificateError::NotAuthority {
        subject: certificate.short_subject(),
        reason: reason.to_owned(),
    };
    let tbs = certificate.parsed().tbs_certificate();
    match tbs.get_extension::<BasicConstraints>() {
        Ok(Some((_, constraints))) if constraints.ca => {}
        Ok(_) => return Err(refused("it is not marked as an authority")),
        Err(_) => return Err(refused("its basic constraints are malformed")),
    }
    match key_usage(certificate) {
        Some(Some(usage)) if !usage.key_cert_sign() => {
            Err(refused("its key usage lacks keyCertSign"))
        }
        Some(_) => Ok(()),
        None => Err(refused("its key usage is malformed")),
    }
}

/// The key usage, if there is one; `None` when it is malformed.
fn key_usage(certificate: &Certificate) -> Option<Option<KeyUsage>> {
    let usage = certificate.parsed().tbs_certificate().get_extension::<KeyUsage>().ok()?;
    Some(usage.map(|(_, usage)| usage))
}

/// Whether a certificate's dates allow a time.
fn is_valid_at(certificate: &Certificate, at: u64) -> bool {
    certificate.validity_at(at) == Validity::Valid
}
