//! Files that a command makes, and standard output where that is for data.

use std::fs::{File, Metadata};
use std::io::{self, Write};
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use verity::internals::{ReadBuffer, to_len, to_u64};
use verity::io::{ReadAt, WriteAt};
use verity::publish::{InPlace, Input, Output, OutputSet, Removal};

use crate::disks;
use crate::error::{Class, CommandError, OrFail};
use crate::roles;
use crate::signals::Signals;
use crate::streams::{OUTPUT, is_standard};

/// The mode of new hash files, FEC files and root hash files: only the owner may read them, as
/// veritysetup makes them.
pub(crate) const OWNER_ONLY: u32 = 0o600;

/// Begins an output. As all outputs here, it must have a name of its own and must not be one of
/// the inputs (`roles`).
pub(crate) fn create(path: &Path) -> Result<Output, CommandError> {
    roles::names_output(path)?;
    distinct(Output::create(path)?)
}

/// Begins an output that will have exactly these permission bits.
pub(crate) fn create_with_mode(path: &Path, mode: u32) -> Result<Output, CommandError> {
    roles::names_output(path)?;
    distinct(Output::create_with_mode(path, mode)?)
}

/// Begins an output that keeps every byte of the target that is not written.
pub(crate) fn update(path: &Path) -> Result<Output, CommandError> {
    roles::names_output(path)?;
    distinct(Output::update(path)?)
}

/// Begins a copy, which is for whom the original is.
pub(crate) fn create_copy(path: &Path, original: Option<&Input>) -> Result<Output, CommandError> {
    create_with_mode(path, mode_of_copy(original))
}

/// The permission bits of a file with the bytes of another one: those of the original. What is
/// copied from a device or a server is for its owner only.
pub(crate) fn mode_of_copy(original: Option<&Input>) -> u32 {
    let metadata = original.and_then(|input| input.file().metadata().ok());
    let mode = metadata.filter(Metadata::is_file).map(|file| file.permissions().mode());
    mode.unwrap_or(OWNER_ONLY)
}

/// Small outputs that appear together. What goes to standard output goes there last.
#[derive(Default)]
pub(crate) struct SmallOutputs {
    files: OutputSet,
    standard: Vec<u8>,
}

impl SmallOutputs {
    /// Adds an output with these bytes: a file, or standard output for `-`.
    pub(crate) fn with(mut self, path: &Path, bytes: &[u8]) -> Result<SmallOutputs, CommandError> {
        if is_standard(path) {
            check_stdout()?;
            self.standard.extend(bytes);
            return Ok(self);
        }
        let files = self.files.output(written(path, bytes)?);
        Ok(SmallOutputs { files, ..self })
    }

    /// Makes the files appear, and prints the rest.
    pub(crate) fn publish(self) -> Result<(), CommandError> {
        self.files.commit()?;
        print(&self.standard)
    }
}

/// Writes bytes to standard output.
pub(crate) fn print(bytes: &[u8]) -> Result<(), CommandError> {
    let written = stdout().and_then(|mut stdout| stdout.write_all(bytes));
    written.or_fail(Class::Io, Path::new(OUTPUT))
}

/// An output with these bytes, not yet published.
fn written(path: &Path, bytes: &[u8]) -> Result<Output, CommandError> {
    let output = create(path)?;
    write_bytes(&output, bytes)?;
    Ok(output)
}

/// Locks a file that is to be removed.
pub(crate) fn removal(path: &Path) -> Result<Removal, CommandError> {
    roles::names_output(path)?;
    let removal = Removal::of(path)?;
    if let Some(target) = removal.target()? {
        roles::removes(&target, path)?;
    }
    Ok(removal)
}

/// Opens what is to be rewritten where it lies. Of the inputs, only the data may be there too.
pub(crate) fn in_place(path: &Path, data: &Input) -> Result<InPlace, CommandError> {
    roles::names_output(path)?;
    let device = disks::open_in_place(path)?;
    roles::rewrites(&device, path, data)?;
    Ok(device)
}

/// Opens what is to be rewritten where it lies, and is no input.
pub(crate) fn in_place_alone(path: &Path) -> Result<InPlace, CommandError> {
    roles::names_output(path)?;
    let device = disks::open_in_place(path)?;
    roles::overwrites(&device, path)?;
    Ok(device)
}

fn distinct(output: Output) -> Result<Output, CommandError> {
    if let Some(target) = output.target() {
        roles::replaces(target, output.path())?;
    }
    Ok(output)
}

/// Writes all of a short output.
pub(crate) fn write_bytes(output: &Output, bytes: &[u8]) -> Result<(), CommandError> {
    output.file().write_all(bytes).or_fail(Class::Io, output.path())
}

/// How many bytes are copied at a time.
const COPIED_AT_ONCE: usize = 1 << 20;

/// Copies these bytes to the same place in what lies at `path`, until a signal asks to stop.
pub(crate) fn copy(
    from: &File,
    to: &impl WriteAt,
    range: Range<u64>,
    path: &Path,
    signals: &Signals,
) -> Result<(), CommandError> {
    let mut buffer = ReadBuffer::with_len(COPIED_AT_ONCE);
    let mut offset = range.start;
    while offset < range.end {
        signals.check()?;
        let size = (range.end - offset).min(to_u64(COPIED_AT_ONCE));
        let chunk = &mut buffer[..to_len(size)];
        let read = from.read_exact_at(chunk, offset);
        read.and_then(|()| to.write_all_at(chunk, offset)).or_fail(Class::Io, path)?;
        offset += size;
    }
    Ok(())
}

/// Standard output past the buffer of `io::stdout`, which hides some errors.
pub(crate) fn stdout() -> io::Result<File> {
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
}

/// Refuses to write data to standard output, if that is one of the inputs.
pub(crate) fn check_stdout() -> Result<(), CommandError> {
    let path = Path::new(OUTPUT);
    roles::writes_to(&stdout().or_fail(Class::Io, path)?, path)
}
