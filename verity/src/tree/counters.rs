//! What a reader has done so far.
//!
//! Counted by threads on cache lines of their own, so that counting does not make them wait for one
//! another.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// How often what happened, since the reader was made. The fields may be a moment apart from one
/// another while other threads read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Data blocks that were read from the source, right or wrong.
    pub data_blocks_read: u64,
    /// Hash blocks that were read from the source, right or wrong.
    pub hash_blocks_read: u64,
    /// How often a hash block was wanted and was in the cache.
    pub cache_hits: u64,
    /// Data blocks that count as zeros and were not read.
    pub zero_blocks: u64,
    /// Data blocks that were passed on unchecked because they had been checked before.
    pub unchecked_data_blocks: u64,
    /// How often a block, data or hash block, was found corrupt; every time counts.
    pub corruptions: u64,
    /// How often a block, data or hash block, could not be read.
    pub read_errors: u64,
    /// How often other bytes were had for such a block, and were right.
    pub repairs: u64,
}

/// More than that many threads share counts.
const SHARES: usize = 16;

/// The counters under way.
#[derive(Default)]
pub(super) struct Counting {
    shares: [ThreadCounts; SHARES],
}

/// What one thread counts, on cache lines that no other one writes to.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct ThreadCounts {
    pub(crate) data_blocks_read: Count,
    pub(crate) hash_blocks_read: Count,
    pub(crate) cache_hits: Count,
    pub(crate) zero_blocks: Count,
    pub(crate) unchecked_data_blocks: Count,
    pub(crate) corruptions: Count,
    pub(crate) read_errors: Count,
    pub(crate) repairs: Count,
}

#[derive(Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counting {
    /// What this thread counts.
    pub(super) fn of_this_thread(&self) -> &ThreadCounts {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed) % SHARES;
        }
        // A thread that is about to end has none left; any other does.
        &self.shares[NUMBER.try_with(|number| *number).unwrap_or_default()]
    }

    /// The sum over all threads.
    pub(super) fn sum(&self) -> Counters {
        let sum = |count: fn(&ThreadCounts) -> &Count| {
            self.shares.iter().map(|share| count(share).get()).sum()
        };
        Counters {
            data_blocks_read: sum(|share| &share.data_blocks_read),
            hash_blocks_read: sum(|share| &share.hash_blocks_read),
            cache_hits: sum(|share| &share.cache_hits),
            zero_blocks: sum(|share| &share.zero_blocks),
            unchecked_data_blocks: sum(|share| &share.unchecked_data_blocks),
            corruptions: sum(|share| &share.corruptions),
            read_errors: sum(|share| &share.read_errors),
            repairs: sum(|share| &share.repairs),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_between_threads() {
        let counting = Counting::default();
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| (0..1000).for_each(|_| counting.of_this_thread().cache_hits.add(3)));
            }
        });
        assert_eq!(counting.sum(), Counters { cache_hits: 60_000, ..Counters::default() });
    }
}
