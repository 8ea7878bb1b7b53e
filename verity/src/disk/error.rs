//! What can be wrong with a partition table.

use std::io;
use std::sync::Arc;

use uuid::Uuid;

use super::label::LabelError;
use super::{SectorSize, TableCopy};

/// Why one copy of a table cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyFault {
    /// The array lies where partitions or headers do, or beyond the disk.
    #[error("its entries lie at sector {lba}, where they cannot")]
    ArrayPlace {
        /// The first sector of the array.
        lba: u64,
    },
    /// The array is not that of the header.
    #[error("the checksum of its entries is wrong")]
    ArrayChecksum,
    /// The array is empty, or larger than any that is read.
    #[error(
        "it has {entries} entries of {size} bytes: sizes are 128, 256, 512, ..., and 512 KiB is \
         the most that is read"
    )]
    ArraySize {
        /// How many entries the header states.
        entries: u32,
        /// The size that it states for one, in bytes.
        size: u32,
    },
    /// A partition ends before it begins, or lies outside the usable sectors.
    #[error("partition {number} has the sectors {first} to {last}, which cannot be")]
    Bounds {
        /// The number of the partition.
        number: u32,
        /// The first sector that the entry states.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// The header is not what was written there.
    #[error("the checksum of its header is wrong")]
    HeaderChecksum,
    /// A header of an impossible size.
    #[error("its header has {size} bytes")]
    HeaderSize {
        /// The size that the header states, in bytes.
        size: u32,
    },
    /// Two partitions share sectors.
    #[error("partitions {first} and {second} overlap")]
    Overlap {
        /// The number of one partition.
        first: u32,
        /// The number of the other one.
        second: u32,
    },
    /// The header lies elsewhere than it says, or names an impossible place for the other one.
    #[error("its header is at sector {lba} and says {own}, the other at {other}")]
    Place {
        /// Where it was read.
        lba: u64,
        /// Where it says it is.
        own: u64,
        /// Where it says the other header is.
        other: u64,
    },
    /// A header of a later specification.
    #[error("its header has the unknown revision {revision:#010x}")]
    Revision {
        /// The revision.
        revision: u32,
    },
    /// There is no header.
    #[error("there is no header")]
    Signature,
    /// The sectors that it states for partitions are none, or beyond the disk.
    #[error("its partitions may lie from sector {first} to {last}, on a disk of {sectors} sectors")]
    Usable {
        /// The first one.
        first: u64,
        /// The last one.
        last: u64,
        /// How many sectors the disk has.
        sectors: u64,
    },
    /// It could not be read.
    #[error("it cannot be read: {0}")]
    Unreadable(Arc<io::Error>),
}

/// What is noticed about a table that can be used.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Bytes that no checksum covers, and that are to be zero, are not.
    #[error("bytes behind the header of the {copy} table are not zero")]
    BehindHeader {
        /// Which copy.
        copy: TableCopy,
    },
    /// One copy is not used.
    #[error("the {copy} table is bad: {fault}")]
    Copy {
        /// Which copy.
        copy: TableCopy,
        /// What is wrong with it.
        fault: CopyFault,
    },
    /// Both copies are whole, and not the same table.
    #[error("the backup table is another one than the primary, which is used")]
    Differ,
    /// Two partitions have one UUID, so that nothing found by it is certain.
    #[error("partitions {first} and {second} have the UUID {uuid}")]
    DuplicateUuid {
        /// The UUID of both.
        uuid: Uuid,
        /// The number of one partition.
        first: u32,
        /// The number of the other one.
        second: u32,
    },
    /// The disk is larger than the table knows: the backup is in the middle.
    #[error(
        "the backup table is at sector {backup}, and the last sector is {last}: the disk has grown"
    )]
    Grown {
        /// Where the backup header lies.
        backup: u64,
        /// The last sector of the disk.
        last: u64,
    },
    /// There are partitions in LBA 0 too.
    #[error("LBA 0 has partitions of its own (a hybrid MBR): this disk is not written")]
    Hybrid,
    /// Nothing says to old tools that there is a table.
    #[error("LBA 0 has no protective record: Linux finds no partitions here")]
    Unprotected,
}

/// Why a disk has no table that can be used, or a table cannot be changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiskError {
    /// There are tables for both sizes of sectors.
    #[error(
        "there is a partition table for sectors of 512 and one for sectors of 4096 bytes: which is \
         meant is for nobody to guess"
    )]
    Ambiguous,
    /// Neither copy can be used.
    #[error(
        "no usable partition table for sectors of {sector_size} bytes: of the primary, {primary}; \
         of the backup, {backup}"
    )]
    Broken {
        /// The sectors in which it was looked for.
        sector_size: SectorSize,
        /// What is wrong with the primary.
        primary: CopyFault,
        /// What is wrong with the backup.
        backup: CopyFault,
    },
    /// Entries of another size are read, and never written.
    #[error("entries of {size} bytes are not written: 128 is the usual size")]
    EntrySize {
        /// The size of an entry, in bytes.
        size: u32,
    },
    /// A disk with partitions in LBA 0 is not written.
    #[error("LBA 0 has partitions of its own (a hybrid MBR), so that nothing is written")]
    Hybrid,
    /// The disk cannot be measured.
    #[error("{0}")]
    Io(#[source] io::Error),
    /// Text that cannot be a label.
    #[error(transparent)]
    Label(#[from] LabelError),
    /// There is no such partition.
    #[error("there is no partition {number}")]
    NoPartition {
        /// The number that was asked for.
        number: u32,
    },
    /// A copy of the table has no room.
    #[error("the {copy} table has no room: partitions lie where it goes")]
    NoRoom {
        /// Which copy.
        copy: TableCopy,
    },
    /// There is no table, for any size of sectors.
    #[error("no partition table (GPT) here")]
    NoTable,
    /// The partitions of a new table do not fit together.
    #[error("this table cannot be: {0}")]
    Plan(#[source] CopyFault),
    /// Two partitions of a new or changed table have one UUID.
    #[error("two partitions cannot have the UUID {uuid}")]
    SameUuid {
        /// The UUID of both.
        uuid: Uuid,
    },
}
