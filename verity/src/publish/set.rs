//! Several outputs that belong together.

use std::fs::Metadata;
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::io::Errno;

use super::appended::Held;
use super::directory::Place;
use super::input::Snapshot;
use super::leftovers::Step;
use super::temporary::Temporary;
use super::{InPlace, Input, Output, PublishError};

/// Outputs that are put in place one after the other, once all of them have reached the storage.
///
/// The file system cannot rename several files in one step, so the last member should be the one
/// that vouches for the others, such as a manifest's signature: until it is there, a reader that
/// checks it refuses the set. Files of an earlier set that vouch for what is about to be replaced
/// are named by a [`Removal`].
///
/// Locks are taken when members are made. Make them all before the work begins, so that a set that
/// another run is writing is found busy at once.
///
/// ```
/// use verity::io::WriteAt;
/// use verity::publish::{Output, OutputSet, Removal};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = |name| directory.path().join(name);
/// let removal = Removal::of(path("root.roothash.p7s"))?;
/// let tree = Output::create(path("root.verity"))?;
/// let manifest = Output::create(path("root.manifest.json"))?;
/// tree.file().write_all_at(b"hash area", 0)?;
/// manifest.file().write_all_at(b"{}", 0)?;
/// OutputSet::new().removal(removal).output(tree).output(manifest).commit()?;
/// assert!(path("root.verity").exists() && path("root.manifest.json").exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct OutputSet {
    outputs: Vec<Output>,
    removals: Vec<Removal>,
    kept: Vec<InPlace>,
}

impl OutputSet {
    /// An empty set.
    pub fn new() -> OutputSet {
        OutputSet::default()
    }

    /// Adds an output; they appear in the order in which they are added.
    #[must_use]
    pub fn output(mut self, output: Output) -> OutputSet {
        self.outputs.push(output);
        self
    }

    /// Adds a file that must be gone before the first output appears.
    #[must_use]
    pub fn removal(mut self, removal: Removal) -> OutputSet {
        self.removals.push(removal);
        self
    }

    /// Adds a padded file, which keeps its zeros if, and only if, the last output appears.
    #[must_use]
    pub fn keeping(mut self, padded: InPlace) -> OutputSet {
        self.kept.push(padded);
        self
    }

    /// Syncs all outputs, removes what is to be removed, then puts the outputs in place in order.
    /// The directories are synced after the removals, before the last output appears, and at the
    /// end. Returns the files that were removed: those that were there.
    ///
    /// # Errors
    /// As [`Output::commit`] while nothing has been touched; [`PublishError::Incomplete`], which
    /// says how far it came, afterwards.
    pub fn commit(mut self) -> Result<Vec<PathBuf>, PublishError> {
        for output in &self.outputs {
            output.prepare()?;
        }
        let _publishing = self.publishing()?;
        let mut progress = Progress::default();
        match self.put_in_place(&mut progress) {
            Ok(()) => Ok(progress.removed),
            Err(error) => Err(progress.explain(error)),
        }
    }

    /// Once something is touched, all of the set is put in place.
    fn publishing(&self) -> Result<Option<Step>, PublishError> {
        let outputs = self.outputs.iter().map(Output::path);
        let others = self.removals.iter().map(Removal::path);
        let mut all = outputs.chain(others).chain(self.kept.iter().map(InPlace::path));
        let Some(first) = all.next() else { return Ok(None) };
        Step::begin().map(Some).map_err(PublishError::io("publish", first))
    }

    fn put_in_place(&mut self, progress: &mut Progress) -> Result<(), PublishError> {
        for removal in &self.removals {
            if removal.remove()? {
                progress.removed.push(removal.path().to_owned());
            }
        }
        for removal in &self.removals {
            removal.temporary.place().sync()?;
        }
        let last = self.outputs.len().saturating_sub(1);
        for output in self.outputs.iter_mut().take(last) {
            output.publish()?;
            progress.in_place.push(output.path().to_owned());
        }
        self.sync_directories(last)?;
        let held: Vec<_> = self.kept.iter().map(InPlace::hold).collect::<Result<_, _>>()?;
        for output in self.outputs.iter_mut().skip(last) {
            output.publish()?;
            progress.in_place.push(output.path().to_owned());
        }
        for (padded, held) in self.kept.iter().zip(held) {
            let kept = held.map_or(Ok(()), Held::keep);
            kept.map_err(PublishError::io("append zeros to", padded.path()))?;
        }
        self.outputs.last().map_or(Ok(()), Output::sync_directory)
    }

    /// Syncs the directories of the first `count` outputs.
    fn sync_directories(&self, count: usize) -> Result<(), PublishError> {
        let mut synced: Vec<&Path> = Vec::new();
        for output in self.outputs.iter().take(count) {
            let directory = output.path().parent().unwrap_or(output.path());
            if !synced.contains(&directory) {
                output.sync_directory()?;
                synced.push(directory);
            }
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Progress {
    in_place: Vec<PathBuf>,
    removed: Vec<PathBuf>,
}

impl Progress {
    fn explain(self, error: PublishError) -> PublishError {
        if self.in_place.is_empty() && self.removed.is_empty() {
            return error;
        }
        let Progress { in_place, removed } = self;
        PublishError::Incomplete { in_place, removed, source: Box::new(error) }
    }
}

/// A file that an [`OutputSet`] removes, locked like an output; it need not exist.
#[derive(Debug)]
pub struct Removal {
    temporary: Temporary,
}

impl Removal {
    /// Locks the name; nothing is removed yet.
    ///
    /// # Errors
    /// As [`Output::create`].
    pub fn of(path: impl AsRef<Path>) -> Result<Removal, PublishError> {
        let place = Place::new(path.as_ref())?;
        place.regular_file()?;
        Ok(Removal { temporary: Temporary::take(place, Mode::RUSR | Mode::WUSR)? })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.temporary.place().path()
    }

    /// The file that it will remove, if there is one.
    ///
    /// # Errors
    /// [`PublishError::Io`] when it cannot be looked up, [`PublishError::NotRegular`] when it is no
    /// regular file.
    pub fn target(&self) -> Result<Option<Metadata>, PublishError> {
        self.temporary.place().regular_file()
    }

    /// Refuses to remove an input, under whatever name the two were given.
    ///
    /// # Errors
    /// [`PublishError::SameFile`] when it is that file; [`PublishError::Io`] when it cannot be
    /// looked up.
    pub fn check_distinct(&self, input: &Input) -> Result<(), PublishError> {
        let target = self.temporary.place().regular_file()?;
        match target.map(|metadata| Snapshot::identity_of(&metadata)) {
            Some(identity) if identity == input.snapshot().identity() => {
                Err(PublishError::SameFile { path: self.path().into(), input: input.path().into() })
            }
            _ => Ok(()),
        }
    }

    /// Removes it and returns whether it was there.
    fn remove(&self) -> Result<bool, PublishError> {
        let place = self.temporary.place();
        if place.regular_file()?.is_none() {
            return Ok(false);
        }
        match place.unlink(place.name()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(place.io("remove")(errno)),
        }
    }
}
