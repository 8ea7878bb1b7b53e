//! The slot of a disk, and whether it boots: not while it is written, and then only if that is
//! asked for.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use verity::disk::Partition;
use verity::disk::slots::{
    Action, BootState, Scheme, SlotError, TableSlots, grub_next, slot_letter,
};
use verity::publish::InPlace;

use crate::disks;
use crate::error::{Class, CommandError, OrFail};
use crate::image::LockedDisk;
use crate::storage;

/// Which slot of a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SlotName {
    Letter(char),
    /// The one of two that the running system is not on.
    Inactive,
}

/// A slot of a disk whose table nobody else changes.
pub(super) struct Slot {
    path: PathBuf,
    disk: LockedDisk,
    /// Counted from 0.
    slot: usize,
}

/// The partitions that an image goes into.
pub(super) struct SlotPartitions {
    pub(super) data: Partition,
    pub(super) hash: Partition,
}

impl Slot {
    /// Finds a slot and its partitions, in the table as it is under the lock.
    pub(super) fn open(
        path: &Path,
        name: &SlotName,
    ) -> Result<(Slot, SlotPartitions), CommandError> {
        let disk = LockedDisk::open(path)?;
        let sector_size = storage::sector_size(disk.file());
        let mut table = disks::read_table(disk.file(), sector_size, path)?;
        let Some(slots) = TableSlots::find(&mut table) else {
            let words = "no partition here carries a boot state: --data-device and --hash-device \
                         name the partitions of other disks";
            return Err(CommandError::message(Class::Metadata, words).at(path));
        };
        let count = slots.partitions().len();
        let partitions = |slot: usize| partitions(&slots, slot);
        let slot = match name {
            SlotName::Letter(letter) => (0..count).find(|slot| slot_letter(*slot) == *letter),
            SlotName::Inactive => Some(inactive(disk.file(), count, path, partitions)?),
        };
        let found = slot.and_then(|slot| Some((slot, partitions(slot)?)));
        let Some((slot, parts)) = found else {
            let known: Vec<_> =
                (0..count).map(slot_letter).map(|letter| letter.to_string()).collect();
            let words = format!(
                "there is no such slot with partitions for data and hash area (root-x and hash-x); \
                 of slots there are {}",
                known.join(", ")
            );
            return Err(CommandError::message(Class::Metadata, words).at(path));
        };
        Ok((Slot { path: path.to_owned(), disk, slot }, parts))
    }

    pub(super) fn letter(&self) -> char {
        slot_letter(self.slot)
    }

    /// The disk, if it is an image of one.
    pub(super) fn image(&self) -> Option<Arc<InPlace>> {
        match &self.disk {
            LockedDisk::File(disk) => Some(Arc::clone(disk)),
            LockedDisk::Device(_) => None,
        }
    }

    pub(super) fn file(&self) -> &File {
        self.disk.file()
    }

    /// Lets the slot not boot. The last one that boots is left alone.
    pub(super) fn retire(&mut self) -> Result<(), CommandError> {
        self.change(Action::Retire)
    }

    /// Lets the slot boot next, with so many tries.
    pub(super) fn activate(&mut self, tries: u8) -> Result<(), CommandError> {
        self.change(Action::Activate { tries })
    }

    fn change(&mut self, action: Action) -> Result<(), CommandError> {
        let path = &self.path;
        // What is noticed about it was told when the slot was found.
        let sector_size = storage::sector_size(self.disk.file());
        let mut table = disks::read_quietly(self.disk.file(), sector_size, path)?;
        let gone = || CommandError::message(Class::Changed, "the slots are gone").at(path);
        let mut slots = TableSlots::find(&mut table).ok_or_else(gone)?;
        let failed = |error| disks::failed(error, path);
        let before = slots.slots().map_err(failed)?;
        let after = action.apply_by_force(self.slot, &before);
        let after = after.map_err(|error| refused(&error, path))?;
        if grub_next(&before).is_some() && grub_next(&after).is_none() {
            return Err(refused(&SlotError::NoneLeft, path));
        }
        slots.set_slots(&after).map_err(failed)?;
        let update = table.update().map_err(failed)?;
        self.disk.write_table(&update, path)
    }
}

fn refused(error: &SlotError, path: &Path) -> CommandError {
    let class = match error {
        SlotError::Tries { .. } => Class::Usage,
        SlotError::NoneLeft => Class::Busy,
        _ => Class::Metadata,
    };
    let hint = match error {
        SlotError::NoneLeft => ": it is the only one, and stays as it is",
        _ => "",
    };
    CommandError::message(class, format!("{error}{hint}")).at(path)
}

/// The partitions of a slot: those that go with the one that carries its boot state.
fn partitions(slots: &TableSlots<'_>, slot: usize) -> Option<SlotPartitions> {
    match (slots.scheme(), slots.partitions_of(slot).as_slice()) {
        (Scheme::Bottlerocket, [_, data, hash]) => {
            Some(SlotPartitions { data: *data, hash: *hash })
        }
        _ => None,
    }
}

/// The slot of two that the running system is not on, as the kernel says. It is never guessed.
fn inactive(
    disk: &File,
    count: usize,
    path: &Path,
    partitions: impl Fn(usize) -> Option<SlotPartitions>,
) -> Result<usize, CommandError> {
    let refused = |words: &str| Err(CommandError::message(Class::Metadata, words).at(path));
    if count != 2 {
        return refused("there are not two slots: --slot names the one to write");
    }
    let root = fs::metadata("/").or_fail(Class::Io, Path::new("/"))?.dev();
    let running = devices_below(Path::new("/sys/dev/block"), root, 0);
    let is_running = |slot: usize| {
        let Some(parts) = partitions(slot) else { return false };
        let mut nodes = [&parts.data, &parts.hash]
            .into_iter()
            .filter_map(|part| fs::metadata(disks::node_of(disk, part)?).ok());
        nodes.any(|node| running.contains(&node.rdev()))
    };
    match [is_running(0), is_running(1)] {
        [true, false] => Ok(1),
        [false, true] => Ok(0),
        _ => refused("the running system is on neither slot of this disk: --slot names the one"),
    }
}

/// Stacks of devices are no deeper than this.
const MAX_DEPTH: usize = 8;

/// A block device, and all those that it lies on.
fn devices_below(devices: &Path, device: u64, depth: usize) -> Vec<u64> {
    let mut found = vec![device];
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let below = devices.join(format!("{major}:{minor}")).join("slaves");
    for entry in fs::read_dir(below).into_iter().flatten().flatten() {
        let number = fs::read_to_string(entry.path().join("dev")).unwrap_or_default();
        let number = number.trim().split_once(':').and_then(|(major, minor)| {
            Some(rustix::fs::makedev(major.parse().ok()?, minor.parse().ok()?))
        });
        if let Some(number) = number.filter(|_| depth < MAX_DEPTH) {
            found.extend(devices_below(devices, number, depth + 1));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_devices_of_a_stack_are_found_whatever_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let device = |number: &str, slaves: &[&str]| {
            let own = dir.path().join(number).join("slaves");
            fs::create_dir_all(&own).unwrap();
            for slave in slaves {
                fs::create_dir_all(own.join(format!("of{slave}"))).unwrap();
                fs::write(own.join(format!("of{slave}")).join("dev"), format!("{slave}\n"))
                    .unwrap();
            }
        };
        device("253:0", &["259:3", "259:4", "nonsense"]);
        device("259:3", &[]);
        // A circle, which no kernel has.
        device("259:4", &["259:4"]);
        let found = devices_below(dir.path(), rustix::fs::makedev(253, 0), 0);
        let three = rustix::fs::makedev(259, 3);
        assert!(found.contains(&three) && found.len() <= 3 + MAX_DEPTH, "{found:?}");
        assert_eq!(devices_below(dir.path(), three, 0), [three]);
    }
}
