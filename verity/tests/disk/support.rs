//! Disks to test with, and a second reading of their tables.

use std::sync::Mutex;

use verity::Uuid;
use verity::disk::{Attributes, NewPartition, SectorSize, Table};

pub(super) const DISK: Uuid = Uuid::from_u128(0x0c0ffee0_1234_4567_89ab_0123456789ab);
pub(super) const BOOT: Uuid = Uuid::from_u128(0x6b636168_7420_6568_2070_6c616e657421);
pub(super) const ROOT: Uuid = Uuid::from_u128(0x4f68bce3_e8cd_4db1_96e7_fbcaf984b709);

/// A partition of these sectors; its UUID follows from the first one.
pub(super) fn partition(type_guid: Uuid, sectors: [u64; 2], label: &str) -> NewPartition {
    NewPartition {
        type_guid,
        uuid: Uuid::from_u128(0xabcd << 64 | u128::from(sectors[0])),
        first_lba: sectors[0],
        last_lba: sectors[1],
        attributes: Attributes::default(),
        label: label.parse().unwrap(),
    }
}

/// Two boot partitions and others behind them, with gaps in the numbers.
pub(super) fn partitions() -> Vec<Option<NewPartition>> {
    let mut boot = partition(BOOT, [64, 71], "BOOT-A");
    boot.attributes = Attributes::new(1 << 48 | 1 << 56);
    let mut many = vec![
        Some(boot),
        Some(partition(ROOT, [72, 79], "root")),
        None,
        Some(partition(BOOT, [80, 80], "BOOT-B")),
    ];
    many.resize(29, None);
    many.push(Some(partition(ROOT, [81, 90], "ROOT-Ä𝄞")));
    many
}

/// A table on a disk of so many sectors.
pub(super) fn table(size: SectorSize, sectors: u64) -> Table {
    Table::new(size, sectors, DISK, &partitions()).unwrap()
}

/// A disk with a table.
pub(super) fn disk(size: SectorSize, sectors: u64) -> Vec<u8> {
    written(&table(size, sectors), vec![0; usize::try_from(sectors * size.bytes()).unwrap()])
}

/// A disk after what a table changes.
pub(super) fn written(table: &Table, disk: Vec<u8>) -> Vec<u8> {
    let disk = Mutex::new(disk);
    table.update().unwrap().apply(&disk).unwrap();
    disk.into_inner().unwrap()
}

pub(super) fn read(disk: &[u8]) -> Table {
    Table::read(disk, None).unwrap()
}

/// CRC-32 as the specification has it, bit by bit.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ (0xedb8_8320 * (crc & 1)))
    })
}

/// A disk whose fields are changed by hand.
pub(super) struct ByHand {
    pub(super) disk: Vec<u8>,
    pub(super) sector: usize,
}

impl ByHand {
    pub(super) fn new(size: SectorSize, sectors: u64) -> ByHand {
        let sector = usize::try_from(size.bytes()).unwrap();
        ByHand { disk: disk(size, sectors), sector }
    }

    /// The places of both headers.
    pub(super) fn headers(&self) -> [usize; 2] {
        [self.sector, self.disk.len() - self.sector]
    }

    pub(super) fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.disk[at..at + 4].try_into().unwrap())
    }

    pub(super) fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.disk[at..at + 8].try_into().unwrap())
    }

    pub(super) fn put32(&mut self, at: usize, value: u32) {
        self.disk[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    pub(super) fn put64(&mut self, at: usize, value: u64) {
        self.disk[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }

    /// Changes the fields of both headers, and makes their checksums right.
    pub(super) fn change_headers(mut self, change: impl Fn(&mut ByHand, usize)) -> Vec<u8> {
        for header in self.headers() {
            change(&mut self, header);
        }
        self.seal();
        self.disk
    }

    /// Changes an entry in both arrays, and makes the checksums right.
    pub(super) fn change_entry(mut self, number: usize, change: impl Fn(&mut [u8])) -> Vec<u8> {
        for header in self.headers() {
            let array = usize::try_from(self.u64(header + 72)).unwrap() * self.sector;
            change(&mut self.disk[array + (number - 1) * 128..][..128]);
        }
        self.seal();
        self.disk
    }

    fn seal(&mut self) {
        for header in self.headers() {
            let len = u64::from(self.u32(header + 80)) * u64::from(self.u32(header + 84));
            let array = self.u64(header + 72).checked_mul(self.sector as u64);
            let range = array.and_then(|start| {
                let (start, end) = (usize::try_from(start).ok()?, start.checked_add(len)?);
                self.disk.get(start..usize::try_from(end).ok()?)
            });
            if let Some(sum) = range.map(crc32) {
                self.put32(header + 88, sum);
            }
            let size = usize::try_from(self.u32(header + 12)).unwrap().min(self.sector);
            self.put32(header + 16, 0);
            let sum = crc32(&self.disk[header..header + size]);
            self.put32(header + 16, sum);
        }
    }
}
