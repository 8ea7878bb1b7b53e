//! One copy of a table, judged for itself.

use std::ops::Range;
use std::sync::Arc;

use crate::io::ReadAt;
use crate::number::to_u64;

use super::entry::{ENTRY_LEN, Entry};
use super::error::CopyFault;
use super::header::Header;
use super::{SectorSize, TableCopy};

/// The most that is read of an array, in bytes: 32 times the usual one. Both copies and all headers
/// stay below 2 MiB.
const MAX_ARRAY: u64 = 512 * 1024;

/// A copy that can be used: header and array, both as they are on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WholeCopy {
    pub(super) header: Header,
    /// Whole sectors.
    pub(super) array: Vec<u8>,
}

/// A disk in sectors.
pub(super) struct Sectors<'a, R: ?Sized> {
    pub(super) disk: &'a R,
    pub(super) size: SectorSize,
    /// How many whole ones there are.
    pub(super) count: u64,
}

impl<R: ReadAt + ?Sized> Sectors<'_, R> {
    /// The header of a copy, if its checksum and its places can be right.
    pub(super) fn header(&self, copy: TableCopy, lba: u64) -> Result<Header, CopyFault> {
        let header = Header::parse(self.read(lba, self.size.len())?)?;
        check_places(&header, copy, lba, self.count)?;
        check_array_place(&header, copy, self.size)?;
        Ok(header)
    }

    /// Whether there is something that begins as a header does.
    pub(super) fn has_signature(&self, lba: u64) -> bool {
        self.read(lba, 8).is_ok_and(|bytes| Header::is_signed(&bytes))
    }

    /// The copy that a header belongs to.
    pub(super) fn copy(&self, header: Header) -> Result<WholeCopy, CopyFault> {
        let len = usize::try_from(array_sectors(&header, self.size)).unwrap_or(usize::MAX);
        let array = self.read(header.array_lba(), len.saturating_mul(self.size.len()))?;
        let copy = WholeCopy { header, array };
        if crc32fast::hash(copy.entries_bytes()) != copy.header.array_checksum() {
            return Err(CopyFault::ArrayChecksum);
        }
        copy.check_entries()?;
        Ok(copy)
    }

    fn read(&self, lba: u64, len: usize) -> Result<Vec<u8>, CopyFault> {
        let unreadable = |error| CopyFault::Unreadable(Arc::new(error));
        let mut bytes = vec![0; len];
        // A place that no disk has ends before it begins.
        let offset = lba.saturating_mul(self.size.bytes());
        self.disk.read_exact_at(&mut bytes, offset).map_err(unreadable)?;
        Ok(bytes)
    }
}

impl WholeCopy {
    /// The bytes of the array that its checksum covers.
    pub(super) fn entries_bytes(&self) -> &[u8] {
        &self.array[..exact_len(&self.header)]
    }

    /// Where the backup header of this table lies, whichever copy this is.
    pub(super) fn backup_lba(&self) -> u64 {
        match self.header.own_lba() {
            PRIMARY_LBA => self.header.other_lba(),
            own => own,
        }
    }

    /// Puts the right checksums, after a change of entries or header.
    pub(super) fn seal(&mut self) {
        let end = exact_len(&self.header);
        self.header.seal(&self.array[..end]);
    }

    /// The entries that describe partitions, each with its number.
    pub(super) fn used(&self) -> impl Iterator<Item = (u32, Entry<&[u8]>)> {
        let size = usize::try_from(self.header.entry_size()).unwrap_or(usize::MAX);
        let entries = self.entries_bytes().chunks_exact(size);
        (1..).zip(entries.map(|bytes| Entry(&bytes[..ENTRY_LEN]))).filter(|(_, e)| e.is_used())
    }

    /// Refuses partitions that cannot be where they are said to be.
    pub(super) fn check_entries(&self) -> Result<(), CopyFault> {
        let mut places = Vec::new();
        for (number, entry) in self.used() {
            let (first, last) = (entry.first_lba(), entry.last_lba());
            if first > last
                || first < self.header.first_usable()
                || last > self.header.last_usable()
            {
                return Err(CopyFault::Bounds { number, first, last });
            }
            places.push((first, last, number));
        }
        places.sort_unstable();
        match places.windows(2).find(|pair| pair[0].1 >= pair[1].0) {
            Some(pair) => Err(CopyFault::Overlap {
                first: pair[0].2.min(pair[1].2),
                second: pair[0].2.max(pair[1].2),
            }),
            None => Ok(()),
        }
    }
}

/// The sectors of the array of a header that was judged.
pub(super) fn array_sectors(header: &Header, size: SectorSize) -> u64 {
    to_u64(exact_len(header)).div_ceil(size.bytes())
}

/// The length of the array that the checksum covers; of a header that was judged it is bounded.
fn exact_len(header: &Header) -> usize {
    let bytes = u64::from(header.entries()).saturating_mul(u64::from(header.entry_size()));
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn check_places(header: &Header, copy: TableCopy, lba: u64, sectors: u64) -> Result<(), CopyFault> {
    let (own, other) = (header.own_lba(), header.other_lba());
    let (first, last) = (header.first_usable(), header.last_usable());
    if first > last || last >= sectors {
        return Err(CopyFault::Usable { first, last, sectors });
    }
    let is_placed = own == lba
        && match copy {
            TableCopy::Primary => other > last && other < sectors,
            TableCopy::Backup => other == PRIMARY_LBA && lba > last,
        };
    if is_placed { Ok(()) } else { Err(CopyFault::Place { lba, own, other }) }
}

fn check_array_place(header: &Header, copy: TableCopy, size: SectorSize) -> Result<(), CopyFault> {
    let (entries, entry_size) = (header.entries(), header.entry_size());
    let bytes = u64::from(entries).saturating_mul(u64::from(entry_size));
    if entries == 0 || entry_size < 128 || !entry_size.is_power_of_two() || bytes > MAX_ARRAY {
        return Err(CopyFault::ArraySize { entries, size: entry_size });
    }
    // The other copy needs room too.
    let count = bytes.div_ceil(size.bytes());
    let (first, last) = (header.first_usable(), header.last_usable());
    let backup = header.own_lba().max(header.other_lba());
    if first <= count.saturating_add(PRIMARY_LBA) || last.saturating_add(count) >= backup {
        return Err(CopyFault::Usable { first, last, sectors: backup.saturating_add(1) });
    }
    let room = array_room(header, copy);
    let start = header.array_lba();
    let end = start.checked_add(count);
    if start < room.start || end.is_none_or(|end| end > room.end) {
        return Err(CopyFault::ArrayPlace { lba: start });
    }
    Ok(())
}

/// The sectors in which the array of a copy can lie.
pub(super) fn array_room(header: &Header, copy: TableCopy) -> Range<u64> {
    match copy {
        TableCopy::Primary => PRIMARY_LBA + 1..header.first_usable(),
        TableCopy::Backup => header.last_usable().saturating_add(1)..header.own_lba(),
    }
}

/// Where the primary header lies.
pub(super) const PRIMARY_LBA: u64 = 1;
