//! Where a hash area goes: into a file of its own, or onto a device.

use std::fs::{self, File};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use verity::io::ReadAt;
use verity::publish::{InPlace, Input, Output};
use verity::{Devices, HashArea};

use super::tree::PlannedTree;
use crate::disks::{self, PartitionName};
use crate::error::{Class, CommandError, OrFail};
use crate::library_error::refused_place;
use crate::outputs::{self, OWNER_ONLY};
use crate::roles::same_place;
use crate::storage::{self, Relation, Stored};

/// Where the hash area goes.
pub(crate) enum HashTarget {
    /// A file of its own, replaced as a whole.
    File(Output),
    /// A block device, or the file that holds the data too.
    InPlace(InPlace),
}

impl HashTarget {
    /// Opens the hash device and refuses what cannot be there; nothing is written yet.
    pub(crate) fn open(
        path: &Path,
        data: &Input,
        tree: &PlannedTree,
    ) -> Result<HashTarget, CommandError> {
        let target = match fs::metadata(path) {
            Err(_) if PartitionName::of(path).is_some() => Self::in_place(path, data)?,
            Ok(metadata) if metadata.file_type().is_block_device() => Self::in_place(path, data)?,
            Ok(metadata) if metadata.is_file() => Self::existing(path, data)?,
            Ok(_) => HashTarget::File(outputs::update(path)?),
            Err(_) => HashTarget::File(outputs::create_with_mode(path, OWNER_ONLY)?),
        };
        target.check_place(data, tree)?;
        Ok(target)
    }

    fn in_place(path: &Path, data: &Input) -> Result<HashTarget, CommandError> {
        Ok(HashTarget::InPlace(outputs::in_place(path, data)?))
    }

    fn existing(path: &Path, data: &Input) -> Result<HashTarget, CommandError> {
        let hash = Input::open(path)?;
        match relate(data, &hash, path)? {
            Relation::Distinct => Ok(HashTarget::File(outputs::update(path)?)),
            _ => Self::in_place(path, data),
        }
    }

    /// How the bytes of the data and of the hash device relate.
    pub(crate) fn relation(&self, data: &Input) -> Result<Relation, CommandError> {
        match self {
            HashTarget::File(_) => Ok(Relation::Distinct),
            HashTarget::InPlace(device) => relate(data, device, device.path()),
        }
    }

    /// What is known of the devices before there is parity. A file grows as it is written.
    pub(super) fn devices(
        &self,
        data: &Input,
        tree: &PlannedTree,
    ) -> Result<Devices, CommandError> {
        let block_device = match self {
            HashTarget::InPlace(device) if device.is_fixed() => Some(device),
            _ => None,
        };
        Ok(Devices {
            data_size: Some(tree.padded_size(data)),
            hash_size: block_device.map(InPlace::size),
            hash_on_data: self.relation(data)?.into(),
            ..Devices::default()
        })
    }

    /// Refuses a hash area in the data, or one that a device has no room for.
    fn check_place(&self, data: &Input, tree: &PlannedTree) -> Result<(), CommandError> {
        let devices = self.devices(data, tree)?;
        devices.check(&tree.params, &tree.area, None).map_err(|error| {
            refused_place(error, [data.path(), self.path(), self.path()], Some(&tree.params))
        })
    }

    /// Whether the hash device holds the parity too.
    pub(super) fn is_also(&self, parity: &Path) -> Result<bool, CommandError> {
        if same_place(self.path(), parity) {
            return Ok(true);
        }
        if PartitionName::of(parity).is_none() {
            let Ok(metadata) = fs::metadata(parity) else { return Ok(false) };
            if !metadata.is_file() && !metadata.file_type().is_block_device() {
                return Ok(false);
            }
        }
        let relation = match self {
            HashTarget::InPlace(device) => relate(&disks::open(parity)?, device, parity)?,
            HashTarget::File(output) if output.replaces() => {
                relate(&disks::open(parity)?, &Input::open(output.path())?, parity)?
            }
            HashTarget::File(_) => Relation::Distinct,
        };
        let words = match (self, relation) {
            (_, Relation::Distinct) => return Ok(false),
            (HashTarget::InPlace(_), Relation::Same) => return Ok(true),
            (HashTarget::File(_), Relation::Same) => "is the hash device under another name",
            (_, Relation::Shifted) => {
                "lies on the same storage as the hash device, at another offset"
            }
        };
        Err(CommandError::message(Class::Metadata, words).at(parity))
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            HashTarget::File(output) => output.path(),
            HashTarget::InPlace(device) => device.path(),
        }
    }

    /// How large the hash device will be.
    pub(super) fn size_with(&self, area: &HashArea) -> Result<u64, CommandError> {
        match self {
            HashTarget::File(output) => {
                let size = ReadAt::len(output.file()).or_fail(Class::Io, output.path())?;
                Ok(size.max(area.file_size()))
            }
            HashTarget::InPlace(device) => Ok(device.size().max(area.file_size())),
        }
    }
}

/// A file without a name near the data, for what must wait.
pub(super) fn nameless_beside(data: &Input) -> Result<File, CommandError> {
    let directory = data.path().parent().filter(|parent| !parent.as_os_str().is_empty());
    tempfile::tempfile_in(directory.unwrap_or(Path::new(".")))
        .or_else(|_| tempfile::tempfile())
        .or_fail(Class::Io, data.path())
}

/// How the bytes of the data and of another file relate.
pub(super) fn relate(
    data: &Input,
    hash: &impl Stored,
    path: &Path,
) -> Result<Relation, CommandError> {
    storage::relation(data, hash).or_fail(Class::Io, path)
}
