//! What lies below a device: block devices as they are, regular files by loop devices.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::error::{BackingError, Error, LoopError, Role};
use crate::loops::{LoopDevice, sector_size};
use crate::place::Place;
use crate::record::DeviceNumber;
use crate::run::Run;

/// A file or device that was named by the caller.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) role: Role,
    pub(super) place: Place,
    /// The size of the blocks that are read from it, in bytes.
    pub(super) block_size: u32,
    /// Up to where it is read at least, in bytes.
    pub(super) needed: u64,
    /// Whether nobody else may hold it.
    pub(super) is_exclusive: bool,
}

/// Which file or device a path leads to, by whatever name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    /// A block device.
    Device(DeviceNumber),
    /// A regular file: its file system's device, and its inode.
    File(DeviceNumber, u64),
}

/// The block devices below, as long as the value lives: the mapping holds them from then on.
#[derive(Debug)]
pub(super) struct Below {
    loops: Vec<(Identity, Range<u64>, LoopDevice)>,
    numbers: Vec<(Role, DeviceNumber)>,
    /// What was opened. A device that is open keeps its number.
    held: Vec<File>,
}

impl Wanted {
    /// Which file or device the path leads to.
    pub(super) fn identity(&self) -> Result<Identity, Error> {
        let file = fs::metadata(&self.place.path).map_err(|error| self.unreadable(error))?;
        Identity::of(&file).ok_or_else(|| self.failed(BackingError::NotCompatible))
    }

    pub(super) fn unreadable(&self, error: io::Error) -> Error {
        self.failed(BackingError::Unreadable(error))
    }

    fn failed(&self, cause: BackingError) -> Error {
        Error::Backing { role: self.role, path: self.place.path.clone(), cause }
    }

    fn open(&self) -> Result<OpenFile, Error> {
        // What is neither is not even opened: that may have effects, or block.
        self.identity()?;
        let mut file =
            open(&self.place.path, OFlags::empty()).map_err(|error| self.unreadable(error))?;
        let metadata = file.metadata().map_err(|error| self.unreadable(error))?;
        let identity = Identity::of(&metadata);
        let identity = identity.ok_or_else(|| self.failed(BackingError::NotCompatible))?;
        let size = file.seek(SeekFrom::End(0)).map_err(|error| self.unreadable(error))?;
        let shown = match identity {
            Identity::Device(_) if self.place.part.is_some() => None,
            _ => self.place.within(size),
        };
        let shown = shown.ok_or_else(|| self.failed(BackingError::NoSuchPart { size }))?;
        let size = shown.end - shown.start;
        if size < self.needed {
            return Err(self.failed(BackingError::TooSmall { needed: self.needed, size }));
        }
        Ok(OpenFile { identity, file, shown })
    }

    /// Claims the device for a moment, which fails if a mapping or a mount has it, or if the path
    /// leads to another one by now.
    fn probe(&self, number: DeviceNumber) -> Result<(), Error> {
        match open(&self.place.path, OFlags::EXCL) {
            Ok(probed) => {
                let probed = probed.metadata().map_err(|error| self.unreadable(error))?;
                match Identity::of(&probed) == Some(Identity::Device(number)) {
                    true => Ok(()),
                    false => Err(self.unreadable(io::Error::other("it was replaced meanwhile"))),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                Err(self.failed(BackingError::InUse))
            }
            Err(error) => Err(self.unreadable(error)),
        }
    }
}

impl Identity {
    fn of(file: &fs::Metadata) -> Option<Identity> {
        if file.file_type().is_block_device() {
            return Some(Identity::Device(DeviceNumber::from_dev(file.rdev())));
        }
        let file_system = DeviceNumber::from_dev(file.dev());
        file.is_file().then_some(Identity::File(file_system, file.ino()))
    }
}

struct OpenFile {
    identity: Identity,
    file: File,
    /// The bytes of it that count.
    shown: Range<u64>,
}

impl OpenFile {
    /// Whether one device serves both.
    fn is_same(&self, other: &OpenFile) -> bool {
        (self.identity, &self.shown) == (other.identity, &other.shown)
    }
}

impl Below {
    /// Opens all of them, and attaches the files among them: each file once.
    pub(super) fn open(wanted: &[Wanted], run: Run<'_>) -> Result<Below, Error> {
        // Everything is looked at before any loop device is made.
        let mut opened = Vec::new();
        for wanted in wanted {
            opened.push((wanted, wanted.open()?));
        }
        let mut below = Below { loops: Vec::new(), numbers: Vec::new(), held: Vec::new() };
        for (wanted, file) in &opened {
            let number = match file.identity {
                Identity::Device(number) => {
                    if wanted.is_exclusive {
                        wanted.probe(number)?;
                    }
                    number
                }
                Identity::File(..) => {
                    let users = opened.iter().filter(|(_, other)| other.is_same(file));
                    let sizes = users.map(|(wanted, _)| wanted.block_size);
                    below.attach(wanted, file, sector_size(file.shown.clone(), sizes), run)?
                }
            };
            below.numbers.push((wanted.role, number));
        }
        below.held.extend(opened.into_iter().map(|(_, opened)| opened.file));
        Ok(below)
    }

    fn attach(
        &mut self,
        wanted: &Wanted,
        file: &OpenFile,
        sector_size: u32,
        run: Run<'_>,
    ) -> Result<DeviceNumber, Error> {
        let is_same = |of: &&(Identity, Range<u64>, LoopDevice)| {
            (of.0, &of.1) == (file.identity, &file.shown)
        };
        if let Some((_, _, device)) = self.loops.iter().find(is_same) {
            return Ok(device.number);
        }
        let device = LoopDevice::attach(&file.file, &wanted.place, sector_size, run);
        let device = device.map_err(|error| match error {
            LoopError::Cancelled => Error::Cancelled,
            error => wanted.failed(BackingError::Loop(error)),
        })?;
        let number = device.number;
        self.loops.push((file.identity, file.shown.clone(), device));
        Ok(number)
    }

    /// The number of the device with this role.
    pub(super) fn number(&self, role: Role) -> Option<DeviceNumber> {
        self.numbers.iter().find(|(of, _)| *of == role).map(|(_, number)| *number)
    }

    /// The loop devices, each once.
    pub(super) fn loop_paths(&self) -> Vec<PathBuf> {
        self.loops.iter().map(|(_, _, device)| device.path.clone()).collect()
    }
}

fn open(path: &Path, flags: OFlags) -> io::Result<File> {
    let flags = flags | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leads_elsewhere_by_now_is_not_taken() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let place = file.path().to_owned().into();
        let (role, number) = (Role::Data, DeviceNumber { major: 7, minor: 0 });
        let wanted = Wanted { role, place, block_size: 4096, needed: 0, is_exclusive: true };
        let error = wanted.probe(number).unwrap_err();
        assert!(error.to_string().ends_with("it was replaced meanwhile"), "{error}");
        assert_eq!(error.reason(), crate::error::Reason::BackingUnreadable);
    }
}
