//! What a run can end with: the errors of the floors below, and what can happen on the way.
//!
//! An error of the storage is never reported as corruption.

use std::io::{self, ErrorKind};

use crate::io::ReadFailure;
use crate::{BlockRef, FecError, HashAreaError, ParamsError, Report, RootHash, SuperblockError};

/// A failed build or verification.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The cache has no room for what is to be loaded into it.
    #[error("the cache holds {actual} bytes, but all hash blocks take {needed}")]
    CacheTooSmall {
        /// What they take, in bytes.
        needed: u64,
        /// The bound of the cache, in bytes.
        actual: u64,
    },
    /// The caller's [`Progress`](crate::Progress) asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// Blocks are not what the root hash says.
    #[error("{0}")]
    Corrupt(Report),
    /// Parity cannot lie there, or cover that.
    #[error(transparent)]
    Fec(#[from] FecError),
    /// A device could not be made as long as what is to lie on it.
    #[error("cannot make room for {needed} bytes")]
    Grow {
        /// How long it must be, in bytes.
        needed: u64,
        /// The error of the storage.
        source: io::Error,
    },
    /// A place where no hash area can lie.
    #[error(transparent)]
    HashArea(#[from] HashAreaError),
    /// The storage failed outside the blocks: when it was opened, measured or synced.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// More data was pushed than the hash tree covers.
    #[error("more data comes than the {needed} bytes that the hash tree covers")]
    LongData {
        /// The bytes the data blocks take.
        needed: u64,
    },
    /// The data that was kept is not the data that was pushed.
    #[error("the data that was kept is not what was pushed: its root hash is {kept}")]
    OtherData {
        /// The root hash of what was kept.
        kept: RootHash,
    },
    /// Parameters that no hash tree can have.
    #[error(transparent)]
    Params(#[from] ParamsError),
    /// Not even one data block fits together with its hash area, and its parity if there is to be
    /// any.
    #[error("one data block and what goes with it take {needed} bytes, the partition has {actual}")]
    PartitionTooSmall {
        /// What the smallest image takes, in bytes.
        needed: u64,
        /// The size of the partition, in bytes.
        actual: u64,
    },
    /// A block could not be read.
    #[error("cannot read {block}")]
    Read {
        /// The first block that could not be read.
        block: BlockRef,
        /// The error of the storage.
        source: io::Error,
    },
    /// A block of the old image, which a new one is compared with, could not be read.
    #[error("cannot read {block} of the old image")]
    ReadOld {
        /// The first block of the failed read.
        block: BlockRef,
        /// The error of the storage.
        source: io::Error,
    },
    /// Parity could not be read.
    #[error("cannot read the parity of round {round}")]
    ReadParity {
        /// The first round of the failed read.
        round: u64,
        /// The error of the storage.
        source: io::Error,
    },
    /// A block is not right, or cannot be read, and its recovery ended with the failure of a whole
    /// source, which would fail for other blocks too.
    #[error("{block} is not right, and cannot be recovered")]
    Recovery {
        /// The block.
        block: BlockRef,
        /// What the [`Repair`](crate::Repair) has failed with.
        source: io::Error,
    },
    /// The data ends before the last data block.
    #[error("the data has {actual} bytes, but the hash tree covers {needed}")]
    ShortData {
        /// The bytes the data blocks take.
        needed: u64,
        /// The bytes there are.
        actual: u64,
    },
    /// The hash device ends before the last hash block.
    #[error("the hash device has {actual} bytes, but the hash area ends at {needed}")]
    ShortHashArea {
        /// Where the hash area ends, in bytes.
        needed: u64,
        /// The bytes there are.
        actual: u64,
    },
    /// The FEC device ends before the parity does.
    #[error(
        "the FEC device has {actual} bytes, but the parity of {roots} roots over {blocks} blocks \
         ends at {needed}"
    )]
    ShortParity {
        /// Where the parity ends, in bytes.
        needed: u64,
        /// The bytes there are.
        actual: u64,
        /// The roots of the parity.
        roots: u32,
        /// How many blocks it covers.
        blocks: u64,
    },
    /// More was pushed after a push that had failed.
    #[error("the hash tree cannot be finished: an earlier part of the data could not be taken")]
    StreamFailed,
    /// No superblock, or a malformed one.
    #[error(transparent)]
    Superblock(#[from] SuperblockError),
    /// What was written has not reached the storage.
    #[error("cannot sync what was written")]
    Sync {
        /// The error of the storage.
        source: io::Error,
    },
    /// Threads could not be started.
    #[error("cannot start {threads} threads: {reason}")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// The reason that the system gave.
        reason: String,
    },
    /// Blocks cannot be read; all others that could be checked are what the root hash says. Only
    /// of a search for all corrupt blocks, which goes on where a block cannot be read.
    #[error("{0}")]
    Unreadable(Report),
    /// A hash block, or a recovered block, could not be written.
    #[error("cannot write {block}")]
    Write {
        /// The first block of the failed write.
        block: BlockRef,
        /// The error of the storage.
        source: io::Error,
    },
    /// The superblock of a finished hash area could not be written.
    #[error("cannot write the superblock")]
    WriteSuperblock {
        /// The error of the storage.
        source: io::Error,
    },
    /// Parity could not be written.
    #[error("cannot write the parity of round {round}")]
    WriteParity {
        /// The first round of the failed write.
        round: u64,
        /// The error of the storage.
        source: io::Error,
    },
}

/// What kind of failure an [`Error`] is, by what a caller would do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorClass {
    /// What was asked for cannot be: parameters, places, options.
    Argument,
    /// The caller has stopped it.
    Cancelled,
    /// Blocks are not what the root hash says, or data is not what it was.
    Corrupt,
    /// The bytes are not what they claim to be.
    Format,
    /// The storage has failed.
    Io,
    /// It does not fit.
    NoRoom,
    /// Data or a device is shorter or longer than it must be.
    Size,
    /// The system has refused threads.
    Threads,
}

impl ErrorClass {
    /// The name in machine-readable output: one lower-case word, which stays.
    pub fn name(self) -> &'static str {
        match self {
            ErrorClass::Argument => "argument",
            ErrorClass::Cancelled => "cancelled",
            ErrorClass::Corrupt => "corrupt",
            ErrorClass::Format => "format",
            ErrorClass::Io => "io",
            ErrorClass::NoRoom => "no-room",
            ErrorClass::Size => "size",
            ErrorClass::Threads => "threads",
        }
    }
}

impl Error {
    /// What kind of failure it is.
    ///
    /// ```
    /// use verity::{Error, ErrorClass, Params};
    ///
    /// let error = Error::from(Params::builder().data_size(5000).build().unwrap_err());
    /// assert_eq!((error.class(), error.block()), (ErrorClass::Argument, None));
    /// ```
    pub fn class(&self) -> ErrorClass {
        match self {
            Error::CacheTooSmall { .. }
            | Error::Fec(_)
            | Error::HashArea(_)
            | Error::Params(_)
            | Error::StreamFailed
            | Error::Superblock(SuperblockError::Unaligned { .. }) => ErrorClass::Argument,
            Error::Cancelled => ErrorClass::Cancelled,
            Error::Corrupt(_) | Error::OtherData { .. } => ErrorClass::Corrupt,
            Error::Superblock(_) => ErrorClass::Format,
            Error::Grow { .. }
            | Error::Io(_)
            | Error::Read { .. }
            | Error::ReadOld { .. }
            | Error::ReadParity { .. }
            | Error::Recovery { .. }
            | Error::Sync { .. }
            | Error::Unreadable(_)
            | Error::Write { .. }
            | Error::WriteParity { .. }
            | Error::WriteSuperblock { .. } => ErrorClass::Io,
            Error::PartitionTooSmall { .. } => ErrorClass::NoRoom,
            Error::LongData { .. }
            | Error::ShortData { .. }
            | Error::ShortHashArea { .. }
            | Error::ShortParity { .. } => ErrorClass::Size,
            Error::Threads { .. } => ErrorClass::Threads,
        }
    }

    /// The block that is to blame, the first one if there are several; `None` if no block is.
    pub fn block(&self) -> Option<BlockRef> {
        match self {
            Error::Corrupt(report) | Error::Unreadable(report) => {
                report.corruptions.first().map(|range| range.first)
            }
            Error::Read { block, .. }
            | Error::ReadOld { block, .. }
            | Error::Recovery { block, .. }
            | Error::Write { block, .. } => Some(*block),
            _ => None,
        }
    }

    /// The error of the storage, if it was the storage that failed.
    pub fn storage_error(&self) -> Option<&io::Error> {
        match self {
            Error::Grow { source, .. }
            | Error::Io(source)
            | Error::Read { source, .. }
            | Error::ReadOld { source, .. }
            | Error::ReadParity { source, .. }
            | Error::Recovery { source, .. }
            | Error::Sync { source }
            | Error::Write { source, .. }
            | Error::WriteParity { source, .. }
            | Error::WriteSuperblock { source } => Some(source),
            _ => None,
        }
    }

    /// The kind of the error as one of input and output. What is interrupted is to be tried again,
    /// and that was done: it is [`ErrorKind::Other`].
    pub(crate) fn io_kind(&self) -> ErrorKind {
        let kind = match (self, self.storage_error()) {
            (_, Some(source)) => source.kind(),
            (Error::Corrupt(_), _) => ErrorKind::InvalidData,
            _ => ErrorKind::Other,
        };
        if kind == ErrorKind::Interrupted { ErrorKind::Other } else { kind }
    }

    /// What was asked for, or `None` where a single block is to blame that is corrupt or cannot be
    /// read.
    ///
    /// # Errors
    /// Every failure that is not about a block: others would follow.
    pub(crate) fn unless_of_block<T>(asked: Result<T, Error>) -> Result<Option<T>, Error> {
        match asked {
            Ok(told) => Ok(Some(told)),
            Err(error) if error.is_about_source() => Err(error),
            Err(_) => Ok(None),
        }
    }
}

/// Has the kind of the storage's error, and [`ErrorKind::InvalidData`] where blocks are corrupt.
impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        io::Error::new(error.io_kind(), error)
    }
}

impl ReadFailure for Error {
    fn is_about_source(&self) -> bool {
        match self {
            Error::Corrupt(_) => false,
            Error::Read { source, .. } => source.is_about_source(),
            _ => true,
        }
    }
}
