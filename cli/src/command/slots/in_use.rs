//! A slot that is in use: a file system on it is mounted, or a device lies over it.

use std::path::Path;

use verity::disk::slots::{SlotState, TableSlots, slot_letter};

use crate::error::{Class, CommandError, OrFail};
use crate::image::LockedDisk;
use crate::storage;

/// Refuses a change by which a slot that is in use would lose that it boots, or that it has booted
/// well: the system that runs may be the one that is there.
pub(super) fn refuse_losses(
    slots: &TableSlots<'_>,
    (before, after): (&[SlotState], &[SlotState]),
    disk: &LockedDisk,
    path: &Path,
) -> Result<(), CommandError> {
    for (slot, (before, after)) in before.iter().zip(after).enumerate() {
        if !loses(*before, *after) {
            continue;
        }
        for partition in slots.partitions_of(slot) {
            let user = storage::user_of(disk.file(), partition.range()).or_fail(Class::Io, path)?;
            if let Some(user) = user {
                let words = format!(
                    "slot {} is in use: partition {} is {user}, and the slot would lose its boot \
                     state ({before}); boot another one first",
                    slot_letter(slot),
                    partition.number(),
                );
                return Err(CommandError::message(Class::Busy, words).at(path));
            }
        }
    }
    Ok(())
}

fn loses(before: SlotState, after: SlotState) -> bool {
    (before.is_bootable_by_grub() && !after.is_bootable_by_grub())
        || (before.successful && !after.successful)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_loses_what_it_has_and_no_more() {
        let state = |priority, tries, successful| SlotState { priority, tries, successful };
        assert!(loses(state(1, 0, true), state(0, 0, false)));
        assert!(loses(state(1, 3, false), state(0, 0, false)));
        // Success that must be shown again is success that is lost.
        assert!(loses(state(1, 0, true), state(2, 1, false)));
        assert!(!loses(state(0, 0, false), state(2, 1, false)));
        assert!(!loses(state(0, 3, false), state(0, 0, false)));
        assert!(!loses(state(2, 0, true), state(1, 0, true)));
    }
}
