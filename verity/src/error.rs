//! What can go wrong while building and verifying, and where.
//!
//! Corruption is data, not text: which block, which digest was expected, which one it has. An error of the
//! storage is never reported as corruption.

use std::fmt;
use std::io;

use crate::{Digest, FecError, HashAreaError, ParamsError, Report, SuperblockError};

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
    /// A place where no hash area can lie.
    #[error(transparent)]
    HashArea(#[from] HashAreaError),
    /// The storage failed outside the blocks: when it was opened, measured or synced.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Parameters that no hash tree can have.
    #[error(transparent)]
    Params(#[from] ParamsError),
    /// Not even one data block and its hash area fit.
    #[error("one data block and its hash area take {needed} bytes, the partition has {actual}")]
    PartitionTooSmall {
        /// What the smallest image takes, in bytes.
        needed: u64,
        /// The size of the partition, in bytes.
        actual: u64,
    },
    /// Parity cannot lie there, or cover that.
    #[error(transparent)]
    Fec(#[from] FecError),
    /// A block could not be read.
    #[error("cannot read {block}")]
    Read {
        /// The first block that could not be read.
        block: BlockRef,
        /// What the storage said.
        source: io::Error,
    },
    /// Parity could not be read.
    #[error("cannot read the parity of round {round}")]
    ReadParity {
        /// The first round of the failed read.
        round: u64,
        /// What the storage said.
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
    /// No superblock, or a malformed one.
    #[error(transparent)]
    Superblock(#[from] SuperblockError),
    /// Threads could not be started.
    #[error("cannot start {threads} threads: {reason}")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// What the system said.
        reason: String,
    },
    /// A hash block, or a recovered block, could not be written.
    #[error("cannot write {block}")]
    Write {
        /// The first block of the failed write.
        block: BlockRef,
        /// What the storage said.
        source: io::Error,
    },
    /// Parity could not be written.
    #[error("cannot write the parity of round {round}")]
    WriteParity {
        /// The first round of the failed write.
        round: u64,
        /// What the storage said.
        source: io::Error,
    },
}

/// One block of the data or of the hash tree.
///
/// Ordered as verification reports: higher hash levels, lower hash levels, data, each by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BlockRef {
    /// A data block.
    Data {
        /// Its number, from 0.
        block: u64,
    },
    /// A hash block.
    Hash {
        /// Its level; 0 is the lowest.
        level: u8,
        /// Its number within the level, from 0.
        block: u64,
    },
}

impl BlockRef {
    /// The block's number within the data or within its level.
    pub fn block(self) -> u64 {
        match self {
            BlockRef::Data { block } | BlockRef::Hash { block, .. } => block,
        }
    }

    /// The hash level, or none for data.
    pub fn level(self) -> Option<u8> {
        match self {
            BlockRef::Data { .. } => None,
            BlockRef::Hash { level, .. } => Some(level),
        }
    }
}

impl PartialOrd for BlockRef {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for BlockRef {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        // `None`, the data, sorts below every level, so comparing the levels in reverse puts it last.
        other.level().cmp(&self.level()).then(self.block().cmp(&other.block()))
    }
}

impl fmt::Display for BlockRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BlockRef::Data { block } => write!(f, "data block {block}"),
            BlockRef::Hash { level, block } => write!(f, "hash level {level} block {block}"),
        }
    }
}

/// Why a block is not what the tree says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Corruption {
    /// Its digest is not the one its parent (or the root hash) states.
    Digest {
        /// The digest its parent states.
        expected: Digest,
        /// The digest it has.
        actual: Digest,
    },
    /// A hash block whose digest is right, but whose unused bytes are not zero.
    SpareBytes {
        /// The first such byte, counted from the start of the block.
        offset: u64,
    },
    /// It cannot be read. Only a repair counts such a block as corrupt; elsewhere it is an error of the storage.
    Unreadable {
        /// What the storage said.
        kind: io::ErrorKind,
    },
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Corruption::Digest { expected, actual } => {
                write!(f, "expected digest {expected}, actual {actual}")
            }
            Corruption::SpareBytes { offset } => {
                write!(f, "unused byte at {offset} in the block is not zero")
            }
            Corruption::Unreadable { kind } => write!(f, "it cannot be read: {kind}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn higher_levels_come_first_and_data_last() {
        let ordered = [
            BlockRef::Hash { level: 2, block: 0 },
            BlockRef::Hash { level: 1, block: 0 },
            BlockRef::Hash { level: 1, block: 7 },
            BlockRef::Hash { level: 0, block: 0 },
            BlockRef::Data { block: 0 },
            BlockRef::Data { block: 1 },
        ];
        let mut sorted = ordered;
        sorted.reverse();
        sorted.sort();
        assert_eq!(sorted, ordered);
    }
}
