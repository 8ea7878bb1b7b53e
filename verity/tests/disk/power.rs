//! Power that fails: at any write, in the middle of one, and with those that were not flushed in
//! any order.

use std::ops::Range;

use verity::disk::slots::{Action, BootState, SlotState, TableSlots};
use verity::disk::{Partition, SectorSize, Step, Table};
use verity_testdata::pattern::Prng;

use super::support::{ByHand, crc32, disk, read};

/// What storage tears a write into.
const SECTOR: usize = 512;

/// A slow reading of the primary, as a kernel reads it that never looks at the backup.
fn primary_of(disk: &[u8], size: SectorSize) -> Option<Vec<u8>> {
    let sector = usize::try_from(size.bytes()).unwrap();
    let by_hand = ByHand { disk: disk.to_vec(), sector };
    let mut header = disk[sector..sector + 92].to_vec();
    header[16..20].fill(0);
    let array = disk[2 * sector..2 * sector + 16384].to_vec();
    let is_whole =
        crc32(&header) == by_hand.u32(sector + 16) && crc32(&array) == by_hand.u32(sector + 88);
    is_whole.then_some(array)
}

/// GRUB's rule once more, word for word: a candidate has tries left or was successful, and a
/// priority above the best so far.
fn grub_twin(table: &Table) -> Option<u32> {
    let (mut best, mut chosen) = (0, None);
    for partition in
        table.partitions().filter(|found| found.label().to_string().starts_with("BOOT"))
    {
        let bits = partition.attributes().bits();
        let (priority, tries, good) = (bits >> 48 & 15, bits >> 52 & 15, bits >> 56 & 1);
        if (tries > 0 || good == 1) && priority > best {
            (best, chosen) = (priority, Some(partition.number()));
        }
    }
    chosen
}

/// Writes of one flush epoch.
fn epochs(steps: &[Step]) -> Vec<Vec<(usize, &[u8])>> {
    let epochs = steps.split(|step| *step == Step::Flush);
    let writes = |steps: &[Step]| {
        let write = |step: &Step| match step {
            Step::Write { offset, .. } => usize::try_from(*offset).unwrap(),
            Step::Flush => unreachable!(),
        };
        steps.iter().map(write).collect::<Vec<_>>()
    };
    let mut all = Vec::new();
    for epoch in epochs {
        let bytes = epoch.iter().map(|step| match step {
            Step::Write { bytes, .. } => bytes.as_slice(),
            Step::Flush => unreachable!(),
        });
        all.push(writes(epoch).into_iter().zip(bytes).collect());
    }
    all
}

fn put(disk: &mut [u8], offset: usize, bytes: &[u8]) {
    disk[offset..offset + bytes.len()].copy_from_slice(bytes);
}

/// Shows every state that a disk can be left in. `atom` is what the storage never tears.
fn every_cut(old: &[u8], steps: &[Step], atom: usize, look: &mut dyn FnMut(&[u8])) {
    let mut disk = old.to_vec();
    let mut random = Prng::new(7);
    for epoch in epochs(steps) {
        let before = disk.clone();
        // In order, cut off at any unit.
        let mut cut = before.clone();
        look(&cut);
        for (offset, bytes) in &epoch {
            for (index, part) in bytes.chunks(atom).enumerate() {
                put(&mut cut, offset + index * atom, part);
                look(&cut);
            }
        }
        // What was not flushed arrives in any order.
        for _ in 0..200 {
            let mut any = before.clone();
            for (offset, bytes) in &epoch {
                for (index, part) in bytes.chunks(atom).enumerate() {
                    if random.below(2) == 0 {
                        put(&mut any, offset + index * atom, part);
                    }
                }
            }
            look(&any);
        }
        disk = cut;
    }
    look(&disk);
}

fn partitions(table: &Table) -> Vec<Partition> {
    table.partitions().collect()
}

/// Holds a change against every cut.
fn survives(old: &[u8], change: impl Fn(&mut Table), size: SectorSize) {
    let mut table = read(old);
    let was = partitions(&table);
    change(&mut table);
    let will_be = partitions(&table);
    let update = table.update().unwrap();
    assert!(!update.is_empty());
    assert_eq!(update.steps().last(), Some(&Step::Flush));
    every_cut(old, update.steps(), SECTOR, &mut |disk| {
        let table = read(disk);
        let found = partitions(&table);
        assert!(found == was || found == will_be, "neither old nor new: {found:?}");
        assert!(grub_twin(&table).is_some(), "nothing boots");
    });
    if update.is_atomic() {
        every_cut(old, update.steps(), 4096, &mut |disk| {
            assert!(primary_of(disk, size).is_some(), "no partitions without the backup");
        });
    }
    let mut after = old.to_vec();
    for (offset, bytes) in epochs(update.steps()).into_iter().flatten() {
        put(&mut after, offset, bytes);
    }
    assert_eq!(partitions(&read(&after)), will_be);
    assert!(read(&after).faults().is_empty());
    assert!(read(&after).update().unwrap().is_empty(), "done twice is done once");
}

fn activate(table: &mut Table) {
    let mut slots = TableSlots::find(table).unwrap();
    let states = slots.slots().unwrap();
    assert_eq!(
        states,
        [SlotState { priority: 1, tries: 0, successful: true }, SlotState::default()]
    );
    slots.set_slots(&Action::Activate { tries: 3 }.apply(1, &states).unwrap()).unwrap();
}

#[test]
fn h10_a_power_cut_at_any_write_leaves_an_old_or_a_new_table() {
    for (size, sectors) in [(SectorSize::S512, 160), (SectorSize::S4096, 100)] {
        let good = disk(size, sectors);
        survives(&good, activate, size);
        let is_atomic = |table: &Table| table.update().unwrap().is_atomic();
        let mut table = read(&good);
        activate(&mut table);
        assert_eq!(is_atomic(&table), size == SectorSize::S512);

        // Also an entry behind the first 4096 bytes, which goes before.
        let label = "moved".parse().unwrap();
        survives(&good, |table| table.set_label(30, &label).unwrap(), size);
        let mut table = read(&good);
        table.set_label(30, &label).unwrap();
        assert!(!is_atomic(&table));
    }
}

#[test]
fn h10_the_only_whole_copy_is_not_written_before_there_is_another() {
    for (size, sectors) in [(SectorSize::S512, 160), (SectorSize::S4096, 100)] {
        let good = disk(size, sectors);
        let sector = usize::try_from(size.bytes()).unwrap();
        for at in [sector + 40, 2 * sector + 8, good.len() - sector + 40] {
            let mut bad = good.clone();
            bad[at] ^= 0x40;
            survives(&bad, activate, size);
            survives(&bad, |_| {}, size);
        }
    }
}

#[test]
fn h10_a_disk_that_grew_has_a_table_at_any_moment() {
    let grow = |table: &mut Table| table.move_backup_to_end().unwrap();
    for (size, sectors) in [(SectorSize::S512, 160), (SectorSize::S4096, 100)] {
        let sector = usize::try_from(size.bytes()).unwrap();
        // By so few sectors that the new backup lies over the old one, too.
        for more in [1, 20, 160] {
            let mut good = disk(size, sectors);
            good.resize(good.len() + more * sector, 0);
            survives(&good, grow, size);
            let mut table = read(&good);
            grow(&mut table);
            assert!(table.update().unwrap().is_atomic());
            // The old backup is all there is: it is written over last.
            good[2 * sector + 8] ^= 0x40;
            survives(&good, grow, size);
        }
    }
}

#[test]
fn the_first_4096_bytes_go_with_one_write_after_the_backup() {
    let good = disk(SectorSize::S512, 160);
    let mut table = read(&good);
    activate(&mut table);
    let update = table.update().unwrap();
    let places: Vec<Option<Range<u64>>> = update
        .steps()
        .iter()
        .map(|step| match step {
            Step::Write { offset, bytes } => Some(*offset..offset + bytes.len() as u64),
            Step::Flush => None,
        })
        .collect();
    let backup = 160 * 512 - 512 - 16384;
    assert_eq!(
        places,
        [Some(backup..backup + 512), Some(159 * 512..160 * 512), None, Some(0..4096), None]
    );
}
