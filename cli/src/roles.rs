//! Which files a run reads and which it writes: no file is both, and none is written twice, under
//! whatever name.
//!
//! Inputs come here when they are opened (`inputs`), outputs when they are begun (`outputs`), so
//! that no command can forget to compare them. A process runs one command, so there is one list.
//! What is compared are files and devices, not names: links and loop devices hide nothing.
//!
//! Exempt is what a command rewrites where it lies: a hash area in the file of its data, whose
//! place is checked instead, and `repair --in-place`. Hash area and parity on one device are one
//! output.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use verity::internals::unpoisoned;
use verity::publish::PublishError;

use crate::error::{Class, CommandError, OrFail};
use crate::quoted::Quoted;
use crate::storage::{Extent, Stored};

/// Takes note of an open input. Pipes, terminals and the like have no bytes that an output could
/// replace.
pub(crate) fn reads(file: &File, path: &Path) -> Result<(), CommandError> {
    reads_part(file, file, path)
}

/// Takes note of an open input of which a part is read, that of `stored`.
pub(crate) fn reads_part(
    file: &File,
    stored: &impl Stored,
    path: &Path,
) -> Result<(), CommandError> {
    let metadata = file.metadata().or_fail(Class::Io, path)?;
    if !Extent::is_storage(&metadata) {
        return Ok(());
    }
    lock().add_input(stored.extent().or_fail(Class::Io, path)?, path)
}

/// Takes note of a file that is used by its name, such as a program that is started. One that is
/// not there is left to whoever uses it.
pub(crate) fn uses(path: &Path) -> Result<(), CommandError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => lock().add_input(Extent::of_file(&metadata), path),
        _ => Ok(()),
    }
}

/// Takes note of the name of an output; no other one may have it.
pub(crate) fn names_output(path: &Path) -> Result<(), CommandError> {
    let Some(place) = Place::of(path) else { return Ok(()) };
    let mut roles = lock();
    if roles.places.contains(&place) {
        return Err(CommandError::usage("is named as two outputs").at(path));
    }
    roles.places.push(place);
    Ok(())
}

/// Takes note of a file that an output replaces.
pub(crate) fn replaces(target: &Metadata, path: &Path) -> Result<(), CommandError> {
    lock().add_output(Extent::of_file(target), path, None)
}

/// Takes note of a file that loses a name. An output may have another one, as nothing is written
/// to it.
pub(crate) fn removes(target: &Metadata, path: &Path) -> Result<(), CommandError> {
    lock().add_removal(Extent::of_file(target), path)
}

/// Takes note of a file or device that is written where it lies. `data` is the one input that may
/// be there too.
pub(crate) fn rewrites(
    target: &impl Stored,
    path: &Path,
    data: &impl Stored,
) -> Result<(), CommandError> {
    let extent = target.extent().or_fail(Class::Io, path)?;
    let data = data.extent().or_fail(Class::Io, path)?;
    lock().add_output(extent, path, Some(&data))
}

/// Takes note of a device, or a part of one, that is written where it lies.
pub(crate) fn overwrites(target: &impl Stored, path: &Path) -> Result<(), CommandError> {
    let extent = target.extent().or_fail(Class::Io, path)?;
    lock().add_output(extent, path, None)
}

/// Refuses to write to an open file, such as standard output, that is an input too.
pub(crate) fn writes_to(file: &File, path: &Path) -> Result<(), CommandError> {
    let metadata = file.metadata().or_fail(Class::Io, path)?;
    if !Extent::is_storage(&metadata) {
        return Ok(());
    }
    lock().add_output(Extent::of(file).or_fail(Class::Io, path)?, path, None)
}

/// What a run reads and writes.
struct Roles {
    inputs: Vec<(Extent, PathBuf)>,
    outputs: Vec<(Extent, PathBuf)>,
    removals: Vec<(Extent, PathBuf)>,
    /// The names of the outputs.
    places: Vec<Place>,
}

static ROLES: Mutex<Roles> = Mutex::new(Roles {
    inputs: Vec::new(),
    outputs: Vec::new(),
    removals: Vec::new(),
    places: Vec::new(),
});

fn lock() -> MutexGuard<'static, Roles> {
    unpoisoned(ROLES.lock())
}

impl Roles {
    fn add_input(&mut self, extent: Extent, path: &Path) -> Result<(), CommandError> {
        let mut outputs = self.outputs.iter().chain(&self.removals);
        if let Some((_, output)) = outputs.find(|(taken, _)| taken.overlaps(&extent)) {
            return Err(same_file(output, path));
        }
        self.inputs.push((extent, path.to_owned()));
        Ok(())
    }

    fn add_removal(&mut self, extent: Extent, path: &Path) -> Result<(), CommandError> {
        if let Some((_, input)) = self.inputs.iter().find(|(input, _)| input.overlaps(&extent)) {
            return Err(same_file(path, input));
        }
        self.removals.push((extent, path.to_owned()));
        Ok(())
    }

    fn add_output(
        &mut self,
        extent: Extent,
        path: &Path,
        exempt: Option<&Extent>,
    ) -> Result<(), CommandError> {
        let mut inputs = self.inputs.iter().filter(|(input, _)| Some(input) != exempt);
        if let Some((_, input)) = inputs.find(|(input, _)| input.overlaps(&extent)) {
            return Err(same_file(path, input));
        }
        if let Some((_, other)) = self.outputs.iter().find(|(taken, _)| taken.overlaps(&extent)) {
            let words = format!("is the same file as {}, which is an output too", Quoted(other));
            return Err(CommandError::usage(words).at(path));
        }
        // What may be in one file with the data is compared with that by its place.
        if exempt != Some(&extent) {
            self.outputs.push((extent, path.to_owned()));
        }
        Ok(())
    }
}

fn same_file(output: &Path, input: &Path) -> CommandError {
    PublishError::SameFile { path: output.to_owned(), input: input.to_owned() }.into()
}

/// A directory entry, which need not exist.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    directory: PathBuf,
    name: OsString,
}

impl Place {
    /// The entry that a path names, unless there is no such directory.
    fn of(path: &Path) -> Option<Place> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = fs::canonicalize(parent.unwrap_or(Path::new("."))).ok()?;
        Some(Place { directory, name: path.file_name()?.to_owned() })
    }
}

/// Whether two paths name one directory entry, which need not exist.
pub(crate) fn same_place(a: &Path, b: &Path) -> bool {
    a.file_name() == b.file_name() && Place::of(a) == Place::of(b)
}

impl From<PublishError> for CommandError {
    fn from(error: PublishError) -> CommandError {
        let class = publish_class(&error);
        // The message names the path already.
        CommandError::new(class, error)
    }
}

fn publish_class(error: &PublishError) -> Class {
    match error {
        PublishError::Busy { .. } => Class::Busy,
        PublishError::Changed { .. } => Class::Changed,
        PublishError::NotRegular { .. }
        | PublishError::SameFile { .. }
        | PublishError::Name { .. } => Class::Usage,
        PublishError::Incomplete { source, .. } => publish_class(source),
        _ => Class::Io,
    }
}
