//! Every bit of both copies, flipped alone.

use verity::disk::{DiskError, Fault, SectorSize, Table, TableCopy};

use super::support::{disk, read, written};

/// Flips every bit of these bytes of a disk.
fn flip_all(good: &[u8], bytes: impl Iterator<Item = usize>, check: impl Fn(&[u8], usize)) {
    let mut disk = good.to_vec();
    for at in bytes {
        for bit in 0..8 {
            disk[at] ^= 1 << bit;
            check(&disk, at);
            disk[at] ^= 1 << bit;
        }
    }
}

fn partitions(table: &Table) -> Vec<verity::disk::Partition> {
    table.partitions().collect()
}

#[test]
fn h01_each_flipped_bit_of_a_copy_is_found_and_the_other_copy_used() {
    for (size, sectors) in [(SectorSize::S512, 160), (SectorSize::S4096, 100)] {
        let good = disk(size, sectors);
        let wanted = partitions(&read(&good));
        assert!(read(&good).faults().is_empty());
        let sector = usize::try_from(size.bytes()).unwrap();
        let end = sector + 16384 + sector;
        let (all, used) = (good.len(), sector..end);
        // Where entries are empty, every 13th byte will do.
        let some = |at: &usize| at.is_multiple_of(13) || good[*at] != 0 || at % sector < 128;
        flip_all(&good, used.clone().filter(some), |disk, at| {
            let table = read(disk);
            assert_eq!(partitions(&table), wanted, "byte {at}");
            assert_eq!(table.faults().len(), 1, "byte {at}: {:?}", table.faults());
            let is_as_found = match table.faults()[0] {
                Fault::BehindHeader { copy: TableCopy::Primary } => {
                    table.chosen() == TableCopy::Primary
                }
                Fault::Copy { copy: TableCopy::Primary, .. } => table.chosen() == TableCopy::Backup,
                _ => false,
            };
            assert!(is_as_found, "byte {at}: {:?}", table.faults());
        });
        let backup = all - sector - 16384..all;
        flip_all(&good, backup.filter(some), |disk, at| {
            let table = read(disk);
            assert_eq!(partitions(&table), wanted, "byte {at}");
            assert_eq!(table.chosen(), TableCopy::Primary);
            assert_eq!(table.faults().len(), 1, "byte {at}: {:?}", table.faults());
        });
    }
}

#[test]
fn h01_a_flipped_copy_is_made_anew_by_the_next_update_and_by_nothing_else() {
    let good = disk(SectorSize::S512, 160);
    assert!(read(&good).update().unwrap().is_empty());
    for at in [512 + 56, 1024 + 40, 160 * 512 - 512 + 30, 160 * 512 - 512 - 16384] {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        let table = read(&bad);
        assert_eq!(table.faults().len(), 1);
        assert_eq!(written(&table, bad), good, "byte {at}");
    }
}

#[test]
fn h01_with_both_copies_flipped_there_is_no_table() {
    let good = disk(SectorSize::S512, 160);
    let places = [512 + 60, 1024 + 3, good.len() - 512 + 60, good.len() - 700 - 16000];
    for primary in &places[..2] {
        for backup in &places[2..] {
            let mut bad = good.clone();
            bad[*primary] ^= 1;
            bad[*backup] ^= 1;
            let error = Table::read(&bad, None).unwrap_err();
            assert!(matches!(error, DiskError::Broken { .. }), "{error}");
        }
    }
}
