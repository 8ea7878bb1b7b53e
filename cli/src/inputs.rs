//! Opening and reading files that are named on the command line, and the class of what can go
//! wrong.
//!
//! Everything here fails closed: a file that is missing, unreadable or too long is an error.

use std::io::Read;
use std::path::Path;

use verity::internals::to_u64;
use verity::publish::{Input, PublishError};

use crate::error::{Class, CommandError, OrFail};

/// Opens an input.
pub(crate) fn open(path: &Path) -> Result<Input, CommandError> {
    Ok(Input::open(path)?)
}

/// Reads a whole file of at most `limit` bytes. A longer one is a failure of this class: no more of
/// it is read.
pub(crate) fn read_small(path: &Path, limit: u64, class: Class) -> Result<Vec<u8>, CommandError> {
    let bytes = read_start(path, limit + 1)?;
    if to_u64(bytes.len()) <= limit {
        return Ok(bytes);
    }
    let words = format!("the file is longer than {limit} bytes");
    Err(CommandError::message(class, words).at(path))
}

/// Reads the first `limit` bytes of a file, or all of it.
pub(crate) fn read_start(path: &Path, limit: u64) -> Result<Vec<u8>, CommandError> {
    let input = open(path)?;
    let mut bytes = Vec::new();
    input.file().take(limit).read_to_end(&mut bytes).or_fail(Class::Io, path)?;
    Ok(bytes)
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
