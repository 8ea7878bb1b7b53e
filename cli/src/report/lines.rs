//! Lines that the texts of several outcomes have in common.

use std::fmt;

use crate::quoted::Plain;

/// What vouches for the parameters, and who signed the manifest if there is one.
pub(super) fn provenance(
    f: &mut fmt::Formatter<'_>,
    geometry: &str,
    signer: Option<&str>,
) -> fmt::Result {
    writeln!(f, "geometry: {geometry}")?;
    match signer {
        Some(signer) => writeln!(f, "manifest: signed by {}", Plain(signer)),
        None => Ok(()),
    }
}
