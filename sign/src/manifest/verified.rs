//! A manifest whose signature was checked. Trusted parameters come from nowhere else in this crate.

use verity::TrustedParams;

use super::{Manifest, check_region_size, field, sha256};
use crate::error::{Error, ManifestError, PolicyError};
use crate::signature::SignedBy;

/// A manifest together with who signed it. Only [`Manifest::verify`] makes one.
#[derive(Clone, Debug)]
pub struct VerifiedManifest {
    manifest: Manifest,
    signer: SignedBy,
    trusted_params: TrustedParams,
}

impl VerifiedManifest {
    pub(super) fn new(manifest: Manifest, signer: SignedBy) -> Result<VerifiedManifest, Error> {
        let trusted_params = TrustedParams::from_verified_manifest(
            manifest.params.clone(),
            manifest.root_hash,
            manifest.hash_area,
        )
        .map_err(|error| field("root_hash", error.to_string()))?;
        Ok(VerifiedManifest { manifest, signer, trusted_params })
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Who signed it.
    pub fn signer(&self) -> &SignedBy {
        &self.signer
    }

    /// The parameters with their origin, as `verity::Verifier` takes them.
    pub fn trusted_params(&self) -> &TrustedParams {
        &self.trusted_params
    }

    /// Compares the hash device's superblock, and the padding behind it, with the manifest.
    /// `region` is the content of [`Manifest::superblock_region`], or empty if there is no
    /// superblock.
    ///
    /// # Errors
    ///
    /// [`Error::Manifest`] when the region has another length or another SHA-256.
    pub fn check_superblock(&self, region: &[u8]) -> Result<(), Error> {
        check_region_size(&self.manifest.superblock_region().unwrap_or(0..0), region)?;
        let Some(expected) = self.manifest.superblock_sha256 else { return Ok(()) };
        let actual = sha256(region);
        match actual == expected {
            true => Ok(()),
            false => Err(Error::Manifest(ManifestError::Superblock {
                expected: hex::encode(expected),
                actual: hex::encode(actual),
            })),
        }
    }

    /// Refuses a manifest that has expired at `now` (unix seconds).
    ///
    /// # Errors
    ///
    /// [`Error::Policy`] when the manifest has a `not_after` and `now` is later.
    pub fn check_not_after(&self, now: u64) -> Result<(), Error> {
        match self.manifest.not_after {
            Some(not_after) if now > not_after => {
                Err(Error::Policy(PolicyError::Expired { not_after, now }))
            }
            _ => Ok(()),
        }
    }
}
