//! Errors of the library as failures of a command: their class, and the file that they are about.

use std::io;
use std::path::Path;

#[cfg(feature = "http")]
use verity::io::http::HttpError;
use verity::{Error, FecError, HashAreaError, Params};

use crate::error::{Class, CommandError};
use crate::signals::Signals;

/// A library error with its class and the file that it is about.
pub(crate) fn from_library(
    error: Error,
    data: &Path,
    hash: &Path,
    signals: &Signals,
) -> CommandError {
    if matches!(error, Error::Cancelled) {
        return signals.error();
    }
    if let Error::CacheTooSmall { needed, .. } = error {
        let words = format!("{error}: --preload needs --cache-size {needed} or more, or none");
        return CommandError::usage(words);
    }
    let path = culprit(&error, data, hash);
    let failure = CommandError::new(class_of(&error), error);
    match path {
        Some(path) => failure.at(path),
        None => failure,
    }
}

/// A refusal of [`verity::Devices::check`]: about which file it is, and what the caller can do, if
/// the end of the data is the caller's to say. Then these are the parameters so far.
pub(crate) fn refused_place(
    error: Error,
    [data, hash, fec]: [&Path; 3],
    to_say: Option<&Params>,
) -> CommandError {
    let path = match error {
        Error::ShortData { .. } => data,
        Error::Fec(_) | Error::ShortParity { .. } => fec,
        _ => hash,
    };
    let hint = match (&error, to_say) {
        (Error::HashArea(HashAreaError::OverlapsData { offset, .. }), Some(params)) => {
            room_for("--hash-offset", *offset, params)
        }
        (Error::Fec(FecError::OverlapsData { offset, .. }), Some(params)) => {
            room_for("--fec-offset", *offset, params)
        }
        _ => String::new(),
    };
    CommandError::message(class_of(&error), format!("{error}{hint}")).at(path)
}

/// What to do where the data does not end before `offset` bytes of its own device, where an option
/// puts something.
fn room_for(option: &str, offset: u64, params: &Params) -> String {
    match offset / u64::from(params.data_block_size()) {
        0 => format!("; {option} puts it behind the data, --data-blocks says where that ends"),
        blocks => format!("; --data-blocks says where the data ends: at most {blocks}"),
    }
}

/// The class of a library error.
pub(crate) fn class_of(error: &Error) -> Class {
    match error {
        Error::Fec(_)
        | Error::HashArea(_)
        | Error::Params(_)
        | Error::PartitionTooSmall { .. }
        | Error::ShortData { .. }
        | Error::ShortHashArea { .. }
        | Error::ShortParity { .. }
        | Error::Superblock(_) => Class::Metadata,
        Error::CacheTooSmall { .. } => Class::Usage,
        Error::Corrupt(_) => Class::NotVerified,
        Error::Read { source, .. }
        | Error::ReadOld { source, .. }
        | Error::ReadParity { source, .. }
        | Error::Recovery { source, .. }
        | Error::Io(source)
            if is_change(source) =>
        {
            Class::Changed
        }
        _ => Class::Io,
    }
}

/// Which of the two devices an error is about.
fn culprit<'a>(error: &Error, data: &'a Path, hash: &'a Path) -> Option<&'a Path> {
    match error {
        Error::Read { block, .. } | Error::Write { block, .. } | Error::Recovery { block, .. } => {
            Some(if block.level().is_none() { data } else { hash })
        }
        Error::ShortData { .. } => Some(data),
        Error::HashArea(_) | Error::ShortHashArea { .. } | Error::Superblock(_) => Some(hash),
        _ => None,
    }
}

/// Whether a failed read means that the file on the server is another one now.
pub(crate) fn is_change(error: &io::Error) -> bool {
    let Some(cause) = error.get_ref() else { return false };
    #[cfg(feature = "http")]
    if matches!(cause.downcast_ref(), Some(HttpError::Changed { .. })) {
        return true;
    }
    // What a recovery has failed with.
    cause.downcast_ref().is_some_and(|error| class_of(error) == Class::Changed)
}
