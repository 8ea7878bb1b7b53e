//! The signature of a root hash: the one that the kernel and systemd check.

use std::path::Path;

use verity::RootHash;
use verity_sign::verify_root_hash;

use super::certificates::Trusted;
use super::manifest::signature;
use crate::error::{Class, CommandError, OrFail};
use crate::signer::Signer;

/// Reads a root hash signature and checks it, whoever has made it; returns who signed.
pub(crate) fn root_hash_signer(
    path: &Path,
    root_hash: &RootHash,
    trusted: &Trusted,
) -> Result<Signer, CommandError> {
    let signature = signature(path)?;
    let signed_by =
        verify_root_hash(&signature, root_hash, trusted.trust()).or_fail(Class::Trust, path)?;
    Ok((&signed_by).into())
}
