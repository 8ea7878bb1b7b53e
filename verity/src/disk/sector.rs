//! The sectors that a table counts in, and the two copies of it.

use std::fmt;

/// The size of a logical sector of a disk. No table says it: it follows from where the table lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SectorSize {
    /// 512 bytes.
    S512,
    /// 4096 bytes.
    S4096,
}

impl SectorSize {
    /// All of them, in the order in which a table is looked for.
    pub const ALL: [SectorSize; 2] = [SectorSize::S512, SectorSize::S4096];

    /// The size of that many bytes, if a table can count in it.
    pub fn new(bytes: u32) -> Option<SectorSize> {
        SectorSize::ALL.into_iter().find(|size| size.bytes() == u64::from(bytes))
    }

    /// The size in bytes.
    pub const fn bytes(self) -> u64 {
        match self {
            SectorSize::S512 => 512,
            SectorSize::S4096 => 4096,
        }
    }

    /// How many whole sectors so many bytes have.
    pub(super) const fn whole_sectors(self, bytes: u64) -> u64 {
        match self {
            SectorSize::S512 => bytes / 512,
            SectorSize::S4096 => bytes / 4096,
        }
    }

    /// The size as the length of a buffer.
    pub(super) const fn len(self) -> usize {
        match self {
            SectorSize::S512 => 512,
            SectorSize::S4096 => 4096,
        }
    }
}

impl fmt::Display for SectorSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes().fmt(f)
    }
}

/// One of the two copies of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TableCopy {
    /// The copy at the start of the disk, which everybody reads first.
    Primary,
    /// The copy at the end of the disk.
    Backup,
}

impl TableCopy {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            TableCopy::Primary => "primary",
            TableCopy::Backup => "backup",
        }
    }
}

impl fmt::Display for TableCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
