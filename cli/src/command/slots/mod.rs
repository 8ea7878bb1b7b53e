//! `verity slots`: which system of a disk boots next, and changes of that.

mod in_use;
mod verified;

use std::path::PathBuf;

use verity::RootHash;
use verity::disk::Table;
use verity::disk::slots::{Action, BootState, SlotError, SlotState, TableSlots, slot_letter};

pub(crate) use self::verified::SlotImage;
use crate::context::Context;
use crate::disks;
use crate::error::{Class, CommandError};
use crate::image::{Device, LockedDisk, ShownSlots, shown_slots};
use crate::roles;
use crate::storage;
use crate::trust::TrustSource;

/// Which disk, and what to do there.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) disk: PathBuf,
    pub(crate) change: Option<Change>,
    /// Who was named to be trusted, where nothing needs that.
    pub(crate) unused_trust: TrustSource,
}

/// What to do with a slot.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) action: Action,
    /// A letter, the number of its partition, or its label.
    pub(crate) slot: String,
    /// Tries for the slot; only to activate it sets any.
    pub(crate) tries: Option<u8>,
    /// Also if no slot is left that boots.
    pub(crate) force: bool,
    pub(crate) dry_run: bool,
    /// What the image of the slot is held against before the slot may boot.
    pub(crate) verify: Option<SlotImage>,
}

/// The slots of a disk, after the change if there was one.
#[derive(Debug)]
pub(crate) struct SlotsOfDisk {
    pub(crate) disk: PathBuf,
    pub(crate) slots: ShownSlots,
    pub(crate) changed: Option<Changed>,
}

/// What became of a change.
#[derive(Debug)]
pub(crate) struct Changed {
    /// The slot, counted from 0.
    pub(crate) slot: usize,
    pub(crate) before: SlotState,
    pub(crate) after: SlotState,
    /// Whether anything was to be written, and was.
    pub(crate) is_written: bool,
    /// Whether a reader of the primary table alone finds one at any moment.
    pub(crate) is_atomic: bool,
    /// The root hash that the image of the slot was held against.
    pub(crate) verified: Option<RootHash>,
}

/// Shows the slots, or changes one of them.
pub(crate) fn run(options: &Options, context: &Context) -> Result<SlotsOfDisk, CommandError> {
    options.unused_trust.check_unused()?;
    if let Some(Change { action, tries: Some(_), .. }) = options.change
        && !matches!(action, Action::Activate { .. })
    {
        return Err(CommandError::usage("--tries goes with activate, which alone sets them"));
    }
    let Some(change) = &options.change else {
        let disk = Device::open(&options.disk)?;
        let mut table = disks::read_table(&disk, disk.sector_size(), &options.disk)?;
        let slots = slots_of(&mut table, options)?;
        disk.check()?;
        return Ok(SlotsOfDisk { disk: options.disk.clone(), slots, changed: None });
    };
    // Locked before the table is read, until it is written.
    roles::names_output(&options.disk)?;
    let disk = LockedDisk::open(&options.disk)?;
    let mut table =
        disks::read_table(disk.file(), storage::sector_size(disk.file()), &options.disk)?;
    slots_of(&mut table, options)?;
    let changed = apply(change, &mut table, &disk, options, context)?;
    let slots = slots_of(&mut table, options)?;
    Ok(SlotsOfDisk { disk: options.disk.clone(), slots, changed: Some(changed) })
}

fn slots_of(table: &mut Table, options: &Options) -> Result<ShownSlots, CommandError> {
    shown_slots(table).ok_or_else(|| {
        let words = "no partition here carries a boot state: that is for disks as Bottlerocket, \
                     ChromeOS and Flatcar have them";
        CommandError::message(Class::Metadata, words).at(&options.disk)
    })
}

fn apply(
    change: &Change,
    table: &mut Table,
    disk: &LockedDisk,
    options: &Options,
    context: &Context,
) -> Result<Changed, CommandError> {
    let path = &options.disk;
    let Some(mut slots) = TableSlots::find(table) else {
        return Err(CommandError::message(Class::Metadata, "no slots").at(path));
    };
    let slot = find(&slots, &change.slot).map_err(|error| error.at(path))?;
    let states = slots.slots().map_err(|error| disks::failed(error, path))?;
    let applied = match change.force {
        true => change.action.apply_by_force(slot, &states),
        false => change.action.apply(slot, &states),
    };
    let after = applied.map_err(|error| refused(error, path))?;
    in_use::refuse_losses(&slots, (&states, &after), disk, path)?;
    let verified = match &change.verify {
        Some(_) if change.action == Action::Retire => {
            let words = "--verify goes with what lets a slot boot, and retire does not";
            return Err(CommandError::usage(words));
        }
        Some(image) => Some(image.verify(&slots, slot, (disk, path), context)?),
        None => None,
    };
    slots.set_slots(&after).map_err(|error| disks::failed(error, path))?;
    if change.action == Action::MarkGood {
        slots.set_has_booted().map_err(|error| disks::failed(error, path))?;
    }
    let update = table.update().map_err(|error| disks::failed(error, path))?;
    let is_written = !update.is_empty() && !change.dry_run;
    if is_written {
        disk.write_table(&update, path)?;
    }
    Ok(Changed {
        slot,
        before: states[slot],
        after: after[slot],
        is_written,
        is_atomic: update.is_atomic(),
        verified,
    })
}

fn refused(error: SlotError, path: &std::path::Path) -> CommandError {
    let hint = match error {
        SlotError::NoneLeft => "; --force does it nevertheless",
        _ => "",
    };
    let class = match error {
        SlotError::Tries { .. } => Class::Usage,
        _ => Class::Metadata,
    };
    CommandError::message(class, format!("{error}{hint}")).at(path)
}

/// The slot with this letter, number or label.
fn find(slots: &TableSlots<'_>, name: &str) -> Result<usize, CommandError> {
    let partitions = slots.partitions();
    let by_letter = (0..partitions.len())
        .find(|slot| name.eq_ignore_ascii_case(&slot_letter(*slot).to_string()));
    let by_partition = || {
        partitions.iter().position(|found| {
            found.number().to_string() == name
                || found.label().to_string().eq_ignore_ascii_case(name)
        })
    };
    by_letter.or_else(by_partition).ok_or_else(|| {
        let known = (0..partitions.len()).map(|slot| slot_letter(slot).to_string());
        let known = known.collect::<Vec<_>>().join(", ");
        let words = format!("{name:?} is no slot here: there are {known}");
        CommandError::message(Class::Metadata, words)
    })
}
