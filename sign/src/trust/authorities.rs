//! Certificate authorities: who may be one, and for which time chains to them are judged.

use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};

use crate::certificate::{Certificate, Validity};
use crate::error::{CertificateError, Error};

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
pub(super) fn key_usage(certificate: &Certificate) -> Option<Option<KeyUsage>> {
    let usage = certificate.parsed().tbs_certificate().get_extension::<KeyUsage>().ok()?;
    Some(usage.map(|(_, usage)| usage))
}

/// Whether a certificate's dates allow a time.
pub(super) fn is_valid_at(certificate: &Certificate, at: u64) -> bool {
    certificate.validity_at(at) == Validity::Valid
}
