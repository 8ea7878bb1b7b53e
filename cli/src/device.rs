//! What an image is read from: a file or a block device.

use std::io;
use std::path::Path;

use verity::io::{Extent, ReadAt};
use verity::publish::Input;

use crate::error::{Class, CommandError, OrFail};
use crate::storage::{self, Relation};

/// An opened data or hash device.
#[derive(Debug)]
pub(crate) struct Device(Input);

impl Device {
    /// Opens it, read-only.
    pub(crate) fn open(path: &Path) -> Result<Device, CommandError> {
        Ok(Device(Input::open(path)?))
    }

    /// How it was named.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Its size when it was opened, in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.0.size()
    }

    /// Whether it may be larger than the image on it.
    pub(crate) fn is_block_device(&self) -> bool {
        self.0.is_block_device()
    }

    /// Fails if it has changed since it was opened.
    pub(crate) fn check(&self) -> Result<(), CommandError> {
        Ok(self.0.check()?)
    }

    /// How its bytes and those of another one relate.
    pub(crate) fn relation(&self, other: &Device) -> Result<Relation, CommandError> {
        storage::relation(self.0.file(), other.0.file()).or_fail(Class::Io, self.path())
    }
}

impl ReadAt for Device {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(self.0.file())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        ReadAt::read_at(self.0.file(), buf, offset)
    }

    fn extent_at(&self, offset: u64) -> Extent {
        self.0.file().extent_at(offset)
    }

    fn expect_sequential(&self) {
        self.0.file().expect_sequential();
    }
}
