//! Which of several systems on a disk boots next, as bits of their partitions say it.
//!
//! The scheme is that of ChromeOS, which Bottlerocket and Flatcar took over: bits 48 to 51 are a
//! priority, 52 to 55 how many tries are left, 56 says that the slot has once booted well.
//!
//! Two programs read these bits, and not in the same way. GRUB, with the patches of CoreOS, takes
//! the slot of the highest priority above 0 that has tries left or was successful, the first one of
//! equals, and takes a try off whatever it boots. Bottlerocket's `signpost`, which sets the bits,
//! counts a slot as bootable that has tries and a priority, *or was successful*: also one of
//! priority 0, which GRUB never boots. What GRUB does is what happens; [`differences`] tells where
//! the other would be wrong.
//!
//! | action | on the slot | on the others |
//! |---|---|---|
//! | [`Action::Activate`] | first, with the tries given, not successful | those above 0 move down |
//! | [`Action::MarkGood`] | successful | |
//! | [`Action::Retire`] | no priority, no tries, not successful | |
//! | [`Action::Rollback`] | first | those above 0 move down |
//!
//! Each action done twice is as done once.

use std::fmt;

use uuid::Uuid;

use super::{Attributes, Partition, Table};

const PRIORITY: u32 = 48;
const TRIES: u32 = 52;
const SUCCESSFUL: u32 = 56;
/// Bottlerocket sets this bit of its private partition once a system has booted.
const HAS_BOOTED: u32 = 57;
/// The type of ChromeOS's root partitions, which go with its kernel partitions.
const CHROME_OS_ROOT: u128 = 0x3cb8e202_3b7e_47dd_8a3c_7ff2a13cfcec;
/// The highest priority, and the most tries.
const MAX: u8 = 15;

/// The boot state of a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SlotState {
    /// 0 to 15; GRUB never boots 0.
    pub priority: u8,
    /// How many boots may still fail, 0 to 15.
    pub tries: u8,
    /// Whether it has booted well.
    pub successful: bool,
}

impl SlotState {
    /// The state in the attributes of a partition.
    pub fn of(attributes: Attributes) -> SlotState {
        let four = |first| u8::try_from(attributes.field(first, 4)).unwrap_or(MAX);
        let successful = attributes.is_set(SUCCESSFUL);
        SlotState { priority: four(PRIORITY), tries: four(TRIES), successful }
    }

    /// These attributes with this state; all other bits stay as they are.
    #[must_use]
    pub fn put_into(self, attributes: Attributes) -> Attributes {
        attributes
            .with_field(PRIORITY, 4, self.priority.min(MAX).into())
            .with_field(TRIES, 4, self.tries.min(MAX).into())
            .with(SUCCESSFUL, self.successful)
    }

    /// Whether GRUB would boot it, were it alone.
    pub fn is_bootable_by_grub(self) -> bool {
        self.priority > 0 && (self.tries > 0 || self.successful)
    }

    /// Whether signpost counts it as bootable.
    pub fn is_bootable_by_signpost(self) -> bool {
        (self.priority > 0 && self.tries > 0) || self.successful
    }
}

impl fmt::Display for SlotState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let successful = if self.successful { ", successful" } else { "" };
        write!(f, "priority {}, tries {}{successful}", self.priority, self.tries)
    }
}

/// The slot that GRUB boots next.
pub fn grub_next(slots: &[SlotState]) -> Option<usize> {
    let bootable = slots.iter().enumerate().filter(|(_, slot)| slot.is_bootable_by_grub());
    // Of equals, `max_by_key` would take the last.
    bootable.rev().max_by_key(|(_, slot)| slot.priority).map(|(index, _)| index)
}

/// Boots as GRUB does: the slot that it takes loses a try, if it has one.
pub fn grub_boot(slots: &mut [SlotState]) -> Option<usize> {
    let next = grub_next(slots)?;
    slots[next].tries = slots[next].tries.saturating_sub(1);
    Some(next)
}

/// The slot that signpost says boots next.
pub fn signpost_next(slots: &[SlotState]) -> Option<usize> {
    let bootable = slots.iter().enumerate().filter(|(_, slot)| slot.is_bootable_by_signpost());
    bootable.rev().max_by_key(|(_, slot)| slot.priority).map(|(index, _)| index)
}

/// Where GRUB and signpost do not agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Difference {
    /// Signpost counts the slot as bootable, GRUB never boots it.
    Bootable {
        /// The slot, counted from 0.
        slot: usize,
    },
    /// They name different slots as the next.
    Next {
        /// What GRUB boots.
        grub: Option<usize>,
        /// What signpost says.
        signpost: Option<usize>,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |slot: &Option<usize>| match slot {
            Some(slot) => format!("slot {}", slot_letter(*slot)),
            None => "no slot".to_owned(),
        };
        match self {
            Difference::Bootable { slot } => write!(
                f,
                "signpost counts slot {} as bootable, and GRUB never boots priority 0",
                slot_letter(*slot)
            ),
            Difference::Next { grub, signpost } => {
                write!(f, "GRUB boots {} next, signpost says {}", name(grub), name(signpost))
            }
        }
    }
}

/// Where GRUB and signpost do not agree about these slots.
pub fn differences(slots: &[SlotState]) -> Vec<Difference> {
    let of_slots = slots
        .iter()
        .enumerate()
        .filter(|(_, state)| state.is_bootable_by_grub() != state.is_bootable_by_signpost());
    let mut found: Vec<_> = of_slots.map(|(slot, _)| Difference::Bootable { slot }).collect();
    let (grub, signpost) = (grub_next(slots), signpost_next(slots));
    if grub != signpost {
        found.push(Difference::Next { grub, signpost });
    }
    found
}

/// What is done with a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// It boots next, and has so many tries to show that it is good.
    Activate {
        /// 1 to 15.
        tries: u8,
    },
    /// It has booted well.
    MarkGood,
    /// It does not boot any more, and may be written.
    Retire,
    /// It boots next, as it is.
    Rollback,
}

/// Why an action is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SlotError {
    /// No slot would be left to boot.
    #[error("no slot would be left that boots")]
    NoneLeft,
    /// There is no such slot.
    #[error("there is no slot {}", slot_letter(*slot))]
    NoSlot {
        /// Its number, counted from 0.
        slot: usize,
    },
    /// The slot does not boot, so that it is nothing to go back to, and nothing that went well.
    #[error("slot {} does not boot: {state}", slot_letter(*slot))]
    NotBootable {
        /// The slot, counted from 0.
        slot: usize,
        /// The state of it.
        state: SlotState,
    },
    /// A number of tries that there is no room for.
    #[error("a slot has 1 to 15 tries, not {tries}")]
    Tries {
        /// The number.
        tries: u8,
    },
}

impl Action {
    /// The states of all slots after this was done with one of them.
    ///
    /// # Errors
    /// When it is refused: see [`SlotError`]. That no slot is left, [`Action::apply_by_force`] does
    /// not mind.
    pub fn apply(self, slot: usize, slots: &[SlotState]) -> Result<Vec<SlotState>, SlotError> {
        let after = self.apply_by_force(slot, slots)?;
        match grub_next(&after) {
            Some(_) => Ok(after),
            None => Err(SlotError::NoneLeft),
        }
    }

    /// As [`Action::apply`], also if no slot is left that boots.
    ///
    /// # Errors
    /// All of [`SlotError`] but [`SlotError::NoneLeft`].
    pub fn apply_by_force(
        self,
        slot: usize,
        slots: &[SlotState],
    ) -> Result<Vec<SlotState>, SlotError> {
        let state = *slots.get(slot).ok_or(SlotError::NoSlot { slot })?;
        let mut after = slots.to_vec();
        match self {
            Action::Activate { tries } => {
                if tries == 0 || tries > MAX {
                    return Err(SlotError::Tries { tries });
                }
                let priority = put_first(slot, &mut after);
                after[slot] = SlotState { priority, tries, successful: false };
            }
            // A slot of priority 0 was retired, whatever else its bits say. One without tries has
            // just used the last.
            Action::MarkGood if state.priority == 0 => {
                return Err(SlotError::NotBootable { slot, state });
            }
            Action::MarkGood => after[slot].successful = true,
            Action::Retire => after[slot] = SlotState::default(),
            Action::Rollback if state.tries == 0 && !state.successful => {
                return Err(SlotError::NotBootable { slot, state });
            }
            Action::Rollback => after[slot].priority = put_first(slot, &mut after),
        }
        Ok(after)
    }
}

/// Moves the priorities of all other slots down, so that they are 1 and more in the order that they
/// have; 0 stays 0. Returns the next higher one, which is at least 2.
fn put_first(slot: usize, slots: &mut [SlotState]) -> u8 {
    let others = slots.iter().enumerate().filter(|(index, _)| *index != slot);
    let mut used: Vec<_> = others.map(|(_, slot)| slot.priority).filter(|p| *p > 0).collect();
    used.sort_unstable();
    used.dedup();
    for (index, other) in slots.iter_mut().enumerate() {
        if index != slot && other.priority > 0 {
            let rank = used.iter().take_while(|priority| **priority <= other.priority).count();
            other.priority = u8::try_from(rank).map_or(MAX - 1, |rank| rank.min(MAX - 1));
        }
    }
    u8::try_from(used.len().saturating_add(1)).map_or(MAX, |next| next.clamp(2, MAX))
}

/// The letter of a slot: `a` for the first.
pub fn slot_letter(slot: usize) -> char {
    u8::try_from(slot).ok().and_then(|slot| b'a'.checked_add(slot)).map_or('?', char::from)
}

/// Whose partitions carry the boot state of their slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Scheme {
    /// Bottlerocket's boot partitions.
    Bottlerocket,
    /// The kernel partitions of ChromeOS.
    ChromeOs,
    /// The /usr partitions of Flatcar, and of CoreOS before it.
    Flatcar,
}

impl Scheme {
    /// All of them.
    pub const ALL: [Scheme; 3] = [Scheme::Bottlerocket, Scheme::ChromeOs, Scheme::Flatcar];

    /// The types of Bottlerocket's partitions by their names.
    pub(super) const BOTTLEROCKET_TYPES: [(&str, u128); 6] = [
        ("boot", 0x6b636168_7420_6568_2070_6c616e657421),
        ("root", 0x5526016a_1a97_4ea4_b39a_b7c8c6ca4502),
        ("hash", 0x598f10af_c955_4456_6a99_7720068a6cea),
        ("reserved", 0x0c5d99a5_d331_4147_baef_08e2b855bdc9),
        ("private", 0x440408bb_eb0b_4328_a6e5_a29038fad706),
        ("data", 0x626f7474_6c65_6474_6861_726d61726b73),
    ];

    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Bottlerocket => "bottlerocket",
            Scheme::ChromeOs => "chromeos",
            Scheme::Flatcar => "flatcar",
        }
    }

    /// The type of the partitions that carry the bits.
    pub fn type_guid(self) -> Uuid {
        Uuid::from_u128(match self {
            Scheme::Bottlerocket => 0x6b636168_7420_6568_2070_6c616e657421,
            Scheme::ChromeOs => 0xfe3a2a5d_4f32_41a7_b725_accc3285a309,
            Scheme::Flatcar => 0x5dfbf5f4_2848_4bac_aa5e_0d9a20b745a6,
        })
    }
}

/// What tells and sets which slot boots. Boot loaders that keep it elsewhere than in partition
/// attributes are others' to implement.
pub trait BootState {
    /// Why it cannot be told or set.
    type Error;

    /// The states of all slots, the first slot first.
    ///
    /// # Errors
    /// When they cannot be read.
    fn slots(&self) -> Result<Vec<SlotState>, Self::Error>;

    /// Sets the states of all slots.
    ///
    /// # Errors
    /// When they cannot be written.
    fn set_slots(&mut self, states: &[SlotState]) -> Result<(), Self::Error>;
}

/// The slots of a partition table.
#[derive(Debug)]
pub struct TableSlots<'a> {
    table: &'a mut Table,
    scheme: Scheme,
}

impl<'a> TableSlots<'a> {
    /// The slots of a table, if it has any; of the first scheme that is found.
    pub fn find(table: &'a mut Table) -> Option<TableSlots<'a>> {
        let is_there = |scheme: &Scheme| {
            table.partitions().any(|partition| partition.type_guid() == scheme.type_guid())
        };
        let scheme = Scheme::ALL.into_iter().find(is_there)?;
        Some(TableSlots { table, scheme })
    }

    /// Whose slots they are.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The partitions that carry the bits, the first slot first.
    pub fn partitions(&self) -> Vec<Partition> {
        let of_scheme = |found: &Partition| found.type_guid() == self.scheme.type_guid();
        self.table.partitions().filter(of_scheme).collect()
    }

    /// All partitions of a slot, as far as they are there: first the one that carries the bits,
    /// then those that its system is read from. The first of each type belongs to the first slot.
    pub fn partitions_of(&self, slot: usize) -> Vec<Partition> {
        let of_type = |guid: u128| {
            let is_of_type = move |found: &Partition| found.type_guid().as_u128() == guid;
            self.table.partitions().filter(is_of_type).nth(slot)
        };
        let types = match self.scheme {
            // Boot, root and hash.
            Scheme::Bottlerocket => Scheme::BOTTLEROCKET_TYPES[..3].iter().map(|it| it.1).collect(),
            Scheme::ChromeOs => vec![self.scheme.type_guid().as_u128(), CHROME_OS_ROOT],
            Scheme::Flatcar => vec![self.scheme.type_guid().as_u128()],
        };
        let found: Vec<_> = types.into_iter().map(of_type).collect();
        found.into_iter().flatten().collect()
    }

    /// Whether a system has ever booted, where that is told: in Bottlerocket's private partition.
    pub fn has_booted(&self) -> Option<bool> {
        self.private().map(|private| private.attributes().is_set(HAS_BOOTED))
    }

    /// Remembers that a system has booted, where that is told.
    ///
    /// # Errors
    /// None that can be: the partition is there.
    pub fn set_has_booted(&mut self) -> Result<(), super::DiskError> {
        let Some(private) = self.private() else { return Ok(()) };
        self.table.set_attributes(private.number(), private.attributes().with(HAS_BOOTED, true))
    }

    fn private(&self) -> Option<Partition> {
        let guid = Scheme::BOTTLEROCKET_TYPES[4].1;
        let is_private = |found: &Partition| found.type_guid().as_u128() == guid;
        (self.scheme == Scheme::Bottlerocket)
            .then(|| self.table.partitions().find(is_private))
            .flatten()
    }
}

impl BootState for TableSlots<'_> {
    type Error = super::DiskError;

    fn slots(&self) -> Result<Vec<SlotState>, Self::Error> {
        Ok(self.partitions().iter().map(|found| SlotState::of(found.attributes())).collect())
    }

    fn set_slots(&mut self, states: &[SlotState]) -> Result<(), Self::Error> {
        self.partitions().iter().zip(states).try_for_each(|(partition, state)| {
            let attributes = state.put_into(partition.attributes());
            self.table.set_attributes(partition.number(), attributes)
        })
    }
}
