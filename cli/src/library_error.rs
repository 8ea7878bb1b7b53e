//! Errors of the library as failures of a command: their class, and the file that they are about.

use std::io;
use std::path::Path;

#[cfg(feature = "http")]
use verity::io::http::HttpError;

use crate::error::{Class, CommandError};
use crate::signals::Signals;

/// A library error with its class and the file it is about.
pub(crate) fn from_library(
    error: verity::Error,
    data: &Path,
    hash: &Path,
    signals: &Signals,
) -> CommandError {
    if matches!(error, verity::Error::Cancelled) {
        return signals.error();
    }
    let path = culprit(&error, data, hash);
    let failure = CommandError::new(class_of(&error), error);
    match path {
        Some(path) => failure.at(path),
        None => failure,
    }
}

/// The class of a library error that is not about corruption.
pub(crate) fn class_of(error: &verity::Error) -> Class {
    match error {
        verity::Error::Fec(_)
        | verity::Error::HashArea(_)
        | verity::Error::Params(_)
        | verity::Error::PartitionTooSmall { .. }
        | verity::Error::ShortData { .. }
        | verity::Error::ShortHashArea { .. }
        | verity::Error::Superblock(_) => Class::Metadata,
        verity::Error::CacheTooSmall { .. } => Class::Usage,
        verity::Error::Corrupt(_) => Class::NotVerified,
        verity::Error::Read { source, .. }
        | verity::Error::ReadParity { source, .. }
        | verity::Error::Io(source)
            if is_change(source) =>
        {
            Class::Changed
        }
        _ => Class::Io,
    }
}

/// Which of the two devices an error is about.
fn culprit<'a, T: ?Sized>(error: &verity::Error, data: &'a T, hash: &'a T) -> Option<&'a T> {
    use verity::Error;
    match error {
        Error::Read { block, .. } | Error::Write { block, .. } => {
            Some(if block.level().is_none() { data } else { hash })
        }
        Error::ShortData { .. } => Some(data),
        Error::HashArea(_) | Error::ShortHashArea { .. } | Error::Superblock(_) => Some(hash),
        _ => None,
    }
}

/// Whether a failed read means that the file on the server is another one now.
pub(crate) fn is_change(error: &io::Error) -> bool {
    #[cfg(feature = "http")]
    if let Some(cause) = error.get_ref() {
        return matches!(cause.downcast_ref(), Some(HttpError::Changed { .. }));
    }
    let _ = error;
    false
}
