//! `verity slots`: which system boots next.

use std::fmt;

use serde::Serialize;
use verity::disk::slots::{Difference, SlotState, slot_letter};

use crate::command::slots::{Changed, SlotsOfDisk};
use crate::image::ShownSlots;
use crate::quoted::Quoted;

/// The slots of a disk. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct SlotsDocument {
    disk: String,
    #[serde(flatten)]
    slots: SlotsEntry,
    changed: Option<ChangedEntry>,
}

/// The slots of a table.
#[derive(Serialize)]
pub(super) struct SlotsEntry {
    /// `bottlerocket`, `chromeos` or `flatcar`.
    scheme: &'static str,
    slots: Vec<SlotEntry>,
    /// The slot that GRUB boots next.
    next: Option<String>,
    /// Where Bottlerocket's signpost would say something else.
    differences: Vec<String>,
    has_booted: Option<bool>,
}

#[derive(Serialize)]
struct SlotEntry {
    slot: String,
    partition: u32,
    label: String,
    #[serde(flatten)]
    state: StateEntry,
    bootable: bool,
}

#[derive(Serialize)]
struct StateEntry {
    priority: u8,
    tries: u8,
    successful: bool,
}

#[derive(Serialize)]
struct ChangedEntry {
    slot: String,
    before: StateEntry,
    after: StateEntry,
    written: bool,
    atomic: bool,
    /// The root hash that the image of the slot was held against.
    verified_root_hash: Option<String>,
}

impl From<&SlotsOfDisk> for SlotsDocument {
    fn from(facts: &SlotsOfDisk) -> SlotsDocument {
        SlotsDocument {
            disk: Quoted(&facts.disk).to_string(),
            slots: SlotsEntry::from(&facts.slots),
            changed: facts.changed.as_ref().map(ChangedEntry::from),
        }
    }
}

impl From<&ShownSlots> for SlotsEntry {
    fn from(facts: &ShownSlots) -> SlotsEntry {
        let entry = |(slot, (partition, state)): (usize, &(verity::disk::Partition, SlotState))| {
            SlotEntry {
                slot: slot_letter(slot).to_string(),
                partition: partition.number(),
                label: partition.label().to_string(),
                state: StateEntry::from(*state),
                bootable: state.is_bootable_by_grub(),
            }
        };
        SlotsEntry {
            scheme: facts.scheme.name(),
            slots: facts.slots.iter().enumerate().map(entry).collect(),
            next: facts.next.map(|slot| slot_letter(slot).to_string()),
            differences: facts.differences.iter().map(Difference::to_string).collect(),
            has_booted: facts.has_booted,
        }
    }
}

impl From<SlotState> for StateEntry {
    fn from(state: SlotState) -> StateEntry {
        let SlotState { priority, tries, successful } = state;
        StateEntry { priority, tries, successful }
    }
}

impl From<&Changed> for ChangedEntry {
    fn from(changed: &Changed) -> ChangedEntry {
        ChangedEntry {
            slot: slot_letter(changed.slot).to_string(),
            before: changed.before.into(),
            after: changed.after.into(),
            written: changed.is_written,
            atomic: changed.is_atomic,
            verified_root_hash: changed.verified.map(|root_hash| root_hash.to_string()),
        }
    }
}

impl fmt::Display for SlotsDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(changed) = &self.changed {
            if let Some(root_hash) = &changed.verified_root_hash {
                writeln!(f, "slot {}: verified, root hash {root_hash}", changed.slot)?;
            }
            let done = if changed.written { "changed" } else { "not written" };
            writeln!(f, "slot {}: {} -> {} ({done})", changed.slot, changed.before, changed.after)?;
        }
        self.slots.fmt(f)
    }
}

impl fmt::Display for SlotsEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "slots of {}:", self.scheme)?;
        for slot in &self.slots {
            let SlotEntry { slot, partition, state, bootable, label } = slot;
            let boots = if *bootable { "" } else { ", does not boot" };
            let label = Quoted(std::path::Path::new(label)).to_string();
            writeln!(f, "  {slot}  partition {partition} ({label}): {state}{boots}")?;
        }
        match &self.next {
            Some(next) => writeln!(f, "boots next: {next}")?,
            None => writeln!(f, "boots next: none")?,
        }
        for difference in &self.differences {
            writeln!(f, "note: {difference}")?;
        }
        Ok(())
    }
}

impl fmt::Display for StateEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StateEntry { priority, tries, successful } = *self;
        SlotState { priority, tries, successful }.fmt(f)
    }
}
