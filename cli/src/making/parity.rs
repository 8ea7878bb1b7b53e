//! Parity that is to be made: on which device, what it covers there, and what it must not touch.

use std::fs::{self, File};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use verity::io::{ReadAt, WriteAt};
use verity::publish::{InPlace, Input, Output, OutputSet};
use verity::{Devices, FecArea, Sharing};

use super::target::{HashTarget, nameless_beside, relate};
use super::tree::PlannedTree;
use crate::disks::{self, PartitionName};
use crate::error::{Class, CommandError, OrFail};
use crate::library_error::refused_place;
use crate::outputs::{self, OWNER_ONLY, copy};
use crate::parameters::{ParitySource, check_end};
use crate::quoted::Quoted;
use crate::signals::Signals;
use crate::storage::Relation;

/// Parity that is to be made, and where it goes.
pub(crate) struct ParityPlan {
    pub(crate) area: FecArea,
    path: PathBuf,
    location: Location,
}

/// Where parity goes.
enum Location {
    /// With the hash area, on whatever that lies.
    WithHash,
    /// A file of its own, replaced as a whole.
    File(Output),
    /// A block device.
    InPlace(InPlace),
    /// The file that also holds the data. As our own writes would hide whether somebody else
    /// changed the data meanwhile, parity waits in a nameless file.
    OwnData { device: InPlace, nameless: File },
}

/// What parity can be written to.
pub(super) trait ParitySink: ReadAt + WriteAt {}

impl<T: ReadAt + WriteAt> ParitySink for T {}

impl ParityPlan {
    /// Opens the device that the parity is to go to, if one is named, and refuses what cannot be
    /// there; nothing is written yet.
    pub(crate) fn open(
        source: &ParitySource,
        data: &Input,
        hash: &HashTarget,
        tree: &PlannedTree,
    ) -> Result<Option<ParityPlan>, CommandError> {
        let Some(path) = &source.device else { return Ok(None) };
        let with_hash = hash.is_also(path)?;
        let size = hash.size_with(&tree.area)?;
        let area = source.area(&tree.params, &tree.area, hash.path(), size, with_hash)?;
        check_end("parity", area.range().end).map_err(|error| error.at(path))?;
        let devices = hash.devices(data, tree)?;
        let devices = match with_hash {
            true => Devices {
                fec_size: devices.hash_size,
                fec_on_hash: Sharing::Same,
                fec_on_data: devices.hash_on_data,
                ..devices
            },
            false => Devices {
                fec_size: block_device_size(path)?,
                fec_on_data: sharing_with(data, path)?,
                ..devices
            },
        };
        devices.check(&tree.params, &tree.area, Some(&area)).map_err(|error| {
            refused_place(error, [data.path(), hash.path(), path], Some(&tree.params))
        })?;
        let location = if with_hash { Location::WithHash } else { Location::open(path, data)? };
        let parity = ParityPlan { area, path: path.clone(), location };
        parity.warn_of_foreign_blocks(tree);
        Ok(Some(parity))
    }

    /// Right behind the hash area of a new hash file: nothing else is covered.
    pub(crate) fn behind_hash_area(
        tree: &PlannedTree,
        roots: u32,
        hash: &Path,
    ) -> Result<ParityPlan, CommandError> {
        let area = FecArea::behind_hash_area(&tree.params, &tree.area, roots)
            .map_err(|error| CommandError::new(Class::Metadata, error))?;
        check_end("parity", area.range().end)?;
        Ok(ParityPlan { area, path: hash.to_owned(), location: Location::WithHash })
    }

    /// Whether the parity lies on the hash device.
    pub(crate) fn is_with_hash(&self) -> bool {
        matches!(self.location, Location::WithHash)
    }

    /// Whether the parity lies on the data device, given how the hash device relates to that.
    pub(crate) fn is_with_data(&self, data: &Input, hash: Relation) -> Result<bool, CommandError> {
        Ok(match &self.location {
            Location::WithHash => hash == Relation::Same,
            Location::File(_) => false,
            Location::OwnData { .. } => true,
            Location::InPlace(device) => relate(data, device, device.path())? == Relation::Same,
        })
    }

    /// What parity is written to while it is made, unless the hash area is in it too.
    pub(super) fn sink(&self) -> Option<&dyn ParitySink> {
        match &self.location {
            Location::WithHash => None,
            Location::File(output) => Some(output.file()),
            Location::InPlace(device) => Some(device),
            Location::OwnData { nameless, .. } => Some(nameless),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the parity goes into the file that the data is read from, which is locked for it.
    pub(crate) fn locks_data(&self) -> bool {
        matches!(self.location, Location::OwnData { .. })
    }

    /// Puts finished parity in its place, or adds it to what is put in place together; data that
    /// it goes behind is padded to a size first, if one is given. Returns the device that it was
    /// written to.
    pub(super) fn finish(
        self,
        set: OutputSet,
        padded_size: Option<u64>,
        signals: &Signals,
    ) -> Result<(OutputSet, Option<InPlace>), CommandError> {
        let device = match self.location {
            Location::WithHash => return Ok((set, None)),
            Location::File(output) => return Ok((set.output(output), None)),
            Location::InPlace(device) => device,
            Location::OwnData { mut device, nameless } => {
                if let Some(size) = padded_size {
                    device.pad(size)?;
                }
                copy(&nameless, &device, self.area.range(), &self.path, signals)?;
                device
            }
        };
        WriteAt::sync(&device).or_fail(Class::Io, &self.path)?;
        Ok((set, Some(device)))
    }

    /// Warns of bytes behind the tree that are covered too: a hash device is covered to its end,
    /// as veritysetup has it, and to change these bytes later makes the parity wrong.
    fn warn_of_foreign_blocks(&self, tree: &PlannedTree) {
        let foreign = self.area.blocks() - tree.params.data_blocks() - tree.area.hash_blocks();
        if foreign > 0 && !self.is_with_hash() {
            tracing::warn!(
                "{}: the parity also covers {foreign} blocks behind the hash tree: \
                 changing them makes it useless",
                Quoted(&self.path),
            );
        }
    }
}

impl Location {
    /// Opens a FEC device that is not the hash device, and where parity can lie.
    fn open(path: &Path, data: &Input) -> Result<Location, CommandError> {
        if PartitionName::of(path).is_some() {
            return Ok(Location::InPlace(outputs::in_place(path, data)?));
        }
        let Ok(metadata) = fs::metadata(path) else {
            return Ok(Location::File(outputs::create_with_mode(path, OWNER_ONLY)?));
        };
        let is_block_device = metadata.file_type().is_block_device();
        if !is_block_device && !metadata.is_file() {
            return Ok(Location::File(outputs::update(path)?));
        }
        match relate(data, &Input::open(path)?, path)? {
            Relation::Distinct if is_block_device => {
                Ok(Location::InPlace(outputs::in_place(path, data)?))
            }
            Relation::Distinct => Ok(Location::File(outputs::update(path)?)),
            Relation::Same | Relation::Shifted => {
                let device = outputs::in_place(path, data)?;
                if data.is_block_device() {
                    return Ok(Location::InPlace(device));
                }
                Ok(Location::OwnData { device, nameless: nameless_beside(data)? })
            }
        }
    }
}

/// The size of a device that does not grow.
fn block_device_size(path: &Path) -> Result<Option<u64>, CommandError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.file_type().is_block_device() => {
            Ok(Some(Input::open(path)?.size()))
        }
        _ if PartitionName::of(path).is_some() => Ok(Some(disks::open(path)?.size())),
        _ => Ok(None),
    }
}

/// How a FEC device, if it is there, relates to the data.
fn sharing_with(data: &Input, path: &Path) -> Result<Sharing, CommandError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() || metadata.file_type().is_block_device() => {
            Ok(relate(data, &Input::open(path)?, path)?.into())
        }
        _ if PartitionName::of(path).is_some() => {
            Ok(relate(data, &disks::open(path)?, path)?.into())
        }
        _ => Ok(Sharing::Nothing),
    }
}
