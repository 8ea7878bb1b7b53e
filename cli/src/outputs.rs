//! Files that a command makes, and standard output where that is for data.

use std::fs::{self, File};
use std::io::{self, Write};
use std::ops::Range;
use std::os::fd::AsFd;
use std::path::Path;

use verity::internals::{to_len, to_u64};
use verity::io::{ReadAt, WriteAt};
use verity::publish::{Input, Output};

use crate::error::{Class, CommandError, OrFail};

/// The mode of new hash files, FEC files and root hash files: only the owner may read them, as
/// veritysetup makes them.
pub(crate) const OWNER_ONLY: u32 = 0o600;

/// An output with these bytes, not yet published. It must not be one of the inputs.
pub(crate) fn written(path: &Path, bytes: &[u8], inputs: &[Input]) -> Result<Output, CommandError> {
    let output = Output::create(path)?;
    inputs.iter().try_for_each(|input| output.check_distinct(input))?;
    write_bytes(&output, bytes)?;
    Ok(output)
}

/// Writes all of a short output.
pub(crate) fn write_bytes(output: &Output, bytes: &[u8]) -> Result<(), CommandError> {
    output.file().write_all(bytes).or_fail(Class::Io, output.path())
}

/// How many bytes are copied at a time.
const COPIED_AT_ONCE: usize = 1 << 20;

/// Copies these bytes to the same place in another file.
pub(crate) fn copy(from: &File, to: &File, range: Range<u64>) -> io::Result<()> {
    let mut buffer = vec![0; COPIED_AT_ONCE];
    let mut offset = range.start;
    while offset < range.end {
        let size = (range.end - offset).min(to_u64(COPIED_AT_ONCE));
        let chunk = &mut buffer[..to_len(size)];
        from.read_exact_at(chunk, offset)?;
        to.write_all_at(chunk, offset)?;
        offset += size;
    }
    Ok(())
}

/// Standard output past the buffer of `io::stdout`, which hides some errors.
pub(crate) fn stdout() -> io::Result<File> {
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
}

/// Whether two paths name one directory entry, which need not exist.
pub(crate) fn same_place(a: &Path, b: &Path) -> bool {
    let directory = |path: &Path| {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        fs::canonicalize(parent.unwrap_or(Path::new("."))).ok()
    };
    a.file_name() == b.file_name() && directory(a) == directory(b)
}
