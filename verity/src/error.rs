//! What a run can end with: the errors of the floors below, and what can happen on the way.
//!
//! An error of the storage is never reported as corruption.

use std::io;

use crate::io::ReadFailure;
use crate::{BlockRef, FecError, HashAreaError, ParamsError, Report, SuperblockError};

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
    /// A place where no hash area can lie.
    #[error(transparent)]
    HashArea(#[from] HashAreaError),
    /// The storage failed outside the blocks: when it was opened, measured or synced.
    #[error(transparent)]
    Io(#[from] io::Error),
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
    /// No superblock, or a malformed one.
    #[error(transparent)]
    Superblock(#[from] SuperblockError),
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
    /// Parity could not be written.
    #[error("cannot write the parity of round {round}")]
    WriteParity {
        /// The first round of the failed write.
        round: u64,
        /// The error of the storage.
        source: io::Error,
    },
}

impl Error {
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

impl ReadFailure for Error {
    fn is_about_source(&self) -> bool {
        match self {
            Error::Corrupt(_) => false,
            Error::Read { source, .. } => source.is_about_source(),
            _ => true,
        }
    }
}
