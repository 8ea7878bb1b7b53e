//! The commands, one file each: options in, an outcome or an error out.
//!
//! They touch files and call the libraries. They know nothing of argument syntax, print nothing but warnings
//! (through `tracing`) and never end the process, so that another front end can call them as they are.

pub(crate) mod attach_signature;
pub(crate) mod build;
pub(crate) mod check;
pub(crate) mod dump;
pub(crate) mod format;
pub(crate) mod lint;
pub(crate) mod plan;
pub(crate) mod prepare_signature;
pub(crate) mod read;
pub(crate) mod repair;
pub(crate) mod serve;
pub(crate) mod sign;
pub(crate) mod table;
pub(crate) mod verify;

use std::num::NonZeroUsize;
use std::path::Path;
use std::thread;

use verity::internals::{FecPlatform, Platform};
use verity::{Algorithm, Superblock};

use crate::error::{Class, CommandError};
use crate::image::{Device, device};
use crate::signals::Signals;

/// What every command is given beside its options.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) signals: Signals,
    /// Whose kernels hash; the fastest ones unless given.
    pub(crate) platform: Option<Platform>,
    /// Whose kernels make parity; the fastest ones unless given.
    pub(crate) fec_platform: Option<FecPlatform>,
    /// Whether what is said before the outcome is JSON too.
    pub(crate) json: bool,
}

impl Context {
    /// Whose kernels hash by this algorithm; `--verbose` says so.
    pub(crate) fn platform(&self, algorithm: Algorithm) -> Platform {
        let platform = self.platform.unwrap_or_else(|| Platform::detect(algorithm));
        tracing::debug!("platform: {platform}");
        platform
    }

    /// Whose kernels make parity.
    pub(crate) fn fec_platform(&self) -> FecPlatform {
        self.fec_platform.unwrap_or_else(FecPlatform::detect)
    }
}

/// What a command has done or found out.
#[derive(Debug)]
pub(crate) enum Outcome {
    Built(build::Built),
    Checked(check::Checked),
    Dumped(crate::report::header::Header),
    Formatted(crate::report::header::Header),
    Linted(lint::Linted),
    Planned(plan::Sizes),
    Prepared(prepare_signature::Prepared),
    Read(read::Copied),
    Repaired(repair::Repaired),
    Served(serve::Served),
    Signed(sign::Signed),
    Table(table::Line),
    Verified(verify::Verification),
}

/// The number of threads that was asked for, or one for each processor.
pub(crate) fn threads_or_all(threads: Option<NonZeroUsize>) -> NonZeroUsize {
    threads.or_else(|| thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN)
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
            if device::is_change(source) =>
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

/// A library error with its class and the file it is about.
pub(crate) fn from_library(
    error: verity::Error,
    data: &Path,
    hash: &Path,
    context: &Context,
) -> CommandError {
    if matches!(error, verity::Error::Cancelled) {
        return context.signals.error();
    }
    let path = culprit(&error, data, hash);
    let failure = CommandError::new(class_of(&error), error);
    match path {
        Some(path) => failure.at(path),
        None => failure,
    }
}

/// Reads the superblock at `offset` bytes of a hash device.
pub(crate) fn read_superblock(
    hash: &Device,
    offset: u64,
    context: &Context,
) -> Result<Superblock, CommandError> {
    Superblock::read(hash, offset)
        .map_err(|error| from_library(error, hash.path(), hash.path(), context))
}
