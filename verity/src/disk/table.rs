//! The partition table of a disk: which of its copies is used, and what is wrong with the other.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::io::ReadAt;
use crate::number::to_len;

use super::copy::{PRIMARY_LBA, Sectors, WholeCopy, array_sectors};
use super::entry::{ENTRY_LEN, Entry};
use super::error::{CopyFault, DiskError, Fault};
use super::header::Header;
use super::mbr::Mbr;
use super::{Attributes, Label, Partition, SectorSize, TableCopy};

/// The partition table of a disk.
///
/// Changes stand in memory until the [`Update`](super::Update) that they make is applied. Who
/// writes holds the disk's lock from before the table is read.
///
/// ```
/// use std::sync::Mutex;
/// use verity::Uuid;
/// use verity::disk::{Attributes, NewPartition, SectorSize, Table};
///
/// let root = NewPartition {
///     type_guid: Uuid::from_u128(0x4f68bce3_e8cd_4db1_96e7_fbcaf984b709),
///     uuid: Uuid::from_u128(1),
///     first_lba: 2048,
///     last_lba: 4095,
///     attributes: Attributes::default(),
///     label: "root".parse()?,
/// };
/// let table = Table::new(SectorSize::S512, 8192, Uuid::from_u128(2), &[Some(root)])?;
/// let disk = Mutex::new(vec![0; 8192 * 512]);
/// table.update()?.apply(&disk)?;
///
/// let read = Table::read(&disk, None)?;
/// assert_eq!(read.partition(1)?.range(), 2048 * 512..4096 * 512);
/// assert!(read.faults().is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Table {
    pub(super) sector_size: SectorSize,
    /// The sectors of the disk.
    pub(super) sectors: u64,
    /// The first 4096 bytes of the disk, as they are there.
    pub(super) head: Vec<u8>,
    /// The copies as they are on the disk, as far as they can be used.
    pub(super) primary: Option<WholeCopy>,
    pub(super) backup: Option<WholeCopy>,
    pub(super) chosen: TableCopy,
    /// What the table is to be, in the form of the chosen copy.
    pub(super) content: WholeCopy,
    pub(super) faults: Vec<Fault>,
}

/// How much of the start of a disk goes with one write.
pub(super) const HEAD_LEN: usize = 4096;

impl Table {
    /// Reads the table of a disk or of an image of one. Without a size of sectors, which a block
    /// device knows of itself, both are tried.
    ///
    /// At most 2 MiB are read, whatever the disk says.
    ///
    /// # Errors
    /// [`DiskError::NoTable`], [`DiskError::Broken`] when neither copy can be used,
    /// [`DiskError::Ambiguous`] when there is one for each size of sectors.
    pub fn read<R: ReadAt + ?Sized>(
        disk: &R,
        sector_size: Option<SectorSize>,
    ) -> Result<Table, DiskError> {
        let len = disk.len().map_err(DiskError::Io)?;
        let sizes = match &sector_size {
            Some(size) => std::slice::from_ref(size),
            None => &SectorSize::ALL[..],
        };
        let found: Vec<_> =
            sizes.iter().filter_map(|size| Headers::read(disk, *size, len)).collect();
        let headers = match found.iter().filter(|headers| headers.primary.is_ok()).count() {
            1 => found.into_iter().find(|headers| headers.primary.is_ok()),
            0 => one(found.into_iter().filter(Headers::is_some))?,
            _ => return Err(DiskError::Ambiguous),
        };
        match headers {
            Some(headers) => headers.table(),
            None => Err(DiskError::NoTable),
        }
    }

    /// The size of the sectors that the table counts in.
    pub fn sector_size(&self) -> SectorSize {
        self.sector_size
    }

    /// The sectors of the disk.
    pub fn sectors(&self) -> u64 {
        self.sectors
    }

    /// The UUID of the disk.
    pub fn disk_uuid(&self) -> Uuid {
        self.content.header.disk_uuid()
    }

    /// The first and the last sector that partitions may have.
    pub fn usable(&self) -> (u64, u64) {
        (self.content.header.first_usable(), self.content.header.last_usable())
    }

    /// The sector in which the header of the backup lies, or is to lie.
    pub fn backup_lba(&self) -> u64 {
        self.content.backup_lba()
    }

    /// How many partitions there is room for.
    pub fn entries(&self) -> u32 {
        self.content.header.entries()
    }

    /// The copy that was read: the primary, unless it cannot be used.
    pub fn chosen(&self) -> TableCopy {
        self.chosen
    }

    /// What is wrong with the other copy, with LBA 0 and with the table itself.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// What LBA 0 says.
    pub fn mbr(&self) -> Mbr {
        Mbr::of(&self.head)
    }

    /// The partitions, by number.
    pub fn partitions(&self) -> impl Iterator<Item = Partition> {
        self.content.used().map(|(number, entry)| Partition {
            number,
            type_guid: entry.type_guid(),
            uuid: entry.uuid(),
            first_lba: entry.first_lba(),
            last_lba: entry.last_lba(),
            sector_size: self.sector_size,
            attributes: entry.attributes(),
            label: entry.label(),
        })
    }

    /// The partition with this number.
    ///
    /// # Errors
    /// [`DiskError::NoPartition`].
    pub fn partition(&self, number: u32) -> Result<Partition, DiskError> {
        let mut partitions = self.partitions();
        partitions.find(|found| found.number == number).ok_or(DiskError::NoPartition { number })
    }

    /// Gives a partition other attributes.
    ///
    /// # Errors
    /// [`DiskError::NoPartition`].
    pub fn set_attributes(&mut self, number: u32, to: Attributes) -> Result<(), DiskError> {
        self.edit(number, |entry| entry.set_attributes(to))
    }

    /// Gives a partition another type.
    ///
    /// # Errors
    /// [`DiskError::NoPartition`].
    pub fn set_type_guid(&mut self, number: u32, to: Uuid) -> Result<(), DiskError> {
        self.edit(number, |entry| entry.set_type_guid(to))
    }

    /// Gives a partition another UUID.
    ///
    /// # Errors
    /// [`DiskError::NoPartition`]; [`DiskError::SameUuid`] when another partition has it.
    pub fn set_uuid(&mut self, number: u32, to: Uuid) -> Result<(), DiskError> {
        if self.partitions().any(|other| other.number != number && other.uuid == to) {
            return Err(DiskError::SameUuid { uuid: to });
        }
        self.edit(number, |entry| entry.set_uuid(to))
    }

    /// Gives a partition another label.
    ///
    /// # Errors
    /// [`DiskError::NoPartition`].
    pub fn set_label(&mut self, number: u32, to: &Label) -> Result<(), DiskError> {
        self.edit(number, |entry| entry.set_label(to))
    }

    fn edit(
        &mut self,
        number: u32,
        change: impl FnOnce(&mut Entry<&mut [u8]>),
    ) -> Result<(), DiskError> {
        self.partition(number)?;
        // Judged: the entry is in the array, which is in memory.
        let size = to_len(u64::from(self.content.header.entry_size()));
        let start = to_len(u64::from(number.saturating_sub(1))).saturating_mul(size);
        change(&mut Entry(&mut self.content.array[start..][..ENTRY_LEN]));
        self.content.seal();
        Ok(())
    }
}

/// The headers that were found for one size of sectors.
struct Headers<'a, R: ?Sized> {
    sectors: Sectors<'a, R>,
    primary: Result<Header, CopyFault>,
    backup: Result<Header, CopyFault>,
    /// Whether something begins as a header does.
    is_signed: bool,
}

impl<'a, R: ReadAt + ?Sized> Headers<'a, R> {
    /// None for a disk that is too short for two headers.
    fn read(disk: &'a R, size: SectorSize, len: u64) -> Option<Headers<'a, R>> {
        let sectors = Sectors { disk, size, count: size.whole_sectors(len) };
        let last = sectors.count.checked_sub(1).filter(|last| *last > PRIMARY_LBA)?;
        let primary = sectors.header(TableCopy::Primary, PRIMARY_LBA);
        let backup_lba = primary.as_ref().map_or(last, Header::other_lba);
        let backup = sectors.header(TableCopy::Backup, backup_lba);
        let is_signed = sectors.has_signature(PRIMARY_LBA) || sectors.has_signature(backup_lba);
        Some(Headers { sectors, primary, backup, is_signed })
    }

    fn is_some(&self) -> bool {
        self.is_signed || self.backup.is_ok()
    }

    /// Reads the arrays, and chooses.
    fn table(self) -> Result<Table, DiskError> {
        let Sectors { disk, size, count } = self.sectors;
        let primary = self.primary.and_then(|header| self.sectors.copy(header));
        let backup = self.backup.and_then(|header| self.sectors.copy(header));
        let chosen = if primary.is_ok() { TableCopy::Primary } else { TableCopy::Backup };
        let mut faults = Vec::new();
        let (primary, backup) = match (primary, backup) {
            (Err(primary), Err(backup)) => {
                return Err(DiskError::Broken { sector_size: size, primary, backup });
            }
            (primary, backup) => (
                primary.map_err(|fault| (TableCopy::Primary, fault)),
                backup.map_err(|fault| (TableCopy::Backup, fault)),
            ),
        };
        let mut usable = |copy: Result<WholeCopy, (TableCopy, CopyFault)>| match copy {
            Ok(copy) => Some(copy),
            Err((copy, fault)) => {
                faults.push(Fault::Copy { copy, fault });
                None
            }
        };
        let (primary, backup) = (usable(primary), usable(backup));
        let mut head = vec![0; HEAD_LEN.min(to_len(count.min(8)).saturating_mul(size.len()))];
        disk.read_exact_at(&mut head, 0).map_err(DiskError::Io)?;
        // One of them is there.
        let content = primary.as_ref().or(backup.as_ref()).cloned();
        let content = content.ok_or(DiskError::NoTable)?;
        let mut table = Table {
            sector_size: size,
            sectors: count,
            head,
            primary,
            backup,
            chosen,
            content,
            faults,
        };
        table.notice();
        Ok(table)
    }
}

impl Table {
    /// The sectors of an array.
    pub(super) fn array_sectors(&self) -> u64 {
        array_sectors(&self.content.header, self.sector_size)
    }

    /// Looks at what does not keep the table from being used.
    fn notice(&mut self) {
        let copies = [(TableCopy::Primary, &self.primary), (TableCopy::Backup, &self.backup)];
        for (copy, whole) in copies {
            if whole.as_ref().is_some_and(|whole| whole.header.is_followed()) {
                self.faults.push(Fault::BehindHeader { copy });
            }
        }
        if let (Some(primary), Some(backup)) = (&self.primary, &self.backup)
            && !is_same_table(primary, backup)
        {
            self.faults.push(Fault::Differ);
        }
        let (backup, last) = (self.backup_lba(), self.sectors.saturating_sub(1));
        if backup < last {
            self.faults.push(Fault::Grown { backup, last });
        }
        match self.mbr() {
            Mbr::Protective => {}
            Mbr::None => self.faults.push(Fault::Unprotected),
            Mbr::Hybrid => self.faults.push(Fault::Hybrid),
        }
        let mut seen = BTreeMap::new();
        let duplicates: Vec<_> = self
            .partitions()
            .filter_map(|partition| {
                let (uuid, second) = (partition.uuid, partition.number);
                let first = seen.insert(uuid, second)?;
                Some(Fault::DuplicateUuid { uuid, first, second })
            })
            .collect();
        self.faults.extend(duplicates);
    }
}

/// Whether two copies say the same of the disk and its partitions.
fn is_same_table(primary: &WholeCopy, backup: &WholeCopy) -> bool {
    let said = |header: &Header| {
        let usable = (header.first_usable(), header.last_usable());
        (usable, header.disk_uuid(), header.entries(), header.entry_size())
    };
    said(&primary.header) == said(&backup.header)
        && primary.entries_bytes() == backup.entries_bytes()
}

/// The only one, if there is one.
fn one<T>(mut found: impl Iterator<Item = T>) -> Result<Option<T>, DiskError> {
    match (found.next(), found.next()) {
        (_, Some(_)) => Err(DiskError::Ambiguous),
        (first, None) => Ok(first),
    }
}
