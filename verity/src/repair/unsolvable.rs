//! Rounds that could not be solved, and how many threads may try at a time.
//!
//! Where parity is of no use, an attempt costs thousands of times what a read of a right block
//! does, and whoever reads a corrupt image asks for one with each block. So a round is tried once,
//! and some CPUs are always left to those that read what is right.

use std::num::NonZeroUsize;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;

use crate::lock::unpoisoned;

use super::blocks::BlockSet;

/// How many words of 64 rounds, or of 64 hash blocks, are remembered: 2 MiB at the most.
const MAX_WORDS: usize = 1 << 15;

/// What is known of rounds that could not be solved.
pub(super) struct Unsolvable {
    known: Mutex<Known>,
    ended: Condvar,
    /// How many attempts there may be at a time.
    most: usize,
}

#[derive(Default)]
struct Known {
    rounds: BlockSet,
    /// The hash blocks that were recovered.
    recovered: BlockSet,
    /// How many attempts are under way.
    attempts: usize,
}

impl Unsolvable {
    /// Nothing is known yet; half of the CPUs may be busy with attempts.
    pub(super) fn new() -> Unsolvable {
        let cpus = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let most = (cpus / 2).max(1);
        Unsolvable { known: Mutex::default(), ended: Condvar::new(), most }
    }

    /// Whether the round was tried in vain.
    pub(super) fn contains(&self, round: u64) -> bool {
        self.lock().rounds.contains(round)
    }

    /// Remembers that a round was tried in vain. Once there are too many, all are forgotten.
    pub(super) fn insert(&self, round: u64) {
        let mut known = self.lock();
        if known.rounds.words() >= MAX_WORDS {
            known.rounds = BlockSet::default();
        }
        known.rounds.insert(round..round + 1);
    }

    /// Is told that a hash block was recovered. The first time, the blocks under it can be checked
    /// that could not be before, so that other rounds may be solved now.
    pub(super) fn has_recovered(&self, hash_block: u64) {
        let mut known = self.lock();
        let is_new = !known.recovered.contains(hash_block);
        if is_new && known.recovered.words() < MAX_WORDS {
            known.recovered.insert(hash_block..hash_block + 1);
            known.rounds = BlockSet::default();
        }
    }

    /// Waits until there are few enough attempts under way, each of which takes a bounded time.
    pub(super) fn begin(&self) -> Attempt<'_> {
        let many = |known: &mut Known| known.attempts >= self.most;
        let mut known = unpoisoned(self.ended.wait_while(self.lock(), many));
        known.attempts += 1;
        Attempt(self)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        unpoisoned(self.known.lock())
    }
}

/// An attempt that is under way until this is dropped.
pub(super) struct Attempt<'a>(&'a Unsolvable);

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.0.lock().attempts -= 1;
        self.0.ended.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a06_what_is_remembered_is_bounded() {
        let unsolvable = Unsolvable::new();
        for round in 0..5 * MAX_WORDS as u64 {
            unsolvable.insert(round * 64);
            unsolvable.has_recovered(round * 64);
            let known = unsolvable.lock();
            assert!(known.rounds.words() <= MAX_WORDS && known.recovered.words() <= MAX_WORDS);
        }
    }

    #[test]
    fn a_recovered_hash_block_gives_rounds_another_chance_once() {
        let unsolvable = Unsolvable::new();
        unsolvable.insert(7);
        assert!(unsolvable.contains(7) && !unsolvable.contains(8));
        unsolvable.has_recovered(3);
        assert!(!unsolvable.contains(7));
        unsolvable.insert(7);
        unsolvable.has_recovered(3);
        assert!(unsolvable.contains(7));
    }

    #[test]
    fn a06_some_cpus_are_left_to_others() {
        let unsolvable = Unsolvable { most: 2, ..Unsolvable::new() };
        let (now, peak) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let _attempt = unsolvable.begin();
                        peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        thread::yield_now();
                        now.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(peak.into_inner() <= 2);
    }
}
