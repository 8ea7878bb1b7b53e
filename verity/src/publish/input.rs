//! Inputs: opened once, read-only, and checked to be unchanged at the end.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::{Change, FileKind, PublishError};
use crate::io::{Extent, Mapping, ReadAt, Window};

/// A regular file or block device that is read, and must stay as it is meanwhile.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("root.img");
/// std::fs::write(&path, [7; 4096])?;
/// let input = verity::publish::Input::open(&path)?;
/// // ... read from input.file() ...
/// input.check()?;
///
/// std::fs::write(&path, [8; 8192])?;
/// assert!(input.check().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A change is seen by size, modification time and change time, so a write within the file system's
/// clock tick of opening (milliseconds) can go unseen, and so can any write to a block device. A
/// store through a shared mapping changes the times when it makes a page dirty: one into a page
/// that is dirty already goes unseen until that page was written back, which on tmpfs never
/// happens.
#[derive(Debug)]
pub struct Input {
    file: File,
    path: PathBuf,
    snapshot: Snapshot,
    /// The bytes that count, if not all do.
    part: Option<Range<u64>>,
}

impl Input {
    /// Opens a regular file or block device, following symbolic links.
    ///
    /// # Errors
    /// [`PublishError::NotRegular`] for anything else, at once also for a pipe that nobody writes
    /// to; [`PublishError::Io`] when it cannot be opened.
    pub fn open(path: impl AsRef<Path>) -> Result<Input, PublishError> {
        let path = path.as_ref();
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(nonblocking())
            .open(path)
            .map_err(PublishError::io("open", path))?;
        Input::of_file(file, path)
    }

    /// A file that is open already, by whatever name it was opened.
    ///
    /// # Errors
    /// [`PublishError::NotRegular`] for anything but a regular file or block device;
    /// [`PublishError::Io`] when it cannot be examined.
    pub fn of_file(file: File, path: &Path) -> Result<Input, PublishError> {
        let snapshot = Snapshot::of(&file, path)?;
        Ok(Input { file, path: path.to_owned(), snapshot, part: None })
    }

    /// The same opened file once more: whatever its path leads to by now.
    ///
    /// # Errors
    /// [`PublishError::Io`] when there are too many open files.
    pub fn share(&self) -> Result<Input, PublishError> {
        let file = self.file.try_clone().map_err(PublishError::io("open", &self.path))?;
        let (path, snapshot, part) = (self.path.clone(), self.snapshot.clone(), self.part.clone());
        Ok(Input { file, path, snapshot, part })
    }

    /// These bytes of it as an input of its own: a partition of a disk. `name` is what it is
    /// called.
    ///
    /// # Errors
    /// [`PublishError::Io`] when the file ends before.
    pub fn part(self, range: Range<u64>, name: PathBuf) -> Result<Input, PublishError> {
        if range.start > range.end || range.end > self.snapshot.size {
            return Err(PublishError::errno("use that part of", &self.path, Errno::RANGE));
        }
        Ok(Input { part: Some(range), path: name, ..self })
    }

    /// The bytes of the file that count: all of them, or those of a part.
    pub fn range(&self) -> Range<u64> {
        self.part.clone().unwrap_or(0..self.snapshot.size)
    }

    /// The whole file, for reading: of a part, read the input itself.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The path it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The size when it was opened, in bytes.
    pub fn size(&self) -> u64 {
        let range = self.range();
        range.end - range.start
    }

    /// Whether it is a block device.
    pub fn is_block_device(&self) -> bool {
        self.snapshot.device.is_some()
    }

    /// Whether it is a part of a file or of a block device: then [`Input::file`] has more bytes, at
    /// other places.
    pub fn is_part(&self) -> bool {
        self.part.is_some()
    }

    /// Whether it has the size that it has: a block device, or a part of something.
    pub fn is_fixed(&self) -> bool {
        self.is_block_device() || self.part.is_some()
    }

    /// Compares the opened file with what it was. Of a block device only the size is compared.
    ///
    /// # Errors
    /// [`PublishError::Changed`] when it was written, truncated or extended; [`PublishError::Io`]
    /// when the file cannot be examined.
    pub fn check(&self) -> Result<(), PublishError> {
        let now = Snapshot::of(&self.file, &self.path)?;
        self.snapshot.compare(&now, &self.path)
    }

    /// Does [`Input::check`] and compares what the path leads to with the opened file.
    ///
    /// # Errors
    /// As [`Input::check`]; [`PublishError::Changed`] also when another file, or none, has the name
    /// now.
    pub fn check_path(&self) -> Result<(), PublishError> {
        self.check()?;
        if self.part.is_some() {
            return Ok(());
        }
        let same = std::fs::metadata(&self.path)
            .is_ok_and(|now| self.snapshot.identity() == Snapshot::identity_of(&now));
        if same { Ok(()) } else { Err(changed(&self.path, Change::Replaced)) }
    }

    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    fn window(&self) -> Option<Window<&File>> {
        Window::new(&self.file, self.part.clone()?).ok()
    }
}

/// The bytes that count.
impl ReadAt for Input {
    fn len(&self) -> io::Result<u64> {
        self.window().map_or_else(|| ReadAt::len(&self.file), |window| window.len())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        match self.window() {
            Some(window) => window.read_at(buf, offset),
            None => ReadAt::read_at(&self.file, buf, offset),
        }
    }

    fn extent_at(&self, offset: u64) -> Extent {
        match self.window() {
            Some(window) => window.extent_at(offset),
            None => self.file.extent_at(offset),
        }
    }

    fn expect_sequential(&self) {
        self.file.expect_sequential();
    }

    fn mapping(&self) -> Option<Mapping> {
        // Offsets of a part are not those of the file.
        self.part.is_none().then(|| self.file.mapping()).flatten()
    }
}

/// What a file is and when it was last changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Snapshot {
    inode: (u64, u64),
    /// The device's number, for a block device: two nodes can lead to one device.
    device: Option<u64>,
    size: u64,
    /// Modification and change time; not kept for a block device, whose node they tell about.
    times: [(i64, i64); 2],
}

/// What makes two paths lead to one file or device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    Device(u64),
    Inode(u64, u64),
}

impl Snapshot {
    pub(super) fn of(file: &File, path: &Path) -> Result<Snapshot, PublishError> {
        let metadata = file.metadata().map_err(PublishError::io("look up", path))?;
        match FileKind::from(metadata.file_type()) {
            FileKind::Regular => Ok(Snapshot::of_regular(&metadata)),
            FileKind::BlockDevice => Ok(Snapshot {
                inode: (metadata.dev(), metadata.ino()),
                device: Some(metadata.rdev()),
                size: ReadAt::len(file).map_err(PublishError::io("measure", path))?,
                times: [(0, 0); 2],
            }),
            kind => Err(PublishError::not_regular(path, kind)),
        }
    }

    pub(super) fn of_regular(metadata: &Metadata) -> Snapshot {
        Snapshot {
            inode: (metadata.dev(), metadata.ino()),
            device: None,
            size: metadata.size(),
            times: [
                (metadata.mtime(), metadata.mtime_nsec()),
                (metadata.ctime(), metadata.ctime_nsec()),
            ],
        }
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn is_block_device(&self) -> bool {
        self.device.is_some()
    }

    pub(super) fn identity(&self) -> Identity {
        match self.device {
            Some(device) => Identity::Device(device),
            None => Identity::Inode(self.inode.0, self.inode.1),
        }
    }

    pub(super) fn identity_of(metadata: &Metadata) -> Identity {
        if FileKind::from(metadata.file_type()) == FileKind::BlockDevice {
            Identity::Device(metadata.rdev())
        } else {
            Identity::Inode(metadata.dev(), metadata.ino())
        }
    }

    /// Names the first difference.
    pub(super) fn compare(&self, now: &Snapshot, path: &Path) -> Result<(), PublishError> {
        let what = if self.identity() != now.identity() {
            Change::Replaced
        } else if self.size != now.size {
            Change::Size { before: self.size, after: now.size }
        } else if self.times != now.times {
            Change::Modified
        } else {
            return Ok(());
        };
        Err(changed(path, what))
    }
}

pub(super) fn changed(path: &Path, what: Change) -> PublishError {
    PublishError::Changed { path: path.to_owned(), what }
}

/// The flag that keeps a pipe from being waited for, as [`OpenOptionsExt::custom_flags`] takes it.
pub(super) fn nonblocking() -> i32 {
    flag_bits(OFlags::NONBLOCK)
}

pub(super) fn flag_bits(flags: OFlags) -> i32 {
    // The bits of all flags lie below the sign.
    i32::try_from(flags.bits()).unwrap_or_default()
}
