//! A manifest and its signature, which lies beside it.

use std::path::{Path, PathBuf};

use verity_sign::{MAX_MANIFEST_BYTES, MAX_SIGNATURE_BYTES, Manifest, VerifiedManifest};

use super::certificates::Trusted;
use crate::error::{Class, CommandError, OrFail};
use crate::inputs::read_small;
use crate::streams::is_standard;

/// Reads a manifest and checks its signature, which lies beside it, its end of validity, and that
/// it is about the image that is expected, if one is.
pub(crate) fn manifest(path: &Path, trusted: &Trusted) -> Result<VerifiedManifest, CommandError> {
    if is_standard(path) {
        return Err(CommandError::usage(
            "the signature of a manifest lies beside it, in FILE.p7s, so a manifest that is to be \
             trusted cannot come from standard input: --manifest FILE names it",
        ));
    }
    let bytes = read_small(path, MAX_MANIFEST_BYTES, Class::Trust)?;
    let signature = signature(&signature_path(path))?;
    manifest_of(&bytes, &signature, path, trusted)
}

/// Checks a manifest that was read from `path`, as [`manifest`] does.
pub(crate) fn manifest_of(
    bytes: &[u8],
    signature: &[u8],
    path: &Path,
    trusted: &Trusted,
) -> Result<VerifiedManifest, CommandError> {
    let verified = Manifest::verify(bytes, signature, trusted.trust()).map_err(|error| {
        let culprit = match error {
            verity_sign::Error::Signature(_) => signature_path(path),
            _ => path.to_owned(),
        };
        CommandError::new(Class::Trust, error).at(&culprit)
    })?;
    verified.check_not_after(trusted.at()).or_fail(Class::Trust, path)?;
    check_image_name(verified.manifest(), trusted.image_name(), path)?;
    Ok(verified)
}

/// Refuses a manifest that is about another image than the expected one.
pub(crate) fn check_image_name(
    manifest: &Manifest,
    expected: Option<&str>,
    path: &Path,
) -> Result<(), CommandError> {
    match expected {
        Some(name) => manifest.check_image_name(name).or_fail(Class::Trust, path),
        None => Ok(()),
    }
}

/// Reads a signature. A missing or too long one fails like one that does not verify.
pub(super) fn signature(path: &Path) -> Result<Vec<u8>, CommandError> {
    read_small(path, MAX_SIGNATURE_BYTES, Class::Trust).map_err(|error| {
        match path.try_exists().is_ok_and(|exists| !exists) {
            true => CommandError::message(Class::Trust, "there is no signature").at(path),
            false => error,
        }
    })
}

/// Where the signature of a manifest lies.
fn signature_path(manifest: &Path) -> PathBuf {
    let mut path = manifest.as_os_str().to_owned();
    path.push(".p7s");
    path.into()
}
