//! The slots of a disk, as commands tell of them.

use verity::disk::slots::{
    BootState, Difference, Scheme, SlotState, TableSlots, differences, grub_next,
};
use verity::disk::{Partition, Table};

/// The slots of a disk.
#[derive(Debug)]
pub(crate) struct ShownSlots {
    pub(crate) scheme: Scheme,
    pub(crate) slots: Vec<(Partition, SlotState)>,
    /// The slot that GRUB boots next, counted from 0.
    pub(crate) next: Option<usize>,
    pub(crate) differences: Vec<Difference>,
    pub(crate) has_booted: Option<bool>,
}

/// The slots of a table, if it has any.
pub(crate) fn shown_slots(table: &mut Table) -> Option<ShownSlots> {
    let slots = TableSlots::find(table)?;
    let Ok(states) = slots.slots() else { return None };
    Some(ShownSlots {
        scheme: slots.scheme(),
        next: grub_next(&states),
        differences: differences(&states),
        has_booted: slots.has_booted(),
        slots: slots.partitions().into_iter().zip(states).collect(),
    })
}
