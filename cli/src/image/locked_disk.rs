//! A disk whose table is to be changed, with the lock that udev and other tools respect.

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use verity::disk::Update;
use verity::publish::{InPlace, Input};

use crate::error::{Class, CommandError, OrFail};
use crate::quoted::Quoted;

/// How often a lock is asked for, and how long is waited in between.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// A disk that is locked.
pub(crate) enum LockedDisk {
    /// An image of one.
    File(Arc<InPlace>),
    /// A disk of which partitions may be in use: the table is no part of them.
    Device(File),
}

impl LockedDisk {
    /// Opens and locks a disk.
    pub(crate) fn open(path: &Path) -> Result<LockedDisk, CommandError> {
        let is_file = fs::metadata(path).or_fail(Class::Io, path)?.is_file();
        if is_file {
            return Ok(LockedDisk::File(Arc::new(InPlace::open(path)?)));
        }
        let file = File::options().read(true).write(true).open(path).or_fail(Class::Io, path)?;
        for attempt in 1.. {
            match file.try_lock() {
                Ok(()) => break,
                // udev takes it for a moment, whenever a partition was closed.
                Err(TryLockError::WouldBlock) if attempt < ATTEMPTS => thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    let words = "another program holds its lock";
                    return Err(CommandError::message(Class::Busy, words).at(path));
                }
                Err(TryLockError::Error(error)) => return Err(error).or_fail(Class::Io, path),
            }
        }
        Ok(LockedDisk::Device(file))
    }

    /// The disk, for reading what lies in its partitions.
    pub(crate) fn input(&self, path: &Path) -> Result<Input, CommandError> {
        let file = self.file().try_clone().or_fail(Class::Io, path)?;
        Ok(Input::of_file(file, path)?)
    }

    /// The disk, for reading and writing its table.
    pub(crate) fn file(&self) -> &File {
        match self {
            LockedDisk::File(disk) => disk.file(),
            LockedDisk::Device(file) => file,
        }
    }

    /// Writes what changes the table, and says beforehand what a power cut can do to it.
    pub(crate) fn write_table(&self, update: &Update, path: &Path) -> Result<(), CommandError> {
        if !update.is_atomic() {
            tracing::warn!(
                "{}: the primary table changes in more than one write: after a power cut in \
                 between, a system that never reads the backup finds no partitions",
                Quoted(path)
            );
        }
        update.apply(self.file()).or_fail(Class::Io, path)
    }
}
