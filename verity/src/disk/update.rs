//! The writes that make a table's changes, in an order in which one copy is whole at any moment.
//!
//! The backup goes first and is flushed. Linux reads the primary alone, so that this must change in
//! one step: with sectors of 512 bytes, header and the first 24 entries lie in the first 4096 bytes
//! of the disk, which are written at once. What lies behind them goes before, and so do the entries
//! of a disk with sectors of 4096 bytes; then the primary is bad for a moment, while the backup is
//! new already. Where only its header changes, as on a disk that has grown, that is one write too.

use std::io;
use std::ops::Range;

use crate::io::WriteAt;
use crate::number::{to_len, to_u64};

use super::copy::{PRIMARY_LBA, WholeCopy, array_room};
use super::error::DiskError;
use super::header::Header;
use super::mbr::Mbr;
use super::table::HEAD_LEN;
use super::{SectorSize, Table, TableCopy};

/// A step of an update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Bytes to be written, in one call.
    Write {
        /// Where, in bytes from the start of the disk.
        offset: u64,
        /// What.
        bytes: Vec<u8>,
    },
    /// What was written must be on the storage before the next step.
    Flush,
}

/// Writes that change a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    steps: Vec<Step>,
    is_atomic: bool,
}

impl Update {
    /// The steps, in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether nothing is to be written.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether the primary is whole at any moment, on storage that tears no aligned write of 4096
    /// bytes. Otherwise a reader of the primary alone may find no partitions after a power cut,
    /// until the backup was copied to it.
    pub fn is_atomic(&self) -> bool {
        self.is_atomic
    }

    /// Makes the steps.
    ///
    /// # Errors
    /// When one fails; then one copy of the table is whole, and is old or new.
    pub fn apply<W: WriteAt + ?Sized>(&self, disk: &W) -> io::Result<()> {
        self.steps.iter().try_for_each(|step| match step {
            Step::Write { offset, bytes } => disk.write_all_at(bytes, *offset),
            Step::Flush => disk.sync(),
        })
    }

    /// Adds writes that must be on the storage before what follows.
    fn flushed(&mut self, writes: Vec<Step>) {
        if !writes.is_empty() {
            self.steps.extend(writes);
            self.steps.push(Step::Flush);
        }
    }
}

impl Table {
    /// The writes that put the table and its changes on the disk that it was read from. Only
    /// headers and entries that changed are written, and a copy that could not be used is made
    /// anew; nothing is written where nothing changed.
    ///
    /// # Errors
    /// [`DiskError::Hybrid`], [`DiskError::EntrySize`], and [`DiskError::NoRoom`] when there is no
    /// place for a copy that is to be made anew.
    pub fn update(&self) -> Result<Update, DiskError> {
        if self.mbr() == Mbr::Hybrid {
            return Err(DiskError::Hybrid);
        }
        let entry_size = self.content.header.entry_size();
        if entry_size != 128 {
            return Err(DiskError::EntrySize { size: entry_size });
        }
        let mut update = Update { steps: Vec::new(), is_atomic: true };
        let mut primary_now = self.primary.clone();
        if let (None, Some(backup)) = (&self.primary, &self.backup) {
            // The only whole copy is not written before there is another one.
            let old = self.as_primary(backup)?;
            self.write_primary(&mut update, None, &old);
            primary_now = Some(old);
        }
        let backup = self.as_backup(&self.content)?;
        update.flushed(self.changes(self.backup.as_ref(), &backup));
        self.write_primary(&mut update, primary_now.as_ref(), &self.as_primary(&self.content)?);
        Ok(update)
    }

    /// Moves the backup of a disk that has grown to its end, and lets partitions use what lies
    /// between. The old backup stays where it is, and is a backup of nothing.
    ///
    /// A disk that has not grown is left as it is.
    ///
    /// # Errors
    /// [`DiskError::NoRoom`] when the primary has no place.
    pub fn move_backup_to_end(&mut self) -> Result<(), DiskError> {
        let (last, array) = (self.sectors.saturating_sub(1), self.array_sectors());
        if self.backup_lba() >= last {
            return Ok(());
        }
        let mut content = self.as_primary(&self.content)?;
        content.header.place(PRIMARY_LBA, last, content.header.array_lba());
        let last_usable = last.saturating_sub(array).saturating_sub(1);
        content.header.set_usable(content.header.first_usable(), last_usable);
        content.seal();
        if self.mbr() == Mbr::Protective {
            Mbr::protect(&mut self.head, self.sectors);
        }
        self.content = content;
        Ok(())
    }

    /// What a table says, as the primary.
    fn as_primary(&self, content: &WholeCopy) -> Result<WholeCopy, DiskError> {
        let header = self.primary.as_ref().map(|copy| &copy.header);
        let array_lba = header.map_or(PRIMARY_LBA + 1, Header::array_lba);
        let places = (PRIMARY_LBA, content.backup_lba(), array_lba);
        self.placed(TableCopy::Primary, header, content, places)
    }

    /// What a table says, as the backup.
    fn as_backup(&self, content: &WholeCopy) -> Result<WholeCopy, DiskError> {
        let backup_lba = content.backup_lba();
        let header = self.backup.as_ref().map(|copy| &copy.header);
        let array_lba = match header {
            Some(header) if header.own_lba() == backup_lba => header.array_lba(),
            // A header that was judged lies behind more sectors than that.
            _ => backup_lba.saturating_sub(self.array_sectors()),
        };
        self.placed(TableCopy::Backup, header, content, (backup_lba, PRIMARY_LBA, array_lba))
    }

    /// What a table says, in a header that is there and keeps what is not known, or in a new one.
    fn placed(
        &self,
        copy: TableCopy,
        on_disk: Option<&Header>,
        content: &WholeCopy,
        (own, other, array): (u64, u64, u64),
    ) -> Result<WholeCopy, DiskError> {
        let said = &content.header;
        let is_same = |header: &&Header| {
            (header.disk_uuid(), header.entries()) == (said.disk_uuid(), said.entries())
        };
        let mut header = on_disk.filter(is_same).unwrap_or(said).clone();
        header.place(own, other, array);
        header.set_usable(said.first_usable(), said.last_usable());
        let room = array_room(&header, copy);
        if array < room.start || array.saturating_add(self.array_sectors()) > room.end {
            return Err(DiskError::NoRoom { copy });
        }
        let mut placed = WholeCopy { header, array: content.array.clone() };
        placed.seal();
        Ok(placed)
    }

    /// Adds the writes that make a primary of another.
    fn write_primary(&self, update: &mut Update, old: Option<&WholeCopy>, new: &WholeCopy) {
        let mut writes = self.changes(old, new);
        if self.sector_size == SectorSize::S4096 {
            // The header vouches for the entries, so it goes after them.
            let header = writes.iter().position(|step| is_in(step, PRIMARY_LBA * 4096..2 * 4096));
            let header = header.map(|index| writes.remove(index));
            update.is_atomic &= header.is_none() || writes.is_empty();
            update.flushed(writes);
            let mbr = self.head_change(old);
            update.flushed(mbr.into_iter().chain(header).collect());
            return;
        }
        let (near, far): (Vec<_>, Vec<_>) =
            writes.into_iter().partition(|step| is_in(step, 0..to_u64(HEAD_LEN)));
        update.is_atomic &= far.is_empty();
        update.flushed(far);
        if near.is_empty() && self.head_change(old).is_none() {
            return;
        }
        // Partitions may begin early: no byte of theirs is written, not even as it was.
        let len = to_len(new.header.first_usable().min(8)).saturating_mul(self.sector_size.len());
        let mut bytes = self.head[..len.min(self.head.len())].to_vec();
        // Sectors of other changes than these are as they were.
        if let Some(old) = old {
            self.changes(None, old).iter().for_each(|step| overlay(&mut bytes, step));
        }
        near.iter().for_each(|step| overlay(&mut bytes, step));
        update.flushed(vec![Step::Write { offset: 0, bytes }]);
    }

    /// LBA 0, where it is to be written: with a whole new table, or with a disk that has grown.
    fn head_change(&self, old: Option<&WholeCopy>) -> Option<Step> {
        let is_grown = old.is_some_and(|old| old.header.other_lba() != self.backup_lba());
        let is_new = self.primary.is_none() && self.backup.is_none();
        (is_grown || is_new)
            .then(|| Step::Write { offset: 0, bytes: self.head[..self.sector_size.len()].to_vec() })
    }

    /// The writes that make a copy of another: runs of changed sectors of its array, then its
    /// header. No write crosses the end of the head.
    fn changes(&self, old: Option<&WholeCopy>, new: &WholeCopy) -> Vec<Step> {
        let old = old.filter(|old| old.header.array_lba() == new.header.array_lba());
        let len = self.sector_size.len();
        let size = self.sector_size.bytes();
        let is_changed = |index: usize, sector: &[u8]| {
            let before = old.and_then(|old| old.array.chunks_exact(len).nth(index));
            before != Some(sector)
        };
        let mut steps: Vec<Step> = Vec::new();
        for (index, sector) in new.array.chunks_exact(len).enumerate() {
            if !is_changed(index, sector) {
                continue;
            }
            // Both copies were judged against the disk, whose bytes 64 bits count.
            let offset = new.header.array_lba().saturating_add(to_u64(index)).saturating_mul(size);
            match steps.last_mut() {
                Some(Step::Write { offset: start, bytes })
                    if start.saturating_add(to_u64(bytes.len())) == offset
                        && offset != to_u64(HEAD_LEN) =>
                {
                    bytes.extend_from_slice(sector);
                }
                _ => steps.push(Step::Write { offset, bytes: sector.to_vec() }),
            }
        }
        if old.is_none_or(|old| old.header != new.header) {
            let (offset, bytes) =
                (new.header.own_lba().saturating_mul(size), new.header.sector().to_vec());
            steps.push(Step::Write { offset, bytes });
        }
        steps
    }
}

fn is_in(step: &Step, range: Range<u64>) -> bool {
    matches!(step, Step::Write { offset, .. } if range.contains(offset))
}

/// Puts the part of a write that lies in the head there.
fn overlay(head: &mut [u8], step: &Step) {
    let Step::Write { offset, bytes } = step else { return };
    if *offset >= to_u64(head.len()) {
        return;
    }
    let start = to_len(*offset);
    let head = &mut head[start..];
    let len = bytes.len().min(head.len());
    head[..len].copy_from_slice(&bytes[..len]);
}
