//! Which authorities say who an `https` server is: the system's, or those of a file.
//!
//! A process runs one command, so there is one choice.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::error::{Class, CommandError};
use crate::inputs;

/// The file that was named.
static NAMED: OnceLock<PathBuf> = OnceLock::new();

/// Trusts the authorities of this file from now on, and no others.
pub(crate) fn trust_servers_of(path: PathBuf) {
    let _ = NAMED.set(path);
}

/// The certificates that are trusted.
pub(super) fn of_servers() -> Result<Vec<CertificateDer<'static>>, CommandError> {
    match NAMED.get() {
        Some(path) => of_file(path),
        // What cannot be read of the system's vouches for nobody.
        None => Ok(rustls_native_certs::load_native_certs().certs),
    }
}

/// The most that is read of a file, in bytes: several times what systems have.
const MAX_FILE: u64 = 4 << 20;

fn of_file(path: &Path) -> Result<Vec<CertificateDer<'static>>, CommandError> {
    let bytes = inputs::read_small(path, MAX_FILE, Class::Trust)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(CommandError::message(Class::Trust, "there is no certificate (PEM) here")),
        Err(error) => {
            Err(CommandError::message(Class::Trust, format!("no certificates (PEM): {error}")))
        }
    }
    .map_err(|error| error.at(path))
}
