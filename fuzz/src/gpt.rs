//! Partition tables of disks that anybody may have written.
//!
//! An input is the starts of the sectors that matter: LBA 0, header and array, and array and header
//! of the backup. All else of the disk is zeros. Checksums are made right first in every other
//! input, or nothing behind them would be reached.
//!
//! Invariants under test:
//! - no input panics; a refusal is one short printable line; at most 2 MiB are read;
//! - partitions of an accepted table lie on the disk, among the usable sectors, and do not overlap;
//! - a table without changes asks for no write, unless a copy is bad;
//! - after a change was applied, the table reads as changed, without a bad copy, and asks for no
//!   further write, also where the backup was moved to the end; nothing but headers, arrays and the
//!   head of the disk was written;
//! - every name of a partition leads to that partition, or says which others it leads to.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use verity::Uuid;
use verity::disk::{Attributes, Fault, NewPartition, Partition, SectorSize, Selector, Step, Table};
use verity::internals::{to_len, to_u64};
use verity::io::ReadAt;

use crate::message;

/// The size of the disk.
const DISK: usize = 128 * 1024;
/// What an array takes, of as many entries as all programs make.
const ARRAY: usize = 128 * 128;
/// How much of a place is in the input.
const PIECE: usize = 512;

/// Where the pieces of an input lie on a disk with sectors of this size.
fn places(sector: usize) -> [usize; 5] {
    [0, sector, 2 * sector, DISK - sector - ARRAY, DISK - sector]
}

fn sector_of(kind: u8) -> usize {
    if kind & 2 == 2 { 4096 } else { 512 }
}

/// Checks the invariants for one input.
///
/// # Panics
/// If one does not hold.
pub fn run(data: &[u8]) {
    if let Some(disk) = disk(data) {
        check(disk);
    }
}

/// Whether the input is a disk with a table that can be used.
pub fn is_accepted(data: &[u8]) -> bool {
    disk(data).is_some_and(|disk| Table::read(&disk, None).is_ok())
}

fn disk(data: &[u8]) -> Option<Vec<u8>> {
    let (kind, data) = data.split_first()?;
    let sector = sector_of(*kind);
    let mut disk = vec![0; DISK];
    for (place, piece) in places(sector).into_iter().zip(data.chunks(PIECE)) {
        disk[place..place + piece.len()].copy_from_slice(piece);
    }
    if kind & 1 == 1 {
        make_checksums_right(&mut disk, sector);
    }
    Some(disk)
}

fn check(disk: Vec<u8>) {
    let counting = Counting { disk: &disk, read: AtomicU64::new(0) };
    let table = Table::read(&counting, None);
    assert!(counting.read.into_inner() <= 2 << 20, "too much was read");
    let mut table = match table {
        Ok(table) => table,
        Err(error) => return message::check(&error),
    };
    table.faults().iter().for_each(message::check);
    let partitions: Vec<_> = table.partitions().collect();
    check_places(&table, &partitions, to_u64(disk.len()));
    check_names(&table, &partitions);
    match table.update() {
        Ok(update) => {
            let is_whole = !table
                .faults()
                .iter()
                .any(|fault| matches!(fault, Fault::Copy { .. } | Fault::Differ));
            assert!(update.is_empty() || !is_whole, "writes without changes");
        }
        Err(error) => return message::check(&error),
    }
    let mut moved = table.clone();
    match moved.move_backup_to_end() {
        Ok(()) => check_change(&moved, disk.clone()),
        Err(error) => message::check(&error),
    }
    let Some(first) = partitions.first() else { return };
    let bits = Attributes::new(first.attributes().bits() ^ 0xffff << 48);
    table.set_attributes(first.number(), bits).expect("a partition that is there");
    check_change(&table, disk);
}

/// A disk that counts what is read of it.
struct Counting<'a> {
    disk: &'a [u8],
    read: AtomicU64,
}

impl ReadAt for Counting<'_> {
    fn len(&self) -> io::Result<u64> {
        Ok(to_u64(self.disk.len()))
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let read = self.disk.read_at(buf, offset)?;
        self.read.fetch_add(to_u64(read), Ordering::Relaxed);
        Ok(read)
    }
}

fn check_places(table: &Table, partitions: &[Partition], size: u64) {
    let (first, last) = table.usable();
    let mut ranges = Vec::new();
    for partition in partitions {
        assert!(first <= partition.first_lba() && partition.last_lba() <= last);
        assert!(partition.range().end <= size && partition.size() > 0);
        ranges.push((partition.range().start, partition.range().end));
    }
    ranges.sort_unstable();
    assert!(ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0), "partitions overlap");
}

fn check_names(table: &Table, partitions: &[Partition]) {
    for partition in partitions.iter().take(4) {
        for name in [
            partition.number().to_string(),
            format!("PARTUUID={}", partition.uuid()),
            format!("PARTLABEL={}", partition.label()),
        ] {
            let Ok(selector) = name.parse::<Selector>();
            match table.select(&selector) {
                Ok(found) => assert_eq!(found, *partition, "{name:?}"),
                Err(error) => assert!(error.matches.contains(partition), "{name:?}"),
            }
        }
    }
}

fn check_change(table: &Table, before: Vec<u8>) {
    let update = match table.update() {
        Ok(update) => update,
        Err(error) => return message::check(&error),
    };
    let (first, last) = table.usable();
    let sector = table.sector_size().bytes();
    for step in update.steps() {
        let Step::Write { offset, bytes } = step else { continue };
        let end = offset + to_u64(bytes.len());
        assert!(end <= first * sector || *offset > last * sector, "a partition is written");
        assert!(end <= to_u64(before.len()), "beyond the disk");
    }
    let disk = Mutex::new(before);
    update.apply(&disk).expect("memory");
    let again = Table::read(&disk, Some(table.sector_size())).expect("a table that was written");
    assert!(again.partitions().eq(table.partitions()), "another table was written");
    assert!(again.update().expect("a table that was written").is_empty());
    assert!(!again.faults().iter().any(|fault| matches!(fault, Fault::Copy { .. })));
}

/// Makes the checksums of whatever headers and arrays there are.
fn make_checksums_right(disk: &mut [u8], sector: usize) {
    let last = (disk.len() / sector).saturating_sub(1) * sector;
    for header in [sector, last] {
        if disk.len() < header + sector {
            continue;
        }
        let number = |disk: &[u8], at: usize, len: usize| {
            let field = &disk[header + at..header + at + len];
            field.iter().rev().fold(0_u64, |all, byte| all << 8 | u64::from(*byte))
        };
        let array = number(disk, 72, 8).saturating_mul(to_u64(sector));
        let len = number(disk, 80, 4).saturating_mul(number(disk, 84, 4));
        let end = array.saturating_add(len);
        if end <= to_u64(disk.len()) {
            let sum = crc32(&disk[to_len(array)..to_len(end)]);
            disk[header + 88..header + 92].copy_from_slice(&sum.to_le_bytes());
        }
        let size = to_len(number(disk, 12, 4).clamp(92, to_u64(sector)));
        disk[header + 16..header + 20].fill(0);
        let sum = crc32(&disk[header..header + size]);
        disk[header + 16..header + 20].copy_from_slice(&sum.to_le_bytes());
    }
}

/// CRC-32 as the UEFI specification has it.
fn crc32(bytes: &[u8]) -> u32 {
    const STEPS: [u32; 256] = {
        let mut steps = [0; 256];
        let (mut byte, mut start) = (0, 0);
        while byte < 256 {
            let mut crc: u32 = start;
            let mut bit = 0;
            while bit < 8 {
                crc = crc >> 1 ^ (0xedb8_8320 * (crc & 1));
                bit += 1;
            }
            steps[byte] = crc;
            byte += 1;
            start += 1;
        }
        steps
    };
    !bytes
        .iter()
        .fold(!0_u32, |crc, byte| crc >> 8 ^ STEPS[usize::from(crc.to_le_bytes()[0] ^ byte)])
}

/// Tables for both sizes of sectors, whole, and with one copy damaged.
///
/// # Panics
/// If what is written down here is refused.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (size, kind) in [(SectorSize::S512, 0), (SectorSize::S4096, 2)] {
        let sectors = to_u64(DISK) / size.bytes();
        let first = size.first_usable();
        let of = |number: u64, label: &str| {
            Some(NewPartition {
                type_guid: Uuid::from_u128(0x6b636168_7420_6568_2070_6c616e657421),
                uuid: Uuid::from_u128(number.into()),
                first_lba: first + number,
                last_lba: first + number,
                attributes: Attributes::new(number << 48),
                label: label.parse().expect("a label"),
            })
        };
        let partitions = [of(1, "BOOT-A"), None, of(2, "BOOT-B"), of(3, "")];
        let table = Table::new(size, sectors, Uuid::nil(), &partitions).expect("a table");
        let disk = Mutex::new(vec![0; DISK]);
        table.update().expect("a table").apply(&disk).expect("memory");
        let disk = disk.into_inner().expect("no thread");
        let sector = sector_of(kind);
        let seed = |kind: u8, disk: &[u8]| {
            let pieces = places(sector).map(|place| &disk[place..place + PIECE]).concat();
            [&[kind][..], &pieces].concat()
        };
        seeds.push(seed(kind | 1, &disk));
        seeds.push(seed(kind, &disk));
        let [_, header, array, other_array, other_header] = places(sector);
        for at in [header + 40, header + 80, array + 56, other_array + 32, other_header + 16] {
            let mut bad = disk.clone();
            bad[at] ^= 1;
            seeds.push(seed(kind, &bad));
        }
    }
    seeds
}
