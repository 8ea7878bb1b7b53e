//! The boot states of slots: both rules against slow twins, over all states of two slots.

use verity::disk::slots::{
    Action, BootState, Difference, SlotError, SlotState, TableSlots, differences, grub_boot,
    grub_next, signpost_next,
};
use verity::disk::{Attributes, SectorSize};

use super::support::{disk, read, written};

/// Nine bits: priority, tries, successful.
fn state(bits: u16) -> SlotState {
    let attributes = Attributes::new(u64::from(bits) << 48);
    SlotState::of(attributes)
}

/// GRUB's rule on the bits themselves, slot by slot.
fn grub_twin(slots: &[u16]) -> Option<usize> {
    let (mut best, mut chosen) = (0, None);
    for (index, bits) in slots.iter().enumerate() {
        let (priority, tries, good) = (bits & 15, bits >> 4 & 15, bits >> 8 & 1);
        if (tries > 0 || good > 0) && priority > best {
            (best, chosen) = (priority, Some(index));
        }
    }
    chosen
}

/// What signpost says of a set, and of two.
fn signpost_twin(a: u16, b: u16) -> Option<usize> {
    let boots = |bits: u16| (bits & 15 > 0 && bits >> 4 & 15 > 0) || bits >> 8 == 1;
    match (boots(a), boots(b)) {
        (true, true) if a & 15 >= b & 15 => Some(0),
        (true, true) => Some(1),
        (true, false) => Some(0),
        (false, true) => Some(1),
        (false, false) => None,
    }
}

#[test]
fn all_states_of_two_slots_boot_as_the_twins_say() {
    for a in 0..1 << 9 {
        for b in 0..1 << 9 {
            let mut slots = [state(a), state(b)];
            let next = grub_twin(&[a, b]);
            assert_eq!(grub_next(&slots), next, "{a:#x} {b:#x}");
            assert_eq!(signpost_next(&slots), signpost_twin(a, b), "{a:#x} {b:#x}");
            let found = differences(&slots);
            assert_eq!(
                found.iter().any(|found| matches!(found, Difference::Next { .. })),
                next != signpost_twin(a, b)
            );
            assert_eq!(grub_boot(&mut slots), next);
            if let Some(next) = next {
                let before = [a, b][next] >> 4 & 15;
                assert_eq!(u16::from(slots[next].tries), before.saturating_sub(1));
            }
        }
    }
}

#[test]
fn h12_no_action_leaves_no_slot_that_boots_unless_it_is_forced() {
    for a in 0..1 << 9 {
        for b in 0..1 << 9 {
            let slots = [state(a), state(b)];
            for slot in [0, 1] {
                for action in [
                    Action::Activate { tries: 3 },
                    Action::MarkGood,
                    Action::Retire,
                    Action::Rollback,
                ] {
                    let (done, forced) =
                        (action.apply(slot, &slots), action.apply_by_force(slot, &slots));
                    check(action, slot, &slots, done, forced);
                }
            }
        }
    }
}

fn check(
    action: Action,
    slot: usize,
    before: &[SlotState; 2],
    done: Result<Vec<SlotState>, SlotError>,
    forced: Result<Vec<SlotState>, SlotError>,
) {
    let what = format!("{action:?} {slot} {before:?}");
    match (done, forced) {
        (Ok(after), forced) => {
            assert_eq!(forced.as_ref(), Ok(&after), "{what}");
            assert!(grub_next(&after).is_some(), "{what}");
            assert_eq!(action.apply(slot, &after).as_ref(), Ok(&after), "once more: {what}");
            match action {
                Action::Activate { .. } | Action::Rollback => {
                    assert_eq!(grub_next(&after), Some(slot), "{what}");
                }
                Action::Retire => assert_eq!(after[slot], SlotState::default(), "{what}"),
                Action::MarkGood => {
                    assert!(after[slot].is_bootable_by_grub(), "{what}");
                    assert_eq!(after[slot].tries, before[slot].tries, "{what}");
                }
                _ => unreachable!("an action that this test does not know: {what}"),
            }
            let other = 1 - slot;
            assert_eq!(after[other].tries, before[other].tries, "{what}");
            assert_eq!(after[other].successful, before[other].successful, "{what}");
            assert_eq!(after[other].priority == 0, before[other].priority == 0, "{what}");
        }
        (Err(SlotError::NoneLeft), Ok(after)) => assert_eq!(grub_next(&after), None, "{what}"),
        (Err(SlotError::NotBootable { .. }), Err(SlotError::NotBootable { .. })) => {}
        (done, forced) => panic!("{what}: {done:?} {forced:?}"),
    }
}

/// Bottlerocket's own order of things, each step as its updater makes it.
#[test]
fn an_update_of_bottlerocket_and_the_way_back() {
    let good = disk(SectorSize::S512, 160);
    let mut table = read(&good);
    let mut slots = TableSlots::find(&mut table).unwrap();
    let say = |slots: &TableSlots<'_>| {
        let states = slots.slots().unwrap();
        states.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let step = |slots: &mut TableSlots<'_>, action: Action, slot| {
        let states = slots.slots().unwrap();
        slots.set_slots(&action.apply(slot, &states).unwrap()).unwrap();
    };
    step(&mut slots, Action::Activate { tries: 1 }, 1);
    assert_eq!(say(&slots), ["priority 1, tries 0, successful", "priority 2, tries 1"]);
    let mut states = slots.slots().unwrap();
    assert_eq!(grub_boot(&mut states), Some(1));
    slots.set_slots(&states).unwrap();
    step(&mut slots, Action::MarkGood, 1);
    assert_eq!(say(&slots)[1], "priority 2, tries 0, successful");
    step(&mut slots, Action::Rollback, 0);
    let after = ["priority 2, tries 0, successful", "priority 1, tries 0, successful"];
    assert_eq!(say(&slots), after);
    step(&mut slots, Action::Retire, 1);
    assert_eq!(say(&slots)[1], "priority 0, tries 0");
    let states = slots.slots().unwrap();
    assert_eq!(Action::Retire.apply(0, &states), Err(SlotError::NoneLeft));
    let table = written(&table, good);
    assert_eq!(read(&table).partition(1).unwrap().attributes().bits() >> 48, 1 << 8 | 2);
}

#[test]
fn more_than_two_slots_keep_their_order() {
    let of = |priority, tries| SlotState { priority, tries, successful: false };
    let slots = [of(9, 1), of(3, 1), of(0, 0), of(3, 2), of(12, 1)];
    let after = Action::Activate { tries: 4 }.apply(2, &slots).unwrap();
    assert_eq!(after, [of(2, 1), of(1, 1), of(4, 4), of(1, 2), of(3, 1)]);
    assert!(Action::Activate { tries: 16 }.apply(0, &slots).is_err());
    assert!(Action::Activate { tries: 0 }.apply(0, &slots).is_err());
    assert_eq!(Action::Retire.apply(5, &slots), Err(SlotError::NoSlot { slot: 5 }));
    // Twenty slots have no twenty priorities.
    let many: Vec<_> = (0..20).map(|slot| of(15 - slot % 15, 1)).collect();
    let after = Action::Rollback.apply(19, &many).unwrap();
    assert_eq!(grub_next(&after), Some(19));
}

#[test]
fn all_other_bits_stay() {
    let bits = Attributes::new(u64::MAX);
    let none = SlotState::default().put_into(bits);
    assert_eq!(none.bits(), !(0x1ff << 48));
    assert_eq!(SlotState { priority: 15, tries: 15, successful: true }.put_into(none), bits);
}
