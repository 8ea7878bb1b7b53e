//! An entry of a table's array, and the partition that it describes.

use std::ops::Range;

use byteorder::{ByteOrder, LittleEndian};
use uuid::Uuid;

use super::{Attributes, Label, SectorSize};

/// The bytes of an entry that have a meaning; larger entries are kept as they are.
pub(super) const ENTRY_LEN: usize = 128;

/// Reads and writes the fields of an entry where it lies in its array.
pub(super) struct Entry<B>(pub(super) B);

impl<B: AsRef<[u8]>> Entry<B> {
    /// Whether it describes a partition.
    pub(super) fn is_used(&self) -> bool {
        self.0.as_ref()[..16].iter().any(|byte| *byte != 0)
    }

    pub(super) fn type_guid(&self) -> Uuid {
        self.guid(0)
    }

    pub(super) fn uuid(&self) -> Uuid {
        self.guid(16)
    }

    pub(super) fn first_lba(&self) -> u64 {
        LittleEndian::read_u64(&self.0.as_ref()[32..40])
    }

    /// The last sector, which belongs to the partition.
    pub(super) fn last_lba(&self) -> u64 {
        LittleEndian::read_u64(&self.0.as_ref()[40..48])
    }

    pub(super) fn attributes(&self) -> Attributes {
        Attributes::new(LittleEndian::read_u64(&self.0.as_ref()[48..56]))
    }

    pub(super) fn label(&self) -> Label {
        let mut bytes = [0; 72];
        bytes.copy_from_slice(&self.0.as_ref()[56..ENTRY_LEN]);
        Label::from_bytes(bytes)
    }

    fn guid(&self, at: usize) -> Uuid {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&self.0.as_ref()[at..][..16]);
        Uuid::from_bytes_le(bytes)
    }
}

impl<B: AsMut<[u8]>> Entry<B> {
    pub(super) fn set_type_guid(&mut self, guid: Uuid) {
        self.0.as_mut()[..16].copy_from_slice(&guid.to_bytes_le());
    }

    pub(super) fn set_uuid(&mut self, uuid: Uuid) {
        self.0.as_mut()[16..32].copy_from_slice(&uuid.to_bytes_le());
    }

    pub(super) fn set_sectors(&mut self, first: u64, last: u64) {
        LittleEndian::write_u64(&mut self.0.as_mut()[32..40], first);
        LittleEndian::write_u64(&mut self.0.as_mut()[40..48], last);
    }

    pub(super) fn set_attributes(&mut self, attributes: Attributes) {
        LittleEndian::write_u64(&mut self.0.as_mut()[48..56], attributes.bits());
    }

    pub(super) fn set_label(&mut self, label: &Label) {
        self.0.as_mut()[56..ENTRY_LEN].copy_from_slice(label.as_bytes());
    }
}

/// A partition of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    pub(super) number: u32,
    pub(super) type_guid: Uuid,
    pub(super) uuid: Uuid,
    pub(super) first_lba: u64,
    pub(super) last_lba: u64,
    pub(super) sector_size: SectorSize,
    pub(super) attributes: Attributes,
    pub(super) label: Label,
}

impl Partition {
    /// The number, counted from 1, by which Linux names the device.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// What the partition is for.
    pub fn type_guid(&self) -> Uuid {
        self.type_guid
    }

    /// The UUID of this partition alone: its `PARTUUID`.
    pub fn uuid(&self) -> Uuid {
        self.uuid
    }

    /// The first sector.
    pub fn first_lba(&self) -> u64 {
        self.first_lba
    }

    /// The last sector, which still belongs to it.
    pub fn last_lba(&self) -> u64 {
        self.last_lba
    }

    /// The bytes of the disk that it has.
    pub fn range(&self) -> Range<u64> {
        let sector = self.sector_size.bytes();
        // A table was judged against its disk, whose bytes 64 bits count.
        let end = self.last_lba.saturating_add(1).saturating_mul(sector);
        self.first_lba.saturating_mul(sector)..end
    }

    /// The length in bytes.
    pub fn size(&self) -> u64 {
        let range = self.range();
        range.end.saturating_sub(range.start)
    }

    /// The attribute bits.
    pub fn attributes(&self) -> Attributes {
        self.attributes
    }

    /// The name in the table.
    pub fn label(&self) -> Label {
        self.label
    }
}
