//! The header of a copy, as a whole sector: what is not known is kept.

use byteorder::{ByteOrder, LittleEndian};
use uuid::Uuid;

use super::error::CopyFault;

const SIGNATURE: &[u8; 8] = b"EFI PART";
const REVISION: u32 = 0x0001_0000;
/// The fields of the specification, and what follows them up to the header size is covered too.
const MIN_SIZE: u32 = 92;

/// A header whose checksum is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    sector: Vec<u8>,
}

impl Header {
    /// The header of an empty table.
    pub(super) fn new(sector_len: usize, disk: Uuid) -> Header {
        let mut header = Header { sector: vec![0; sector_len] };
        header.sector[..8].copy_from_slice(SIGNATURE);
        LittleEndian::write_u32(&mut header.sector[8..12], REVISION);
        LittleEndian::write_u32(&mut header.sector[12..16], MIN_SIZE);
        header.sector[56..72].copy_from_slice(&disk.to_bytes_le());
        header
    }

    /// Whether a sector begins as a header does.
    pub(super) fn is_signed(sector: &[u8]) -> bool {
        sector.starts_with(SIGNATURE)
    }

    /// The header in a sector. What its fields say is for the caller to judge.
    pub(super) fn parse(sector: Vec<u8>) -> Result<Header, CopyFault> {
        if !Header::is_signed(&sector) {
            return Err(CopyFault::Signature);
        }
        let header = Header { sector };
        let (revision, size) = (header.u32(8), header.u32(12));
        if revision != REVISION {
            return Err(CopyFault::Revision { revision });
        }
        let len = usize::try_from(size).unwrap_or(usize::MAX);
        if size < MIN_SIZE || len > header.sector.len() {
            return Err(CopyFault::HeaderSize { size });
        }
        if header.u32(16) != header.checksum() {
            return Err(CopyFault::HeaderChecksum);
        }
        Ok(header)
    }

    /// The sector, whose checksum is right.
    pub(super) fn sector(&self) -> &[u8] {
        &self.sector
    }

    /// Whether the sector has bytes behind the header that are not zero. No checksum covers them.
    pub(super) fn is_followed(&self) -> bool {
        self.sector[self.end()..].iter().any(|byte| *byte != 0)
    }

    pub(super) fn own_lba(&self) -> u64 {
        self.u64(24)
    }

    pub(super) fn other_lba(&self) -> u64 {
        self.u64(32)
    }

    pub(super) fn first_usable(&self) -> u64 {
        self.u64(40)
    }

    pub(super) fn last_usable(&self) -> u64 {
        self.u64(48)
    }

    pub(super) fn disk_uuid(&self) -> Uuid {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&self.sector[56..72]);
        Uuid::from_bytes_le(bytes)
    }

    pub(super) fn array_lba(&self) -> u64 {
        self.u64(72)
    }

    pub(super) fn entries(&self) -> u32 {
        self.u32(80)
    }

    pub(super) fn entry_size(&self) -> u32 {
        self.u32(84)
    }

    pub(super) fn array_checksum(&self) -> u32 {
        self.u32(88)
    }

    /// Says where the header, the other one and its array lie.
    pub(super) fn place(&mut self, own_lba: u64, other_lba: u64, array_lba: u64) {
        LittleEndian::write_u64(&mut self.sector[24..32], own_lba);
        LittleEndian::write_u64(&mut self.sector[32..40], other_lba);
        LittleEndian::write_u64(&mut self.sector[72..80], array_lba);
    }

    pub(super) fn set_usable(&mut self, first: u64, last: u64) {
        LittleEndian::write_u64(&mut self.sector[40..48], first);
        LittleEndian::write_u64(&mut self.sector[48..56], last);
    }

    pub(super) fn set_array(&mut self, entries: u32, entry_size: u32) {
        LittleEndian::write_u32(&mut self.sector[80..84], entries);
        LittleEndian::write_u32(&mut self.sector[84..88], entry_size);
    }

    /// Puts the checksum of the array, and the header's own.
    pub(super) fn seal(&mut self, array: &[u8]) {
        LittleEndian::write_u32(&mut self.sector[88..92], crc32fast::hash(array));
        let checksum = self.checksum();
        LittleEndian::write_u32(&mut self.sector[16..20], checksum);
    }

    /// The checksum of the header, its own field counted as zeros.
    fn checksum(&self) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.sector[..16]);
        hasher.update(&[0; 4]);
        hasher.update(&self.sector[20..self.end()]);
        hasher.finalize()
    }

    /// Where the header ends in its sector.
    fn end(&self) -> usize {
        usize::try_from(self.u32(12)).map_or(self.sector.len(), |size| size.min(self.sector.len()))
    }

    fn u32(&self, at: usize) -> u32 {
        LittleEndian::read_u32(&self.sector[at..][..4])
    }

    fn u64(&self, at: usize) -> u64 {
        LittleEndian::read_u64(&self.sector[at..][..8])
    }
}
