//! Making a hash area where it goes, with parity and the root hash file, so that they appear
//! together.

use verity::RootHash;
use verity::publish::{InPlace, Output, OutputSet};

use super::maker::TreeMaker;
use super::parity::ParityPlan;
use super::target::{HashTarget, relate};
use crate::error::CommandError;
use crate::outputs::write_bytes;
use crate::storage::Relation;

/// Writes the hash area, parity, and the root hash file.
pub(crate) fn write(
    target: HashTarget,
    maker: &TreeMaker<'_>,
    parity: Option<ParityPlan>,
    root_hash_file: Option<Output>,
) -> Result<RootHash, CommandError> {
    match target {
        HashTarget::File(output) => write_file(output, maker, parity, root_hash_file),
        HashTarget::InPlace(device) => write_in_place(device, maker, parity, root_hash_file),
    }
}

/// Everything that is a file appears at once.
fn write_file(
    output: Output,
    maker: &TreeMaker<'_>,
    parity: Option<ParityPlan>,
    root_hash_file: Option<Output>,
) -> Result<RootHash, CommandError> {
    let root_hash = maker.build_output(&output, parity.as_ref())?;
    let set = parity_set(parity)?.output(output);
    with_root_hash(set, root_hash_file, root_hash)?.commit()?;
    Ok(root_hash)
}

/// The superblock is the last thing that is written to the device. Parity is worth nothing without
/// the hash area, so it comes before.
fn write_in_place(
    device: InPlace,
    maker: &TreeMaker<'_>,
    parity: Option<ParityPlan>,
    root_hash_file: Option<Output>,
) -> Result<RootHash, CommandError> {
    let data = maker.data;
    let own = relate(data, device.file(), device.path())? != Relation::Distinct;
    let (rewriting, root_hash) = if own && !data.is_block_device() {
        maker.build_in_own_data(device, parity.as_ref())?
    } else {
        maker.build_in_place(device, parity.as_ref())?
    };
    let set = with_root_hash(OutputSet::new(), root_hash_file, root_hash)?;
    parity_set(parity)?.commit()?;
    rewriting.finish(maker.tree.superblock().as_ref())?;
    // The old root hash is worth nothing any more, so the new one must not get lost.
    set.commit().map_err(|error| {
        CommandError::from(error).noting(format!("the new root hash is {root_hash}"))
    })?;
    Ok(root_hash)
}

/// Finished parity in a set: an empty one, if it lies where the hash area or the data does.
fn parity_set(parity: Option<ParityPlan>) -> Result<OutputSet, CommandError> {
    match parity {
        Some(parity) => parity.finish(OutputSet::new()),
        None => Ok(OutputSet::new()),
    }
}

/// Adds the root hash file to a set.
fn with_root_hash(
    set: OutputSet,
    output: Option<Output>,
    root_hash: RootHash,
) -> Result<OutputSet, CommandError> {
    let Some(output) = output else { return Ok(set) };
    write_bytes(&output, root_hash.to_string().as_bytes())?;
    Ok(set.output(output))
}
