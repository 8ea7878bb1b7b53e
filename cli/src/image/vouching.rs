//! What vouches for the parameters of an image: the command line, a superblock or a manifest, with
//! every check that they allow.

use std::path::Path;

use verity::internals::to_len;
use verity::io::ReadAt;
use verity::{RootHash, Superblock, TrustError, TrustedParams, Uuid};
use verity_sign::VerifiedManifest;

use super::device::{Device, read_superblock};
use crate::context::Context;
use crate::error::{Class, CommandError, OrFail};
use crate::parameters::Parameters;

/// The parameters of the command line, without a superblock.
pub(super) fn trusted_parameters(
    parameters: &Parameters,
    root_hash: RootHash,
    data: &Device,
) -> Result<TrustedParams, CommandError> {
    let pinned = parameters.pins().params().or_fail(Class::Metadata, data.path())?;
    let trusted = match pinned {
        Some(params) => {
            let area = parameters.hash_area(&params)?;
            TrustedParams::pinned(params, root_hash, area)
        }
        None => {
            let params = parameters
                .params(data.size())
                .map_err(|error| error.adding(&data.packed_hint()).at(data.path()))?;
            let area = parameters.hash_area(&params)?;
            TrustedParams::from_unauthenticated_assumptions(params, root_hash, area)
        }
    };
    trusted.map_err(untrusted)
}

/// The parameters of the command line, where there is neither a superblock nor data to measure.
pub(crate) fn stated_parameters(
    parameters: &Parameters,
    root_hash: RootHash,
) -> Result<TrustedParams, CommandError> {
    if parameters.data_blocks.is_none() {
        return Err(CommandError::usage(
            "--data-blocks is needed with --no-superblock: \
             nothing else says how much data there is",
        ));
    }
    let params = parameters.params(u64::MAX)?;
    let area = parameters.hash_area(&params)?;
    let is_pinned = parameters.pins().params().is_ok_and(|pinned| pinned.is_some());
    let trusted = match is_pinned {
        true => TrustedParams::pinned(params, root_hash, area),
        false => TrustedParams::from_unauthenticated_assumptions(params, root_hash, area),
    };
    trusted.map_err(untrusted)
}

/// What to say where no superblock is.
const NO_SUPERBLOCK: &str =
    "; --hash-offset says where it lies, --no-superblock that the hash area has none";

/// The parameters of the superblock, compared to those of the command line.
pub(crate) fn trusted_superblock(
    parameters: &Parameters,
    root_hash: RootHash,
    hash: &Device,
    context: &Context,
) -> Result<TrustedParams, CommandError> {
    let offset = parameters.hash_area_offset();
    let superblock = read_superblock(hash, offset, NO_SUPERBLOCK, context)?;
    let pins = parameters.pins();
    pins.check(superblock.params()).or_fail(Class::Metadata, hash.path())?;
    check_uuid(parameters.uuid, &superblock, hash.path())?;
    let trusted = match pins.params().or_fail(Class::Metadata, hash.path())? {
        Some(params) => {
            let area = parameters.hash_area(&params)?;
            TrustedParams::pinned(params, root_hash, area)
        }
        None => TrustedParams::from_unauthenticated_superblock(&superblock, offset, root_hash),
    };
    trusted.map_err(|error| untrusted(error).at(hash.path()))
}

/// A root hash of the wrong length is the caller's mistake, everything else the metadata's.
fn untrusted(error: TrustError) -> CommandError {
    let class = match error {
        TrustError::RootHashSize { .. } => Class::Usage,
        _ => Class::Metadata,
    };
    CommandError::new(class, error)
}

/// Refuses a superblock with another UUID than the pinned one.
pub(crate) fn check_uuid(
    pinned: Option<Uuid>,
    superblock: &Superblock,
    path: &Path,
) -> Result<(), CommandError> {
    match pinned {
        Some(pinned) if pinned != superblock.uuid() => Err(CommandError::message(
            Class::Metadata,
            format!("uuid is pinned to {pinned}, but {} is stated", superblock.uuid()),
        )
        .at(path)),
        _ => Ok(()),
    }
}

/// Refuses a superblock that is not what the manifest states.
pub(super) fn check_superblock(
    verified: &VerifiedManifest,
    hash: &Device,
) -> Result<(), CommandError> {
    let Some(region) = verified.manifest().superblock_region() else { return Ok(()) };
    if region.end > hash.size() {
        let words =
            format!("the hash device has {} bytes, but {} are needed", hash.size(), region.end);
        return Err(CommandError::message(Class::Metadata, words).at(hash.path()));
    }
    // At most one hash block.
    let mut bytes = vec![0; to_len(region.end - region.start)];
    hash.read_exact_at(&mut bytes, region.start).or_fail(Class::Io, hash.path())?;
    verified.check_superblock(&bytes).or_fail(Class::NotVerified, hash.path())
}
