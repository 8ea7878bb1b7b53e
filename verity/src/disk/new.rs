//! A new table.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::number::to_len;

use super::copy::{PRIMARY_LBA, WholeCopy};
use super::entry::{ENTRY_LEN, Entry};
use super::error::{CopyFault, DiskError};
use super::header::Header;
use super::mbr::Mbr;
use super::table::HEAD_LEN;
use super::{Attributes, Label, SectorSize, Table, TableCopy};

/// A partition of a new table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPartition {
    /// What it is for.
    pub type_guid: Uuid,
    /// The UUID of it alone.
    pub uuid: Uuid,
    /// The first sector.
    pub first_lba: u64,
    /// The last sector, which still belongs to it.
    pub last_lba: u64,
    /// The attribute bits.
    pub attributes: Attributes,
    /// The name.
    pub label: Label,
}

/// The usual number of entries, and the least.
pub(super) const ENTRIES: u32 = 128;

impl SectorSize {
    /// The sectors of the array of a new table.
    pub(super) const fn array_sectors(self) -> u64 {
        match self {
            SectorSize::S512 => 16384 / 512,
            SectorSize::S4096 => 16384 / 4096,
        }
    }

    /// The first sector of a new table's disk that a partition may have: 34 or 6.
    pub const fn first_usable(self) -> u64 {
        self.array_sectors().saturating_add(PRIMARY_LBA + 1)
    }

    /// How many sectors at the end of a disk are the backup's.
    pub const fn backup_sectors(self) -> u64 {
        self.array_sectors().saturating_add(1)
    }
}

impl Table {
    /// A table for a disk that has none: 128 entries, everything between its copies usable.
    /// Partition n is the n-th of these; those that are `None` are not there.
    ///
    /// [`Table::update`] has both copies and LBA 0, and counts on no byte of the disk.
    ///
    /// # Errors
    /// [`DiskError::Plan`] when partitions overlap, lie outside or are too many,
    /// [`DiskError::SameUuid`] when two have one UUID.
    pub fn new(
        sector_size: SectorSize,
        sectors: u64,
        disk: Uuid,
        partitions: &[Option<NewPartition>],
    ) -> Result<Table, DiskError> {
        let (first, end) = (sector_size.first_usable(), sector_size.backup_sectors());
        let last = sectors.checked_sub(end.saturating_add(1)).filter(|last| *last >= first);
        let is_countable = sectors.checked_mul(sector_size.bytes()).is_some();
        let last = last.filter(|_| is_countable).ok_or(DiskError::Plan(CopyFault::Usable {
            first,
            last: 0,
            sectors,
        }))?;
        let mut header = Header::new(sector_size.len(), disk);
        header.place(PRIMARY_LBA, sectors.saturating_sub(1), PRIMARY_LBA + 1);
        header.set_usable(first, last);
        header.set_array(ENTRIES, 128);
        let content = WholeCopy { header, array: array(partitions)? };
        content.check_entries().map_err(DiskError::Plan)?;
        let mut head = vec![0; HEAD_LEN];
        Mbr::protect(&mut head, sectors);
        let (primary, backup, chosen) = (None, None, TableCopy::Primary);
        let mut table =
            Table { sector_size, sectors, head, primary, backup, chosen, content, faults: vec![] };
        table.content.seal();
        Ok(table)
    }
}

fn array(partitions: &[Option<NewPartition>]) -> Result<Vec<u8>, DiskError> {
    let mut array = vec![0; to_len(u64::from(ENTRIES)).saturating_mul(ENTRY_LEN)];
    if partitions.len() > to_len(u64::from(ENTRIES)) {
        let entries = u32::try_from(partitions.len()).unwrap_or(u32::MAX);
        return Err(DiskError::Plan(CopyFault::ArraySize { entries, size: 128 }));
    }
    let mut uuids = BTreeSet::new();
    for (bytes, partition) in array.chunks_exact_mut(ENTRY_LEN).zip(partitions) {
        let Some(partition) = partition else { continue };
        if !uuids.insert(partition.uuid) {
            return Err(DiskError::SameUuid { uuid: partition.uuid });
        }
        let mut entry = Entry(bytes);
        entry.set_type_guid(partition.type_guid);
        entry.set_uuid(partition.uuid);
        entry.set_sectors(partition.first_lba, partition.last_lba);
        entry.set_attributes(partition.attributes);
        entry.set_label(&partition.label);
    }
    Ok(array)
}
