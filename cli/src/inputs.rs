//! Opening and reading files that are named on the command line, and the class of what can go
//! wrong.
//!
//! Everything here fails closed: a file that is missing, unreadable or too long is an error. What
//! is opened here is an input, which no output of the run may replace (`roles`).

use std::io::Read;
use std::path::Path;

use verity::internals::to_u64;
use verity::publish::Input;

use crate::error::{Class, CommandError, OrFail};
use crate::roles;

/// Opens an input.
pub(crate) fn open(path: &Path) -> Result<Input, CommandError> {
    let input = Input::open(path)?;
    roles::reads(input.file(), path)?;
    Ok(input)
}

/// Reads a whole file of at most `limit` bytes. A longer one is a failure of this class: no more of
/// it is read.
pub(crate) fn read_small(path: &Path, limit: u64, class: Class) -> Result<Vec<u8>, CommandError> {
    read_whole(&open(path)?, limit, class)
}

/// Does the same with a file that is open.
pub(crate) fn read_whole(input: &Input, limit: u64, class: Class) -> Result<Vec<u8>, CommandError> {
    let bytes = read_some(input, limit + 1)?;
    if to_u64(bytes.len()) <= limit {
        return Ok(bytes);
    }
    let words = format!("the file is longer than {limit} bytes");
    Err(CommandError::message(class, words).at(input.path()))
}

/// Reads the first `limit` bytes of a file, or all of it.
pub(crate) fn read_start(path: &Path, limit: u64) -> Result<Vec<u8>, CommandError> {
    read_some(&open(path)?, limit)
}

fn read_some(input: &Input, limit: u64) -> Result<Vec<u8>, CommandError> {
    let mut bytes = Vec::new();
    input.file().take(limit).read_to_end(&mut bytes).or_fail(Class::Io, input.path())?;
    Ok(bytes)
}
