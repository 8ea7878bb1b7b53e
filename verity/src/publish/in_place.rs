//! Rewriting a hash area where it lies: a block device, or the file that also holds the data.
//!
//! There is no old file to keep, so the order of writes must do: what lets the old hash area verify
//! is destroyed and synced first, and what lets the new one verify is written last.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::appended::{Appended, Held};
use super::input::{Snapshot, changed, flag_bits};
use super::leftovers::Step;
use super::lock::Locked;
use super::{Change, FileKind, Input, PublishError};
use crate::HashArea;
use crate::io::{ReadAt, Window, WriteAt};

/// How long a device probe (udev takes the same lock for a moment) may keep us waiting.
const LOCK_ATTEMPTS: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// A block device, or a regular file that holds data besides the hash area: opened for writing and
/// locked.
///
/// Nothing is written before [`InPlace::begin`] or [`InPlace::pad`]. Bytes are written by
/// [`WriteAt`]: after [`remove_leftovers`](super::remove_leftovers) that fails for a padded file,
/// which is as short as it was then, and stays so.
///
/// ```
/// use verity::io::WriteAt;
/// use verity::publish::InPlace;
/// use verity::{HashArea, Params, Superblock, Uuid};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("image");
/// std::fs::write(&path, [7; 8 * 4096])?;
/// let params = Params::builder().data_blocks(8).build()?;
/// let area = HashArea::new(&params, params.data_size(), true)?;
///
/// let rewriting = InPlace::open(&path)?.begin(&area)?;
/// rewriting.write_all_at(&[0; 4096], area.tree_range().start)?; // the tree
/// rewriting.finish(Some(&Superblock::new(params, Uuid::nil()).to_bytes()))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct InPlace {
    /// Of a padded file: its zeros, and what was written behind them. Dropped first, so that it is
    /// cut off before the lock ends.
    appended: Option<Appended>,
    file: Locked,
    path: PathBuf,
    snapshot: Snapshot,
    /// The bytes that count, if not all do.
    part: Option<Range<u64>>,
}

impl InPlace {
    /// Opens and locks an existing block device or regular file. A symbolic link to a block device
    /// is followed, one to a regular file is not.
    ///
    /// # Errors
    /// [`PublishError::Busy`] when another run holds it or a file system on it is mounted,
    /// [`PublishError::NotRegular`] when it is anything else, [`PublishError::Io`] when it cannot
    /// be opened for writing.
    pub fn open(path: impl AsRef<Path>) -> Result<InPlace, PublishError> {
        let path = path.as_ref();
        let metadata = std::fs::metadata(path).map_err(PublishError::io("look up", path))?;
        let kind = FileKind::from(metadata.file_type());
        let file = match kind {
            FileKind::BlockDevice => open(path, OFlags::EXCL)?,
            FileKind::Regular => open(path, OFlags::NOFOLLOW)?,
            kind => return Err(PublishError::not_regular(path, kind)),
        };
        let snapshot = Snapshot::of(&file, path)?;
        if snapshot.identity() != Snapshot::identity_of(&metadata) {
            return Err(changed(path, Change::Replaced));
        }
        let attempts = if kind == FileKind::BlockDevice { LOCK_ATTEMPTS } else { 1 };
        let file = Locked::exclusive_within(attempts, LOCK_PAUSE, file, path)?;
        let in_place =
            InPlace { appended: None, file, path: path.to_owned(), snapshot, part: None };
        in_place.check_path()?;
        Ok(in_place)
    }

    /// These bytes of it as a device of its own, which neither grows nor shrinks: a partition of a
    /// disk. `name` is what it is called.
    ///
    /// # Errors
    /// [`PublishError::Io`] when the file ends before.
    pub fn part(mut self, range: Range<u64>, name: PathBuf) -> Result<InPlace, PublishError> {
        if range.start > range.end || range.end > self.snapshot.size() {
            return Err(self.io("use that part of")(Errno::RANGE));
        }
        (self.part, self.path) = (Some(range), name);
        Ok(self)
    }

    /// The file, for reading what is there; of a part, read this itself. What is written to it
    /// directly does not stop when
    /// leftovers are removed.
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

    /// The bytes of the file that count: all of them when it was opened, or those of a part.
    pub fn range(&self) -> Range<u64> {
        self.part.clone().unwrap_or(0..self.snapshot.size())
    }

    /// Whether it is a block device.
    pub fn is_block_device(&self) -> bool {
        self.snapshot.is_block_device()
    }

    /// Whether it has the size that it has: a block device, or a part of something.
    pub fn is_fixed(&self) -> bool {
        self.is_block_device() || self.part.is_some()
    }

    /// Whether it lies in the same file or on the same device as that input, under whatever name
    /// the two were given, and whichever parts of it they are.
    pub fn is(&self, input: &Input) -> bool {
        self.snapshot.identity() == input.snapshot().identity()
    }

    /// Appends zeros to a regular file, up to `size` bytes, and syncs it.
    ///
    /// When this is dropped, or the [`Rewriting`] that it becomes, the file is cut off where it
    /// ended before, with everything that was written behind it: unless [`InPlace::keep`],
    /// [`Rewriting::finish`] or the [`OutputSet`](super::OutputSet) that it is a member of has said
    /// that all is well. So does [`remove_leftovers`](super::remove_leftovers).
    ///
    /// ```
    /// use verity::publish::InPlace;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("image");
    /// std::fs::write(&path, [7; 5000])?;
    /// let mut image = InPlace::open(&path)?;
    /// image.pad(8192)?;
    /// drop(image);
    /// assert_eq!(std::fs::read(&path)?, [7; 5000]);
    ///
    /// let mut image = InPlace::open(&path)?;
    /// image.pad(8192)?;
    /// image.keep()?;
    /// assert_eq!(std::fs::metadata(&path)?.len(), 8192);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`PublishError::NotRegular`] for a block device, [`PublishError::Changed`] when the file is
    /// not what it was when it was opened, [`PublishError::Io`] when it cannot be extended, or
    /// leftovers were removed.
    pub fn pad(&mut self, size: u64) -> Result<(), PublishError> {
        if self.is_fixed() {
            return Err(PublishError::not_regular(&self.path, FileKind::BlockDevice));
        }
        self.snapshot.compare(&Snapshot::of(&self.file, &self.path)?, &self.path)?;
        if size > self.size() {
            let file = self.file().try_clone().map_err(self.io("open"))?;
            let appended = Appended::to(file, self.size());
            appended.write(|file| WriteAt::resize(file, size)).map_err(self.io("extend"))?;
            self.appended = Some(appended);
            WriteAt::sync(self.file()).map_err(self.io("sync"))?;
        }
        Ok(())
    }

    /// Lets a padded file keep its zeros, and unlocks it.
    ///
    /// Where outputs belong to the zeros, [`OutputSet::keeping`](super::OutputSet::keeping) does
    /// both at once.
    ///
    /// # Errors
    /// [`PublishError::Io`] when leftovers were removed: then the zeros are gone.
    pub fn keep(self) -> Result<(), PublishError> {
        let held = self.hold()?;
        held.map_or(Ok(()), Held::keep).map_err(self.io("append zeros to"))
    }

    /// Makes the cut of a padded file wait for a moment.
    pub(super) fn hold(&self) -> Result<Option<Held<'_>>, PublishError> {
        let held = self.appended.as_ref().map(Appended::hold).transpose();
        held.map_err(self.io("append zeros to"))
    }

    /// Makes what is there unverifiable: zeroes and syncs the superblock, or, for a hash area
    /// without one, the highest hash block. With one data block and no superblock there is nothing
    /// to destroy.
    ///
    /// A regular file that ends before the hash area does is extended first; nothing is ever
    /// shortened.
    ///
    /// # Errors
    /// [`PublishError::Io`] when a device is too small or leftovers were removed (then nothing was
    /// written), or writing fails.
    pub fn begin(self, area: &HashArea) -> Result<Rewriting, PublishError> {
        let publishing = Step::begin().map_err(self.io("write"))?;
        // The file may be longer by now than when it was opened.
        if ReadAt::len(&self).map_err(self.io("measure"))? < area.file_size() {
            WriteAt::resize(&self, area.file_size()).map_err(self.io("extend"))?;
        }
        let destroyed = vouching_range(area);
        let len = usize::try_from(destroyed.end - destroyed.start);
        let zeros = vec![0; len.map_err(|_| self.io("extend")(Errno::FBIG))?];
        self.write_all_at(&zeros, destroyed.start).map_err(self.io("write"))?;
        WriteAt::sync(self.file()).map_err(self.io("sync"))?;
        drop(publishing);
        Ok(Rewriting { target: self, area: *area, kept: Vec::new() })
    }

    /// A regular file may have been replaced between opening and locking.
    fn check_path(&self) -> Result<(), PublishError> {
        let now = std::fs::metadata(&self.path).map_err(self.io("look up"))?;
        if Snapshot::identity_of(&now) == self.snapshot.identity() {
            return Ok(());
        }
        Err(changed(&self.path, Change::Replaced))
    }

    fn io<E: Into<std::io::Error>>(
        &self,
        operation: &'static str,
    ) -> impl FnOnce(E) -> PublishError {
        PublishError::io(operation, &self.path)
    }
}

impl InPlace {
    fn window(&self) -> Option<Window<&File>> {
        Window::new(self.file(), self.part.clone()?).ok()
    }
}

/// The bytes that count.
impl ReadAt for InPlace {
    fn len(&self) -> io::Result<u64> {
        self.window().map_or_else(|| ReadAt::len(self.file()), |window| window.len())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        match self.window() {
            Some(window) => window.read_at(buf, offset),
            None => ReadAt::read_at(self.file(), buf, offset),
        }
    }
}

impl WriteAt for InPlace {
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        match (&self.appended, self.window()) {
            // What was appended to has no part.
            (Some(appended), _) => appended.write(|file| WriteAt::write_at(file, buf, offset)),
            (None, Some(window)) => window.write_at(buf, offset),
            (None, None) => WriteAt::write_at(self.file(), buf, offset),
        }
    }

    fn resize(&self, len: u64) -> io::Result<()> {
        match (&self.appended, self.window()) {
            (Some(appended), _) => appended.write(|file| WriteAt::resize(file, len)),
            (None, Some(window)) => window.resize(len),
            (None, None) => WriteAt::resize(self.file(), len),
        }
    }

    fn sync(&self) -> io::Result<()> {
        WriteAt::sync(self.file())
    }
}

/// A hash area being rewritten: nothing on it verifies. Dropping it leaves it so.
///
/// The tree is written by [`WriteAt`], as into an [`InPlace`].
#[derive(Debug)]
pub struct Rewriting {
    target: InPlace,
    area: HashArea,
    kept: Vec<InPlace>,
}

impl Rewriting {
    /// The file: what is written to it directly does not stop when leftovers are removed.
    pub fn file(&self) -> &File {
        &self.target.file
    }

    /// The path it was opened by.
    pub fn path(&self) -> &Path {
        self.target.path()
    }

    /// Adds a padded file that keeps its zeros if, and only if, this is finished.
    #[must_use]
    pub fn keeping(mut self, padded: InPlace) -> Rewriting {
        self.kept.push(padded);
        self
    }

    /// Syncs the tree, then writes the superblock and syncs again. From the superblock on, padded
    /// files keep their zeros.
    ///
    /// # Errors
    /// [`PublishError::Io`] when a step fails, when leftovers were removed, or when a superblock is
    /// given for a hash area that has none or missing for one that has. What is there then does not
    /// verify, except that a failure of the last sync leaves a superblock that may be there or not.
    pub fn finish(self, superblock: Option<&[u8; 512]>) -> Result<(), PublishError> {
        if superblock.is_some() != self.area.has_superblock() {
            return Err(self.target.io("write a superblock as planned to")(Errno::INVAL));
        }
        WriteAt::sync(self.file()).map_err(self.target.io("sync"))?;
        let _publishing = Step::begin().map_err(self.target.io("finish"))?;
        self.vouch(superblock)?;
        if superblock.is_none() {
            return Ok(());
        }
        let synced = WriteAt::sync(self.file());
        synced.map_err(self.target.io("sync the superblock on")).inspect_err(|_| {
            self.padded().filter_map(|file| file.appended.as_ref()).for_each(Appended::reopen);
        })
    }

    /// Writes the superblock, and lets padded files keep their zeros.
    fn vouch(&self, superblock: Option<&[u8; 512]>) -> Result<(), PublishError> {
        let held: Vec<_> = self.padded().map(InPlace::hold).collect::<Result<_, _>>()?;
        if let Some(superblock) = superblock {
            self.target
                .write_all_at(superblock, self.area.superblock_range().start)
                .map_err(self.target.io("write the superblock to"))?;
        }
        let kept = held.into_iter().flatten().try_for_each(Held::keep);
        kept.map_err(self.target.io("finish"))
    }

    fn padded(&self) -> impl Iterator<Item = &InPlace> {
        self.kept.iter().chain([&self.target])
    }
}

impl ReadAt for Rewriting {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(&self.target)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.target.read_at(buf, offset)
    }
}

impl WriteAt for Rewriting {
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.target.write_at(buf, offset)
    }

    fn resize(&self, len: u64) -> io::Result<()> {
        WriteAt::resize(&self.target, len)
    }

    fn sync(&self) -> io::Result<()> {
        WriteAt::sync(&self.target)
    }
}

/// The bytes without which a hash area does not verify.
fn vouching_range(area: &HashArea) -> Range<u64> {
    if area.has_superblock() || area.hash_blocks() == 0 {
        return area.superblock_range();
    }
    let tree = area.tree_range();
    tree.start..tree.start + (tree.end - tree.start) / area.hash_blocks()
}

fn open(path: &Path, flags: OFlags) -> Result<File, PublishError> {
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(flag_bits(flags | OFlags::NONBLOCK))
        .open(path);
    opened.map_err(|error| match Errno::from_io_error(&error) {
        Some(Errno::BUSY) => PublishError::busy(path),
        Some(Errno::LOOP) => PublishError::not_regular(path, FileKind::Symlink),
        _ => PublishError::io("open", path)(error),
    })
}
