//! LBA 0: the record that keeps old tools away from a disk with a partition table.

use byteorder::{ByteOrder, LittleEndian};

/// The four records of partitions, each 16 bytes.
const RECORDS: std::ops::Range<usize> = 446..510;
const SIGNATURE: std::ops::Range<usize> = 510..512;
/// A record's type, and that of the record that protects.
const TYPE: usize = 4;
const PROTECTIVE: u8 = 0xee;
/// A protective record up to its length: no flags, sectors 1 to the last that can be named.
const PROTECTIVE_START: [u8; 12] = [0, 0, 2, 0, PROTECTIVE, 0xff, 0xff, 0xff, 1, 0, 0, 0];

/// What LBA 0 says of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mbr {
    /// There is no record: Linux looks for no partition table then.
    None,
    /// One record that protects the whole disk.
    Protective,
    /// Partitions stand in LBA 0 too: two tables that must agree. Such a disk is never written.
    Hybrid,
}

impl Mbr {
    /// What the first sector of a disk says, of which this is the start.
    pub(super) fn of(sector: &[u8]) -> Mbr {
        if sector[SIGNATURE] != [0x55, 0xaa] {
            return Mbr::None;
        }
        let types = || sector[RECORDS].chunks_exact(16).map(|record| record[TYPE]);
        if !types().any(|kind| kind == PROTECTIVE) {
            return Mbr::None;
        }
        match types().filter(|kind| *kind != 0).count() {
            1 => Mbr::Protective,
            _ => Mbr::Hybrid,
        }
    }

    /// Puts the protective record of a disk with that many sectors into its first sector, whose
    /// boot code is kept.
    pub(super) fn protect(sector: &mut [u8], sectors: u64) {
        sector[RECORDS].fill(0);
        let record = &mut sector[RECORDS][..16];
        record[..12].copy_from_slice(&PROTECTIVE_START);
        let length = u32::try_from(sectors.saturating_sub(1)).unwrap_or(u32::MAX);
        LittleEndian::write_u32(&mut record[12..16], length);
        sector[SIGNATURE].copy_from_slice(&[0x55, 0xaa]);
    }
}
