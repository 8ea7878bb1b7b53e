//! Which pieces of a mapping are populated.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use crate::number::to_u64;

/// What is populated at a time, in bytes.
pub(super) const PIECE: usize = 512 << 10;

/// How many pieces are populated at a time: 4 MiB of any file, since populated pages count as the
/// memory of a process.
const SLOTS: usize = 8;

/// How many pieces are populated to see whether the system is quick.
const TRIALS: usize = 8;

/// Of a slot: one piece is being dropped there and the other populated. Nobody else touches either
/// meanwhile: a piece that is dropped before it was populated would stay for good.
const BUSY: u64 = 1 << 63;

/// What is known of the pieces of a mapping, by all threads.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// The piece that is populated in each slot, counted from one; with [`BUSY`], somebody is
    /// about it.
    slots: [AtomicU64; SLOTS],
    tried: AtomicUsize,
    /// Populating pays.
    quick: AtomicBool,
    /// The system cannot populate.
    refused: AtomicBool,
}

/// What is to be done about a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing: it is not populated and will not be, or not now.
    Leave,
    /// Nothing: it is populated.
    Use,
    /// Populate it, in the place of another one, and then [`Pieces::keep`] or [`Pieces::forget`]
    /// it.
    Populate { instead_of: Option<usize> },
}

impl Pieces {
    /// Somebody is about to read in this piece.
    pub(super) fn pass(&self, piece: usize) -> Step {
        let is_worth_it =
            self.quick.load(Ordering::Relaxed) || self.tried.load(Ordering::Relaxed) < TRIALS;
        if self.refused.load(Ordering::Relaxed) || !is_worth_it {
            return Step::Leave;
        }
        let slot = self.slot(piece);
        let take = |before: u64| (before & BUSY == 0).then_some(number(piece) | BUSY);
        if slot.load(Ordering::Acquire) == number(piece) {
            return Step::Use;
        }
        match slot.fetch_update(Ordering::Acquire, Ordering::Relaxed, take) {
            Ok(before) => Step::Populate {
                instead_of: before.checked_sub(1).and_then(|piece| usize::try_from(piece).ok()),
            },
            Err(_busy) => Step::Leave,
        }
    }

    /// A piece is populated now.
    pub(super) fn keep(&self, piece: usize) {
        self.slot(piece).store(number(piece), Ordering::Release);
    }

    /// A piece was not populated after all.
    pub(super) fn forget(&self, piece: usize) {
        self.slot(piece).store(0, Ordering::Release);
    }

    /// A piece was populated.
    pub(super) fn tried(&self, possible: bool, quickly: bool) {
        self.tried.fetch_add(1, Ordering::Relaxed);
        if !possible {
            self.refused.store(true, Ordering::Relaxed);
        } else if quickly {
            self.quick.store(true, Ordering::Relaxed);
        }
    }

    /// Threads work some mebibytes apart, at places that are multiples of one another: they get
    /// slots of their own.
    fn slot(&self, piece: usize) -> &AtomicU64 {
        &self.slots[(piece ^ piece >> 5) % SLOTS]
    }
}

/// Counted from one. A file has fewer than 2^45.
fn number(piece: usize) -> u64 {
    to_u64(piece) + 1
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    use super::*;

    const ALONE: Step = Step::Populate { instead_of: None };

    /// The piece that a step gives up; it must populate.
    fn given_up(step: Step) -> Option<usize> {
        let Step::Populate { instead_of } = step else { panic!("{step:?}") };
        instead_of
    }

    #[test]
    fn a_quick_system_populates_each_piece_once() {
        let pieces = Pieces::default();
        pieces.tried(true, true);
        for piece in 0..3 {
            assert_eq!(pieces.pass(piece), ALONE);
            assert_eq!(pieces.pass(piece), Step::Leave, "somebody is about it");
            pieces.keep(piece);
            assert_eq!(pieces.pass(piece), Step::Use);
        }
    }

    #[test]
    fn a_slow_system_is_tried_some_times_and_left_alone() {
        let pieces = Pieces::default();
        for piece in 0..TRIALS {
            assert_eq!(pieces.pass(piece), ALONE);
            pieces.tried(true, false);
            pieces.keep(piece);
        }
        assert_eq!(pieces.pass(TRIALS), Step::Leave);
        assert_eq!(pieces.pass(0), Step::Leave);
    }

    #[test]
    fn what_was_not_in_the_page_cache_is_tried_again() {
        let pieces = Pieces::default();
        assert_eq!(pieces.pass(0), ALONE);
        pieces.forget(0);
        assert_eq!(pieces.pass(0), ALONE);
    }

    #[test]
    fn no_more_pieces_are_kept_than_there_are_slots() {
        let pieces = Pieces::default();
        let mut kept = BTreeSet::new();
        for piece in 0..100 {
            assert!(given_up(pieces.pass(piece)).is_none_or(|old| kept.remove(&old)));
            kept.insert(piece);
            pieces.keep(piece);
            assert!(kept.len() <= SLOTS);
        }
    }

    /// A thread that took a slot while another one was still populating there would drop what is
    /// not there yet, and what came then would stay.
    #[test]
    fn threads_in_one_slot_leave_nothing_behind() {
        let pieces = Pieces::default();
        pieces.tried(true, true);
        let populated = Mutex::new(BTreeSet::new());
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (pieces, populated) = (&pieces, &populated);
                scope.spawn(move || {
                    for step in 0..2000 {
                        let piece = SLOTS * (4 * step + thread) % 1024;
                        let Step::Populate { instead_of } = pieces.pass(piece) else { continue };
                        if let Some(old) = instead_of {
                            assert!(populated.lock().unwrap().remove(&old), "{old} was not there");
                        }
                        std::thread::yield_now();
                        let mut populated = populated.lock().unwrap();
                        populated.insert(piece);
                        assert!(populated.len() <= SLOTS, "{populated:?}");
                        drop(populated);
                        pieces.keep(piece);
                    }
                });
            }
        });
    }

    /// Threads take up to 16 MiB of data at a time.
    #[test]
    fn threads_at_a_distance_do_not_push_one_another_out() {
        let pieces = Pieces::default();
        for step in 0..32 {
            for thread in 0..SLOTS {
                let piece = 32 * thread + step;
                let old = given_up(pieces.pass(piece));
                pieces.keep(piece);
                assert!(old.is_none_or(|old| old % 32 != step), "step {step}: {old:?}");
            }
        }
    }

    #[test]
    fn a_system_that_cannot_populate_is_not_asked_again() {
        let pieces = Pieces::default();
        assert_eq!(pieces.pass(0), ALONE);
        pieces.tried(false, true);
        assert_eq!(pieces.pass(1), Step::Leave);
    }
}
