//! The signature of a root hash: the one that the kernel and systemd check.

use std::path::Path;

use verity::RootHash;
use verity_sign::verify_root_hash;

use super::certificates::Trusted;
use super::manifest::signature;
use crate::error::{Class, CommandError, OrFail};
use crate::signer::Signer;

/// A signature of the root hash by somebody who is trusted.
#[derive(Debug)]
pub(crate) struct RootHashSignature {
    /// PKCS#7 in DER.
    pub(crate) bytes: Vec<u8>,
    pub(crate) signer: Signer,
}

/// Reads a root hash signature and checks it, whoever has made it.
pub(crate) fn root_hash_signature(
    path: &Path,
    root_hash: &RootHash,
    trusted: &Trusted,
) -> Result<RootHashSignature, CommandError> {
    let bytes = signature(path)?;
    let signed_by =
        verify_root_hash(&bytes, root_hash, trusted.trust()).or_fail(Class::Trust, path)?;
    Ok(RootHashSignature { signer: (&signed_by).into(), bytes })
}

/// Reads a root hash signature that nobody here can check.
pub(crate) fn unchecked_signature(path: &Path) -> Result<Vec<u8>, CommandError> {
    signature(path)
}
