//! `verity image grow`: the partition table of a disk that has grown takes in all of it.

use std::path::PathBuf;

use verity::disk::{Fault, SectorSize, Table};

use crate::disks;
use crate::error::CommandError;
use crate::image::LockedDisk;
use crate::roles;
use crate::storage;

/// Which disk, and whether anything is to be written.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) disk: PathBuf,
    pub(crate) dry_run: bool,
}

/// How far a table reaches, before and after.
#[derive(Debug)]
pub(crate) struct Grown {
    pub(crate) disk: PathBuf,
    pub(crate) sector_size: SectorSize,
    pub(crate) sectors: u64,
    pub(crate) before: Reach,
    pub(crate) after: Reach,
    /// Whether anything was to be written, and was.
    pub(crate) is_written: bool,
    /// Whether a reader of the primary table alone finds one at any moment.
    pub(crate) is_atomic: bool,
}

/// Where a table ends, in sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    /// That of the backup's header.
    pub(crate) backup: u64,
    /// The last one that partitions may have.
    pub(crate) last_usable: u64,
}

impl Reach {
    fn of(table: &Table) -> Reach {
        Reach { backup: table.backup_lba(), last_usable: table.usable().1 }
    }
}

/// Moves the backup to the end of the disk, if it is not there.
pub(crate) fn run(options: &Options) -> Result<Grown, CommandError> {
    let path = &options.disk;
    // Locked before the table is read, until it is written.
    roles::names_output(path)?;
    let disk = LockedDisk::open(path)?;
    let mut table = disks::read_quietly(disk.file(), storage::sector_size(disk.file()), path)?;
    disks::warn_of(table.faults().iter().filter(|it| !matches!(it, Fault::Grown { .. })), path);
    let mut grown = Grown {
        disk: path.clone(),
        sector_size: table.sector_size(),
        sectors: table.sectors(),
        before: Reach::of(&table),
        after: Reach::of(&table),
        is_written: false,
        is_atomic: true,
    };
    let failed = |error| disks::failed(error, path);
    table.move_backup_to_end().map_err(failed)?;
    grown.after = Reach::of(&table);
    // What else is wrong with a table is not what was asked for.
    if grown.after == grown.before {
        return Ok(grown);
    }
    let update = table.update().map_err(failed)?;
    grown.is_atomic = update.is_atomic();
    if !options.dry_run {
        disk.write_table(&update, path)?;
        grown.is_written = true;
    }
    Ok(grown)
}
