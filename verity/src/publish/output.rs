//! One output file: made beside its target, put in its place in one step.

use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

use super::directory::Place;
use super::input::{Snapshot, changed};
use super::leftovers::Step;
use super::lock::Locked;
use super::temporary::Temporary;
use super::{Change, Input, PublishError};
use crate::io::{WriteAt, copy_file};

/// Owner may read and write.
const PRIVATE: u32 = 0o600;
/// All may read and write, as far as the umask lets them.
const SHARED: u32 = 0o666;

/// A file that appears whole or not at all.
///
/// Dropping it without [`Output::commit`] removes the temporary file and leaves the target as it
/// was.
///
/// ```
/// use verity::io::WriteAt;
/// use verity::publish::Output;
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("root.verity");
/// let output = Output::create(&path)?;
/// output.file().write_all_at(b"hash area", 0)?;
/// assert!(!path.exists());
/// output.commit()?;
/// assert_eq!(std::fs::read(&path)?, b"hash area");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Output {
    temporary: Temporary,
    existing: Option<Existing>,
    mode: Option<u32>,
    updates: bool,
}

/// The target as it was when the output was begun.
#[derive(Debug)]
struct Existing {
    metadata: Metadata,
    /// Held for its lock, which keeps out runs that write the target in place. None if it may not
    /// be read.
    file: Option<Locked>,
}

impl Output {
    /// Begins with an empty file.
    ///
    /// If the target exists and is ours or root's, its permission bits are kept, and its owner and
    /// group as far as the system allows; if it belongs to somebody else, the new file is ours, and
    /// only we may write it. A new file gets what the umask leaves of 0666.
    ///
    /// # Errors
    /// Before anything is made: [`PublishError::Busy`] when another run writes the target,
    /// [`PublishError::NotRegular`] when it is anything but a regular file (a symbolic link to one
    /// is not followed), [`PublishError::Io`] when the directory is not there or cannot be written.
    pub fn create(path: impl AsRef<Path>) -> Result<Output, PublishError> {
        Output::begin(path.as_ref(), None)
    }

    /// Begins with an empty file that will be ours and have exactly these permission bits, whatever
    /// the target has: 0o600 for secrets. Nobody else can read the temporary file meanwhile.
    ///
    /// # Errors
    /// As [`Output::create`].
    pub fn create_with_mode(path: impl AsRef<Path>, mode: u32) -> Result<Output, PublishError> {
        Output::begin(path.as_ref(), Some(mode & 0o777))
    }

    /// Begins with a copy of the target, if there is one, so that its length and every byte that is
    /// not written are kept. Holes stay holes.
    ///
    /// # Errors
    /// As [`Output::create`]; [`PublishError::Changed`] when the target is written during the copy.
    pub fn update(path: impl AsRef<Path>) -> Result<Output, PublishError> {
        let mut output = Output::begin(path.as_ref(), None)?;
        output.updates = true;
        if let Some(existing) = &output.existing {
            output.copy_from(existing)?;
        }
        Ok(output)
    }

    fn begin(path: &Path, mode: Option<u32>) -> Result<Output, PublishError> {
        let place = Place::new(path)?;
        // Once more when the lock is held; here so that a refused target leaves no trace.
        let replaces = place.regular_file()?.is_some();
        let private = replaces || mode.is_some();
        let first_mode = if private { PRIVATE } else { SHARED };
        let temporary = Temporary::take(place, Mode::from_raw_mode(first_mode))?;
        let existing = Existing::find(temporary.place())?;
        Ok(Output { temporary, existing, mode, updates: false })
    }

    /// The new contents: any part can be written or read, in any order.
    pub fn file(&self) -> &File {
        self.temporary.file()
    }

    /// The target.
    pub fn path(&self) -> &Path {
        self.temporary.place().path()
    }

    /// Whether there is a target that it will replace.
    pub fn replaces(&self) -> bool {
        self.existing.is_some()
    }

    /// The file that it will replace, as it was when the output was begun.
    pub fn target(&self) -> Option<&Metadata> {
        self.existing.as_ref().map(|existing| &existing.metadata)
    }

    /// Refuses to replace an input, under whatever name the two were given.
    ///
    /// # Errors
    /// [`PublishError::SameFile`] when the target is that file.
    pub fn check_distinct(&self, input: &Input) -> Result<(), PublishError> {
        let target = self.existing.as_ref().map(|old| Snapshot::identity_of(&old.metadata));
        if target != Some(input.snapshot().identity()) {
            return Ok(());
        }
        Err(PublishError::SameFile { path: self.path().into(), input: input.path().into() })
    }

    /// Syncs the new contents, puts them in the target's place and syncs the directory.
    ///
    /// # Errors
    /// [`PublishError::Changed`] when this is an update and the target is no longer what was
    /// copied; [`PublishError::Io`] when a step fails. The target is then untouched, except that a
    /// failure to sync the directory leaves the new contents in place but perhaps not for good.
    pub fn commit(mut self) -> Result<(), PublishError> {
        self.prepare()?;
        let _publishing = Step::begin().map_err(self.io("publish"))?;
        self.publish()?;
        self.sync_directory()
    }

    /// Everything that can fail before the target is touched.
    pub(super) fn prepare(&self) -> Result<(), PublishError> {
        self.set_owner_and_mode().map_err(self.io("set the owner and mode of the new"))?;
        WriteAt::sync(self.file()).map_err(self.io("sync the new contents of"))
    }

    pub(super) fn publish(&mut self) -> Result<(), PublishError> {
        self.check_target()?;
        self.temporary.publish()
    }

    pub(super) fn sync_directory(&self) -> Result<(), PublishError> {
        self.temporary.place().sync()
    }

    /// A last look: the rename must not destroy what another program made meanwhile.
    fn check_target(&self) -> Result<(), PublishError> {
        let now = self.temporary.place().regular_file()?;
        if !self.updates {
            return Ok(());
        }
        match (&self.existing, now) {
            (None, None) => Ok(()),
            (Some(old), Some(now)) => Snapshot::of_regular(&old.metadata)
                .compare(&Snapshot::of_regular(&now), self.path()),
            _ => Err(changed(self.path(), Change::Replaced)),
        }
    }

    fn set_owner_and_mode(&self) -> io::Result<()> {
        let mode = match (&self.existing, self.mode) {
            (_, Some(mode)) => mode,
            (Some(old), None) => self.take_owner_and_mode(&old.metadata)?,
            (None, None) => return Ok(()),
        };
        self.file().set_permissions(Permissions::from_mode(mode))
    }

    /// Gives the file the old one's owner and group, and returns the permission bits it is to have.
    ///
    /// A file that somebody else put there, where they could, says nothing about who may write the
    /// new one.
    fn take_owner_and_mode(&self, old: &Metadata) -> io::Result<u32> {
        let kept = old.mode() & 0o777;
        let own = rustix::process::geteuid().as_raw();
        if old.uid() != own && old.uid() != 0 {
            return Ok(without_group(kept) & !0o022);
        }
        // Changing the owner clears bits, so it goes first.
        Ok(if self.take_owner(old)? { kept } else { without_group(kept) })
    }

    /// Gives the file the old one's owner and group if the system lets us; returns whether the
    /// group is the same now.
    fn take_owner(&self, old: &Metadata) -> io::Result<bool> {
        let new = self.file().metadata()?;
        if new.uid() != old.uid() {
            // Only root may; everybody else keeps the file that they made.
            let _ = rustix::fs::fchown(self.file(), Some(Uid::from_raw(old.uid())), None);
        }
        let same_group = new.gid() == old.gid();
        Ok(same_group
            || rustix::fs::fchown(self.file(), None, Some(Gid::from_raw(old.gid()))).is_ok())
    }

    fn copy_from(&self, existing: &Existing) -> Result<(), PublishError> {
        let source = match &existing.file {
            Some(source) => source,
            None => return Err(PublishError::errno("read", self.path(), Errno::ACCESS)),
        };
        let before = Snapshot::of_regular(&existing.metadata);
        before.compare(&Snapshot::of(source, self.path())?, self.path())?;
        let copied = copy_file(source, self.file(), before.size(), &mut |_, copied| copied);
        copied.map_err(self.io("copy the old contents of"))?;
        before.compare(&Snapshot::of(source, self.path())?, self.path())
    }

    fn io<E: Into<io::Error>>(&self, operation: &'static str) -> impl FnOnce(E) -> PublishError {
        self.temporary.place().io(operation)
    }
}

impl Existing {
    fn find(place: &Place) -> Result<Option<Existing>, PublishError> {
        let Some(metadata) = place.regular_file()? else {
            return Ok(None);
        };
        let file = match place.open(place.name(), OFlags::RDONLY, Mode::empty()) {
            Ok(file) => Some(Locked::shared(file, place.path())?),
            // A file that may be replaced need not be readable.
            Err(Errno::ACCESS) => None,
            Err(errno) => return Err(place.io("open")(errno)),
        };
        Ok(Some(Existing { metadata, file }))
    }
}

/// Writes a file that appears whole or not at all.
///
/// # Errors
/// As [`Output::create`] and [`Output::commit`].
pub fn write(path: impl AsRef<Path>, bytes: &[u8]) -> Result<(), PublishError> {
    let output = Output::create(path)?;
    output.file().write_all_at(bytes, 0).map_err(output.io("write"))?;
    output.commit()
}

/// The bits for a file whose group could not be kept: another group gets what everybody gets.
fn without_group(mode: u32) -> u32 {
    let others = mode & 0o007;
    mode & 0o707 | others << 3
}
