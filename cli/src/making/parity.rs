//! Where `format` and `build` put parity: which device, what it covers there, and what it must not
//! touch.

use std::fs::{self, File};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use verity::FecArea;
use verity::io::WriteAt;
use verity::publish::{InPlace, Input, Output, OutputSet};

use super::target::{Target, nameless_beside, relate};
use super::tree::Tree;
use crate::error::{Class, CommandError, OrFail};
use crate::outputs::{MODE, copy};
use crate::quoted::Quoted;
use crate::storage::Relation;

/// The parity that is asked for.
#[derive(Debug)]
pub(crate) struct FecOptions {
    pub(crate) device: PathBuf,
    /// Where the parity begins on it, in bytes.
    pub(crate) offset: u64,
    pub(crate) roots: u32,
}

/// Parity that is to be made, and its place.
pub(crate) struct Parity {
    pub(crate) area: FecArea,
    path: PathBuf,
    place: Place,
}

enum Place {
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

impl Parity {
    /// Opens the FEC device and refuses what cannot be there; nothing is written yet.
    pub(crate) fn open(
        options: &FecOptions,
        data: &Input,
        hash: &Target,
        tree: &Tree,
    ) -> Result<Parity, CommandError> {
        let path = &options.device;
        let with_hash = hash.is_also(path)?;
        let end = if with_hash { options.offset } else { hash.size_with(&tree.area)? };
        let end = end.max(tree.area.end());
        let area = FecArea::covering(&tree.params, &tree.area, options.roots, end, options.offset)
            .or_fail(Class::Metadata, path)?;
        let place = if with_hash {
            area.check_behind_hash_area(&tree.params, &tree.area).or_fail(Class::Metadata, path)?;
            Place::WithHash
        } else {
            Place::open(path, data, tree, &area)?
        };
        let parity = Parity { area, path: path.clone(), place };
        parity.check_room(hash)?;
        parity.say_what_is_covered(tree);
        Ok(parity)
    }

    /// Right behind the hash area of a new hash file: nothing else is covered.
    pub(crate) fn behind_hash_area(
        tree: &Tree,
        roots: u32,
        hash: &Path,
    ) -> Result<Parity, CommandError> {
        let area = FecArea::behind_hash_area(&tree.params, &tree.area, roots)
            .map_err(|error| CommandError::new(Class::Metadata, error))?;
        Ok(Parity { area, path: hash.to_owned(), place: Place::WithHash })
    }

    /// Whether it lies on the hash device.
    pub(crate) fn is_with_hash(&self) -> bool {
        matches!(self.place, Place::WithHash)
    }

    /// Whether it lies on the data device, when the hash area does or does not.
    pub(crate) fn is_with_data(&self, data: &Input, hash: Relation) -> Result<bool, CommandError> {
        Ok(match &self.place {
            Place::WithHash => hash == Relation::Same,
            Place::File(_) => false,
            Place::OwnData { .. } => true,
            Place::InPlace(device) => relate(data, device.file(), device.path())? == Relation::Same,
        })
    }

    /// Where it is written while it is made, unless that is where the hash area is.
    pub(super) fn file(&self) -> Option<&File> {
        match &self.place {
            Place::WithHash => None,
            Place::File(output) => Some(output.file()),
            Place::InPlace(device) => Some(device.file()),
            Place::OwnData { nameless, .. } => Some(nameless),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts finished parity in its place, or adds it to what is put in place together.
    pub(super) fn finish(self, set: OutputSet) -> Result<OutputSet, CommandError> {
        let device = match self.place {
            Place::WithHash => return Ok(set),
            Place::File(output) => return Ok(set.output(output)),
            Place::InPlace(device) => device,
            Place::OwnData { device, nameless } => {
                copy(&nameless, device.file(), self.area.range()).or_fail(Class::Io, &self.path)?;
                device
            }
        };
        WriteAt::sync(device.file()).or_fail(Class::Io, &self.path)?;
        Ok(set)
    }

    /// Refuses a block device that ends before the parity does.
    fn check_room(&self, hash: &Target) -> Result<(), CommandError> {
        let device = match (&self.place, hash) {
            (Place::InPlace(device), _) | (Place::WithHash, Target::InPlace(device)) => device,
            _ => return Ok(()),
        };
        let (needed, size) = (self.area.range().end, device.size());
        if device.is_block_device() && needed > size {
            let words = format!("the parity needs {needed} bytes, the device has {size}");
            return Err(CommandError::message(Class::Metadata, words).at(&self.path));
        }
        Ok(())
    }

    /// A hash device is covered to its end, as veritysetup has it: whoever changes it behind the
    /// tree later makes the parity wrong.
    fn say_what_is_covered(&self, tree: &Tree) {
        let foreign = self.area.blocks() - tree.params.data_blocks() - tree.area.hash_blocks();
        if foreign > 0 && !self.is_with_hash() {
            tracing::warn!(
                "{}: the parity also covers {foreign} blocks behind the hash tree: changing them makes it useless",
                Quoted(&self.path),
            );
        }
    }
}

impl Place {
    fn open(path: &Path, data: &Input, tree: &Tree, area: &FecArea) -> Result<Place, CommandError> {
        let Ok(metadata) = fs::metadata(path) else {
            return Ok(Place::File(Output::create_with_mode(path, MODE)?));
        };
        let is_block_device = metadata.file_type().is_block_device();
        if !is_block_device && !metadata.is_file() {
            return Ok(Place::File(Output::update(path)?));
        }
        match relate(data, Input::open(path)?.file(), path)? {
            Relation::Distinct if is_block_device => Ok(Place::InPlace(InPlace::open(path)?)),
            Relation::Distinct => Ok(Place::File(Output::update(path)?)),
            Relation::Same => {
                area.check_behind_data(&tree.params).or_fail(Class::Metadata, path)?;
                let device = InPlace::open(path)?;
                if data.is_block_device() {
                    return Ok(Place::InPlace(device));
                }
                Ok(Place::OwnData { device, nameless: nameless_beside(data)? })
            }
            Relation::Shifted => {
                let words = "lies on the same storage as the data, at another offset";
                Err(CommandError::message(Class::Metadata, words).at(path))
            }
        }
    }
}
