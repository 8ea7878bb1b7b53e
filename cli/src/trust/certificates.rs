//! Certificates of signers and of authorities: who is trusted to have signed, and when.

use std::path::{Path, PathBuf};

use verity_sign::{Authorities, Certificate, CertificateError, Error, InputError, Trust, Validity};

use super::clock::now;
use crate::error::{Class, CommandError, OrFail};
use crate::inputs::certificate_stream;
use crate::quoted::Quoted;

/// Which signers to trust, as the caller names them.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrustSource {
    /// Certificates of signers.
    pub(crate) certificates: Vec<PathBuf>,
    /// Certificates of authorities, which signers' certificates must lead to.
    pub(crate) authorities: Vec<PathBuf>,
    /// The time of the check, in seconds since 1970; now unless given.
    pub(crate) at: Option<u64>,
    /// Which image a manifest must be about.
    pub(crate) image_name: Option<String>,
}

/// Which signers to trust, and when.
#[derive(Debug)]
pub(crate) struct Trusted {
    anchors: TrustAnchors,
    at: u64,
    image_name: Option<String>,
}

#[derive(Debug)]
enum TrustAnchors {
    Pinned(Vec<Certificate>),
    Authorities(Authorities),
}

impl TrustSource {
    /// Whether nobody was named.
    pub(crate) fn is_empty(&self) -> bool {
        self.certificates.is_empty() && self.authorities.is_empty()
    }

    /// Reads the certificates, and warns of pinned ones outside their validity.
    ///
    /// An expired certificate is still trusted if it is pinned, as it is by the kernel: that was on
    /// purpose.
    pub(crate) fn read(&self) -> Result<Trusted, CommandError> {
        let at = self.at.unwrap_or_else(now);
        let anchors = match (self.certificates.as_slice(), self.authorities.as_slice()) {
            ([], []) => {
                let words = "nobody is trusted to sign: --certificate CERT or --ca CERT is needed";
                return Err(CommandError::usage(words));
            }
            (pinned, []) => {
                let advice =
                    "give the signer's in a file of its own, or trust its authority by --ca";
                let read = |path: &PathBuf| certificate_at(path, at, advice);
                let pinned: Result<_, _> = pinned.iter().map(read).collect();
                TrustAnchors::Pinned(pinned?)
            }
            ([], authorities) => TrustAnchors::Authorities(read_authorities(authorities, at)?),
            _ => return Err(CommandError::usage("either --certificate or --ca")),
        };
        Ok(Trusted { anchors, at, image_name: self.image_name.clone() })
    }

    /// Refuses what is for manifests where there is none.
    pub(crate) fn check_unused(&self) -> Result<(), CommandError> {
        self.check_no_image_is_named()?;
        self.check_nobody_is_named()
    }

    /// Refuses a name that nothing can be held against.
    pub(crate) fn check_no_image_is_named(&self) -> Result<(), CommandError> {
        match self.image_name {
            Some(_) => Err(CommandError::usage(
                "--image-name goes with --manifest only: nothing else names an image",
            )),
            None => Ok(()),
        }
    }

    /// Refuses certificates, authorities and a time where no signature needs them.
    pub(crate) fn check_nobody_is_named(&self) -> Result<(), CommandError> {
        match self.is_empty() && self.at.is_none() {
            true => Ok(()),
            false => {
                let words = "--certificate, --ca and --at go with --manifest only, in verify and \
                             open with --root-hash-signature, or in status with --check";
                Err(CommandError::usage(words))
            }
        }
    }
}

impl Trusted {
    /// The time of the check, in seconds since 1970.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// Which image a manifest must be about.
    pub(crate) fn image_name(&self) -> Option<&str> {
        self.image_name.as_deref()
    }

    /// In the form that the library takes.
    pub(crate) fn trust(&self) -> Trust<'_> {
        match &self.anchors {
            TrustAnchors::Pinned(pinned) => pinned.into(),
            TrustAnchors::Authorities(authorities) => authorities.into(),
        }
    }
}

fn read_authorities(paths: &[PathBuf], at: u64) -> Result<Authorities, CommandError> {
    let read = |path: &PathBuf| {
        let authority = Certificate::read(certificate_stream(path)?).map_err(|error| {
            unreadable(error, "give each in a file of its own, by a --ca of its own").at(path)
        })?;
        // Each is checked alone first, so that the message names the file.
        Authorities::new(vec![authority.clone()], at).or_fail(Class::Trust, path)?;
        Ok(authority)
    };
    let authorities = paths.iter().map(read).collect::<Result<Vec<_>, CommandError>>()?;
    Authorities::new(authorities, at).map_err(|error| CommandError::new(Class::Trust, error))
}

/// Reads the certificate of a chain.
pub(crate) fn certificate(path: &Path) -> Result<Certificate, CommandError> {
    certificate_at(path, now(), "give each in a file of its own, by a --chain of its own")
}

/// Reads a certificate, with what to do if the file holds several.
fn certificate_at(path: &Path, at: u64, advice: &str) -> Result<Certificate, CommandError> {
    let certificate = Certificate::read(certificate_stream(path)?)
        .map_err(|error| unreadable(error, advice).at(path))?;
    warn_of_dates(path, &certificate, at);
    Ok(certificate)
}

/// Warns of a certificate that is out of its dates.
pub(crate) fn warn_of_dates(path: &Path, certificate: &Certificate, at: u64) {
    match certificate.validity_at(at) {
        Validity::Valid => {}
        validity => {
            tracing::warn!("{}: the certificate is {validity}", Quoted(path));
        }
    }
}

/// A certificate file that was refused, with what to do if it holds several certificates.
pub(crate) fn unreadable(error: Error, advice: &str) -> CommandError {
    let is_several = matches!(
        error,
        Error::Certificate(CertificateError::Input(InputError::NotOneBlock { .. }))
    );
    let error = CommandError::new(Class::Trust, error);
    if is_several { error.adding(&format!("; {advice}")) } else { error }
}
