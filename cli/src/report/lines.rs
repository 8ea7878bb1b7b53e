//! Lines that the texts of several outcomes have in common.

use std::fmt;
use std::path::Path;

use super::signer::SignerEntry;
use crate::quoted::Quoted;
use crate::streams::is_standard;

/// What vouches for the parameters, and who signed the manifest if there is one.
pub(super) fn provenance(
    f: &mut fmt::Formatter<'_>,
    geometry: &str,
    signer: Option<&SignerEntry>,
) -> fmt::Result {
    writeln!(f, "geometry: {geometry}")?;
    match signer {
        Some(signer) => writeln!(f, "manifest: signed by {signer}"),
        None => Ok(()),
    }
}

/// An output as JSON states it: `None` for standard output, which is no file.
pub(super) fn file(path: &Path) -> Option<String> {
    (!is_standard(path)).then(|| Quoted(path).to_string())
}

/// So many things, with the word for one or for several.
pub(super) fn counted(number: u64, one: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{number} {one}{end}")
}
