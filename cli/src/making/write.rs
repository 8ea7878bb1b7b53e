//! Making a hash area where it goes, with parity and the root hash file, so that they appear
//! together.

use verity::RootHash;
use verity::publish::{InPlace, Output, OutputSet, Rewriting};

use super::guests::Guests;
use super::maker::TreeMaker;
use super::parity::ParityPlan;
use super::root_hash::with_root_hash;
use super::target::{HashTarget, relate};
use crate::error::{Class, CommandError, OrFail};
use crate::storage::{self, Relation};

/// What is written beside hash area and parity.
pub(crate) struct Rest {
    pub(crate) root_hash_file: Option<Output>,
    /// What the maker makes beside the tree.
    pub(crate) guests: Guests,
    /// The data, locked, if it is to be padded and neither hash area nor parity goes there.
    pub(crate) padded_data: Option<InPlace>,
}

/// Writes the hash area, parity, the root hash file, and the zeros that the data is to get.
pub(crate) fn write(
    target: HashTarget,
    maker: &TreeMaker<'_>,
    parity: Option<ParityPlan>,
    rest: Rest,
) -> Result<RootHash, CommandError> {
    match target {
        HashTarget::File(output) => write_file(output, maker, parity, rest),
        HashTarget::InPlace(device) => write_in_place(device, maker, parity, rest),
    }
}

/// Everything that is a file appears at once.
fn write_file(
    output: Output,
    maker: &TreeMaker<'_>,
    parity: Option<ParityPlan>,
    rest: Rest,
) -> Result<RootHash, CommandError> {
    let copying = TreeMaker { guests: Some(&rest.guests), ..*maker };
    let root_hash = copying.build_output(&output, parity.as_ref())?.root_hash();
    let data = padded(rest.padded_data, maker)?;
    let (set, parity_device) = parity_set(parity, maker)?;
    let set = rest.guests.finish(set)?;
    let set = with_root_hash(set.output(output), rest.root_hash_file, root_hash)?;
    [data, parity_device].into_iter().flatten().fold(set, OutputSet::keeping).commit()?;
    Ok(root_hash)
}

/// The superblock is the last thing that is written to the device. Parity is worth nothing without
/// the hash area, so it comes before.
fn write_in_place(
    device: InPlace,
    maker: &TreeMaker<'_>,
    parity: Option<ParityPlan>,
    rest: Rest,
) -> Result<RootHash, CommandError> {
    let data = maker.data;
    // Partitions of one disk image are one file as well.
    let is_own = relate(data, &device, device.path())? != Relation::Distinct
        || storage::are_one_file(data, &device).or_fail(Class::Io, device.path())?;
    let copying = TreeMaker { guests: Some(&rest.guests), ..*maker };
    let (rewriting, root_hash) = if is_own && !data.is_block_device() {
        copying.build_in_own_data(device, parity.as_ref())?
    } else {
        copying.build_in_place(device, parity.as_ref())?
    };
    let set = with_root_hash(OutputSet::new(), rest.root_hash_file, root_hash)?;
    let data = padded(rest.padded_data, maker)?;
    let (parity_files, parity_device) = parity_set(parity, maker)?;
    rest.guests.finish(parity_files)?.commit()?;
    let padded = [data, parity_device].into_iter().flatten();
    padded.fold(rewriting, Rewriting::keeping).finish(maker.tree.superblock().as_ref())?;
    // The old root hash is worth nothing any more, so the new one must not get lost.
    set.commit().map_err(|error| {
        CommandError::from(error).noting(format!("the new root hash is {root_hash}"))
    })?;
    Ok(root_hash)
}

/// Finished parity in a set: an empty one, if it lies where the hash area or the data does.
/// A device that it was written to comes with it.
fn parity_set(
    parity: Option<ParityPlan>,
    maker: &TreeMaker<'_>,
) -> Result<(OutputSet, Option<InPlace>), CommandError> {
    match parity {
        Some(parity) => {
            parity.finish(OutputSet::new(), maker.padded_size(), &maker.context.signals)
        }
        None => Ok((OutputSet::new(), None)),
    }
}

/// The data with its zeros.
fn padded(data: Option<InPlace>, maker: &TreeMaker<'_>) -> Result<Option<InPlace>, CommandError> {
    let Some(mut data) = data else { return Ok(None) };
    maker.pad(&mut data)?;
    Ok(Some(data))
}
