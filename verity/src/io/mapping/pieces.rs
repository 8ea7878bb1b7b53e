//! Which pieces of a mapping are populated.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// What is populated at a time, in bytes.
pub(super) const PIECE: usize = 512 << 10;

/// How many pieces are populated at a time: 4 MiB of any file, since populated pages count as the
/// memory of a process.
const SLOTS: usize = 8;

/// How many pieces are populated to see whether the system is quick.
const TRIALS: usize = 8;

/// What is known of the pieces of a mapping, by all threads.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// The piece that is populated in each slot, counted from one.
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
    /// Nothing: it is not populated and will not be.
    Leave,
    /// Nothing: it is populated.
    Use,
    /// Populate it, in the place of another one.
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
        let number = u64::try_from(piece).unwrap_or(u64::MAX - 1) + 1;
        let before = self.slot(piece).swap(number, Ordering::Relaxed);
        let instead_of = before.checked_sub(1).and_then(|piece| usize::try_from(piece).ok());
        if before == number { Step::Use } else { Step::Populate { instead_of } }
    }

    /// A piece was not populated after all.
    pub(super) fn forget(&self, piece: usize) {
        self.slot(piece).store(0, Ordering::Relaxed);
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

#[cfg(test)]
mod tests {
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
            assert_eq!(pieces.pass(piece), Step::Use);
        }
    }

    #[test]
    fn a_slow_system_is_tried_some_times_and_left_alone() {
        let pieces = Pieces::default();
        for piece in 0..TRIALS {
            assert_eq!(pieces.pass(piece), ALONE);
            pieces.tried(true, false);
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
        let mut kept = std::collections::BTreeSet::new();
        for piece in 0..100 {
            assert!(given_up(pieces.pass(piece)).is_none_or(|old| kept.remove(&old)));
            kept.insert(piece);
            assert!(kept.len() <= SLOTS);
        }
    }

    /// Threads take up to 16 MiB of data at a time.
    #[test]
    fn threads_at_a_distance_do_not_push_one_another_out() {
        let pieces = Pieces::default();
        for step in 0..32 {
            for thread in 0..SLOTS {
                let old = given_up(pieces.pass(32 * thread + step));
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
