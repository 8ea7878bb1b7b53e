//! Making a hash area where it goes, with parity and the root hash file, so that they appear
//! together.

use verity::RootHash;
use verity::publish::{Output, OutputSet};

use super::job::Job;
use super::parity::Parity;
use super::target::{Target, relate};
use crate::error::CommandError;
use crate::outputs::write_bytes;
use crate::storage::Relation;

/// Writes the hash area, parity, and the root hash file, which appear together. Without the hash
/// area parity is worth nothing, so that comes first.
pub(crate) fn write(
    target: Target,
    job: &Job<'_>,
    parity: Option<Parity>,
    root_hash_file: Option<Output>,
) -> Result<RootHash, CommandError> {
    let put = |parity: Option<Parity>| match parity {
        Some(parity) => parity.finish(OutputSet::new()),
        None => Ok(OutputSet::new()),
    };
    match target {
        Target::File(output) => {
            let root_hash = job.build_output(&output, parity.as_ref())?;
            let set = put(parity)?.output(output);
            write_root_hash(root_hash_file, set, root_hash)?.commit()?;
            Ok(root_hash)
        }
        Target::InPlace(device) => {
            let data = job.data;
            let own = relate(data, device.file(), device.path())? != Relation::Distinct;
            let (rewriting, root_hash) = if own && !data.is_block_device() {
                job.build_in_own_data(device, parity.as_ref())?
            } else {
                job.build_in_place(device, parity.as_ref())?
            };
            let set = write_root_hash(root_hash_file, OutputSet::new(), root_hash)?;
            put(parity)?.commit()?;
            rewriting.finish(job.tree.superblock().as_ref())?;
            // The old root hash is worth nothing any more, so the new one must not get lost.
            set.commit().map_err(|error| {
                CommandError::from(error).noting(format!("the new root hash is {root_hash}"))
            })?;
            Ok(root_hash)
        }
    }
}

/// Adds the root hash file to a set.
fn write_root_hash(
    output: Option<Output>,
    set: OutputSet,
    root_hash: RootHash,
) -> Result<OutputSet, CommandError> {
    let Some(output) = output else { return Ok(set) };
    write_bytes(&output, root_hash.to_string().as_bytes())?;
    Ok(set.output(output))
}
