//! Tables whose checksums are right and whose fields are not, and disks that are no disks.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use verity::disk::{
    Attributes, DiskError, Fault, Label, Mbr, NewPartition, SectorSize, Table, TableCopy,
};
use verity::io::ReadAt;

use super::support::{BOOT, ByHand, DISK, disk, partition, read, table, written};

/// Counts what is read of a disk.
struct Counting<'a>(&'a [u8], AtomicU64);

impl ReadAt for Counting<'_> {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(self.0)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let read = self.0.read_at(buf, offset)?;
        self.1.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

fn by_hand() -> ByHand {
    ByHand::new(SectorSize::S512, 160)
}

/// Reads a table, and no more than is promised.
fn bounded(disk: &[u8]) -> Result<Table, DiskError> {
    let counting = Counting(disk, AtomicU64::new(0));
    let table = Table::read(&counting, None);
    assert!(counting.1.into_inner() <= 2 << 20);
    table
}

fn refused(disk: &[u8]) {
    let error = bounded(disk).unwrap_err();
    assert!(matches!(error, DiskError::Broken { .. }), "{error}");
}

#[test]
fn h02_sizes_of_arrays_that_cannot_be_are_refused_and_never_allocated() {
    for (entries, size) in [
        (0, 128),
        (1, 1),
        (128, 64),
        (128, 127),
        (128, 129),
        (128, 192),
        (128, 1 << 31),
        (u32::MAX, 128),
        (u32::MAX, 1 << 31),
        (1 << 30, 128),
        (8192, 128),
    ] {
        refused(&by_hand().change_headers(|disk, header| {
            disk.put32(header + 80, entries);
            disk.put32(header + 84, size);
        }));
    }
}

#[test]
fn h02_the_largest_array_is_read_within_the_bound() {
    // 4096 entries in 1024 sectors, at both ends of a disk.
    let mut disk = ByHand { disk: vec![0; 4 << 20], sector: 512 };
    let table = Table::new(SectorSize::S512, 8192, DISK, &[]).unwrap();
    disk.disk = written(&table, disk.disk);
    let disk = disk.change_headers(|disk, header| {
        let array = if header == 512 { 2 } else { 8192 - 1 - 1024 };
        disk.put64(header + 40, 1026);
        disk.put64(header + 48, 8192 - 1 - 1024 - 1);
        disk.put64(header + 72, array);
        disk.put32(header + 80, 4096);
    });
    let table = bounded(&disk).unwrap();
    assert_eq!(table.entries(), 4096);
}

#[test]
fn h03_arrays_that_overlap_headers_partitions_or_the_end_are_refused() {
    for array in [0, 1, 3, 34, 64, 126, 128, 159, 160, u64::MAX / 512, u64::MAX] {
        refused(&by_hand().change_headers(|disk, header| disk.put64(header + 72, array)));
    }
}

#[test]
fn h04_headers_elsewhere_than_they_say_are_refused() {
    for own in [0, 2, 80, u64::MAX] {
        refused(&by_hand().change_headers(|disk, header| disk.put64(header + 24, own)));
    }
    for other in [0, 1, 2, 64, 160, u64::MAX] {
        let disk = by_hand().change_headers(|disk, header| {
            if header == 512 {
                disk.put64(header + 32, other);
            }
        });
        assert_eq!(bounded(&disk).unwrap().chosen(), TableCopy::Backup, "{other}");
    }
    for usable in [(34, 33), (34, 127 + 33), (34, u64::MAX), (0, 126), (u64::MAX, u64::MAX)] {
        refused(&by_hand().change_headers(|disk, header| {
            disk.put64(header + 40, usable.0);
            disk.put64(header + 48, usable.1);
        }));
    }
    for size in [0, 91, 513, u32::MAX] {
        let disk = by_hand().change_headers(|disk, header| {
            let size = if header == 512 { size } else { 92 };
            disk.put32(header + 12, size);
        });
        assert_eq!(bounded(&disk).unwrap().chosen(), TableCopy::Backup, "{size}");
    }
}

#[test]
fn h05_partitions_that_cannot_be_are_refused() {
    let sectors = |first: u64, last: u64| {
        move |entry: &mut [u8]| {
            entry[32..40].copy_from_slice(&first.to_le_bytes());
            entry[40..48].copy_from_slice(&last.to_le_bytes());
        }
    };
    for (first, last) in
        [(72, 71), (33, 60), (0, 0), (60, 127), (60, u64::MAX), (u64::MAX, u64::MAX), (1, 159)]
    {
        refused(&by_hand().change_entry(2, sectors(first, last)));
    }
    for (first, last) in [(64, 71), (71, 72), (40, 126), (80, 80), (90, 100)] {
        let disk = by_hand().change_entry(2, sectors(first, last));
        let error = bounded(&disk).unwrap_err().to_string();
        assert!(error.contains("overlap"), "{error}");
    }
    assert!(bounded(&by_hand().change_entry(2, sectors(72, 79))).is_ok());
}

#[test]
fn h06_a_uuid_of_two_partitions_is_reported_and_never_written() {
    let uuid = read(&disk(SectorSize::S512, 160)).partition(1).unwrap().uuid();
    let disk = by_hand().change_entry(4, |entry| {
        entry[16..32].copy_from_slice(&uuid.to_bytes_le());
    });
    let mut table = bounded(&disk).unwrap();
    assert!(matches!(
        table.faults(),
        [Fault::DuplicateUuid { first: 1, second: 4, uuid: found }] if *found == uuid
    ));
    assert!(matches!(table.set_uuid(30, uuid), Err(DiskError::SameUuid { .. })));
    let twice = [Some(partition(BOOT, [64, 71], "a")), Some(partition(BOOT, [64, 71], "b"))];
    let error = Table::new(SectorSize::S512, 160, DISK, &twice).unwrap_err();
    assert!(matches!(error, DiskError::SameUuid { .. }), "{error}");
}

#[test]
fn h07_tables_for_both_sizes_of_sectors_are_nobodys_guess() {
    let large = disk(SectorSize::S4096, 100);
    let mut both = disk(SectorSize::S512, 800);
    // Its array and header where those of 512 have entries that are not used.
    both[4096..4096 + 92].copy_from_slice(&large[4096..4096 + 92]);
    let mut sealed = ByHand { disk: both, sector: 512 };
    for header in sealed.headers() {
        let array = usize::try_from(sealed.u64(header + 72)).unwrap() * 512;
        sealed.disk.copy_within(1024..1024 + 16384, array);
    }
    let both = sealed.change_headers(|_, _| {});
    assert!(matches!(Table::read(&both, None), Err(DiskError::Ambiguous)));
    let error = Table::read(&both, Some(SectorSize::S512)).unwrap_err();
    assert!(matches!(error, DiskError::Broken { .. }), "its entries overlap: {error}");
    assert_eq!(Table::read(&large, None).unwrap().sector_size(), SectorSize::S4096);
    assert!(matches!(Table::read(&large, Some(SectorSize::S512)), Err(DiskError::NoTable)));
}

#[test]
fn h08_a_disk_with_partitions_in_lba_0_is_never_written() {
    let mut hybrid = disk(SectorSize::S512, 160);
    hybrid[446 + 16 + 4] = 0x83;
    let mut table = bounded(&hybrid).unwrap();
    assert_eq!(table.mbr(), Mbr::Hybrid);
    assert!(matches!(table.faults(), [Fault::Hybrid]));
    table.set_attributes(1, Attributes::new(1)).unwrap();
    assert!(matches!(table.update(), Err(DiskError::Hybrid)));

    let mut bare = disk(SectorSize::S512, 160);
    bare[510] = 0;
    assert!(matches!(bounded(&bare).unwrap().faults(), [Fault::Unprotected]));
}

#[test]
fn h09_a_disk_that_shrank_has_no_table_and_one_that_grew_keeps_its_own() {
    let good = disk(SectorSize::S512, 160);
    for len in [0, 1, 511, 1024, 1536, 2048, 17 * 1024, 159 * 512] {
        assert!(bounded(&good[..len]).is_err(), "{len}");
    }
    let mut grown = good.clone();
    grown.resize(300 * 512 + 100, 0);
    let mut table = bounded(&grown).unwrap();
    assert!(matches!(table.faults(), [Fault::Grown { backup: 159, last: 299 }]));
    assert!(table.update().unwrap().is_empty());

    // Changes go to where the copies are.
    table.set_label(1, &"new".parse().unwrap()).unwrap();
    let changed = written(&table, grown.clone());
    assert_eq!(&changed[160 * 512..], &grown[160 * 512..]);

    table.move_backup_to_end().unwrap();
    let moved = written(&table, grown);
    let table = bounded(&moved).unwrap();
    assert!(table.faults().is_empty(), "{:?}", table.faults());
    assert_eq!(table.usable(), (34, 299 - 33));
    assert_eq!(table.partition(1).unwrap().label().to_string(), "new");
    assert_eq!(moved[446 + 12..446 + 16], 299_u32.to_le_bytes());
}

#[test]
fn h11_labels_that_are_no_text_are_kept_and_shown_as_what_can_be_shown() {
    let odd = |label: [u8; 72]| {
        let disk = by_hand().change_entry(1, |entry| entry[56..].copy_from_slice(&label));
        let mut table = bounded(&disk).unwrap();
        // Kept when something else changes.
        table.set_attributes(1, Attributes::new(4)).unwrap();
        let found = read(&written(&table, disk)).partition(1).unwrap().label();
        assert_eq!(found.as_bytes(), &label);
        found
    };
    let of = |units: &[u16]| {
        let mut label = [0; 72];
        for (place, unit) in label.chunks_exact_mut(2).zip(units) {
            place.copy_from_slice(&unit.to_le_bytes());
        }
        odd(label)
    };
    assert_eq!(of(&[0x41, 0xd800, 0x42]).to_string(), "A\u{fffd}B");
    assert_eq!(of(&[0x41, 0, 0x42]).to_string(), "A");
    assert!(!of(&[0x41, 0, 0x42]).is_text());
    assert_eq!(of(&[0x41; 36]).to_string().len(), 36);
    assert!(of(&[]).is_empty());
    for text in ["a\nb", "a\0b", "\u{1b}[2J"] {
        assert!(text.parse::<Label>().is_err(), "{text:?}");
    }
    assert!("𝄞".repeat(18).parse::<Label>().is_ok());
    assert!("𝄞".repeat(19).parse::<Label>().is_err());
}

#[test]
fn entries_of_another_size_are_read_and_not_written() {
    let wide = by_hand().change_headers(|disk, header| {
        disk.put32(header + 80, 64);
        disk.put32(header + 84, 256);
    });
    let mut table = bounded(&wide).unwrap();
    assert_eq!(table.partitions().map(|found| found.number()).collect::<Vec<_>>(), [1]);
    table.set_attributes(1, Attributes::new(4)).unwrap();
    assert!(matches!(table.update(), Err(DiskError::EntrySize { size: 256 })));
}

#[test]
fn what_is_not_known_is_kept() {
    let mut odd = by_hand();
    for header in odd.headers() {
        odd.disk[header + 20] = 0xaa;
    }
    let odd = odd.change_headers(|_, _| {});
    let mut table = bounded(&odd).unwrap();
    let bits = Attributes::new(0x00ff_0000_0000_0ff8);
    table.set_attributes(4, bits).unwrap();
    let after = written(&table, odd.clone());
    let changed: Vec<_> = (0..odd.len()).filter(|at| odd[*at] != after[*at]).collect();
    let entry = 1024 + 3 * 128 + 48;
    let backup = 160 * 512 - 512 - 16384 + 3 * 128 + 48;
    let expected = |at: usize| {
        let (header, array) = (at % 512, [entry, backup]);
        array.iter().any(|start| (*start..start + 8).contains(&at))
            || ([512, 159 * 512].contains(&(at - header)) && matches!(header, 16..20 | 88..92))
    };
    assert!(changed.iter().all(|at| expected(*at)), "{changed:?}");
    assert_eq!(read(&after).partition(4).unwrap().attributes(), bits);
    assert_eq!(after[512 + 20], 0xaa);
}

#[test]
fn new_tables_that_cannot_be_are_refused() {
    let one = |first, last| vec![Some(partition(BOOT, [first, last], "x"))];
    for partitions in [one(33, 40), one(40, 39), one(40, 127), one(40, u64::MAX)] {
        assert!(Table::new(SectorSize::S512, 160, DISK, &partitions).is_err());
    }
    for sectors in [0, 1, 66, 67, u64::MAX] {
        assert!(Table::new(SectorSize::S512, sectors, DISK, &[]).is_err(), "{sectors}");
    }
    assert!(Table::new(SectorSize::S512, 68, DISK, &[]).is_ok());
    let many: Vec<Option<NewPartition>> = vec![None; 129];
    assert!(Table::new(SectorSize::S512, 1000, DISK, &many).is_err());
    assert!(matches!(
        table(SectorSize::S512, 160).partition(3),
        Err(DiskError::NoPartition { number: 3 })
    ));
}
