//! The one file that knows rayon: where work runs, and numbered pieces of work handed out in order.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use rayon::prelude::*;

use crate::Error;
use crate::lock::unpoisoned;
use crate::number::{to_len, to_u64};

/// The threads that do some work: those of the current pool, or the caller alone, without any pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crew {
    threads: usize,
}

/// Runs `work`, which is about `size` bytes, on `threads` threads of its own. A single thread is
/// the caller's own: no pool is needed.
///
/// Where no number is given, that is the pool that the caller runs in; outside of any, a thread for
/// each CPU, or the caller's own if there is little to do. rayon's global pool is never started: a
/// child that forks itself off later would wait in it for threads that it does not have.
pub(crate) fn install<T: Send>(
    threads: Option<NonZeroUsize>,
    size: u64,
    work: impl FnOnce(Crew) -> Result<T, Error> + Send,
) -> Result<T, Error> {
    let threads = match threads.map(NonZeroUsize::get) {
        None if rayon::current_thread_index().is_some() => {
            return work(Crew { threads: rayon::current_num_threads() });
        }
        None if size < POOL_SIZE => 1,
        None => thread::available_parallelism().map_or(1, NonZeroUsize::get),
        Some(threads) => threads,
    };
    if threads == 1 {
        return work(Crew { threads });
    }
    // Its threads end before this returns.
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("verity-{index}"));
    let done = pool
        .build_scoped(rayon::ThreadBuilder::run, |pool| pool.install(|| work(Crew { threads })));
    done.map_err(|error| Error::Threads { threads, reason: error.to_string() })?
}

impl Crew {
    /// Does the units of work `0..count`, each once, on all threads;
    /// every call of `work` gets some in a row, at most `most`, and fewer
    /// towards the end, so that no thread ends long after the others.
    ///
    /// They are begun in ascending order, so that a source is read nearly from start to end. `init`
    /// makes what one thread reuses from call to call. After a failure nothing further is begun;
    /// the failure that is returned is that of the lowest units, whatever the number of threads.
    pub(crate) fn in_order<S, E: Send>(
        self,
        count: u64,
        most: u64,
        init: impl Fn() -> S + Sync,
        work: impl Fn(&mut S, Range<u64>) -> Result<(), E> + Sync,
    ) -> Result<(), E> {
        // More workers than units would only make buffers.
        let workers = to_len(count.min(to_u64(self.threads)));
        let queue = Queue::new(count, most, workers);
        let failure: Mutex<Option<(u64, E)>> = Mutex::new(None);
        let worker = || {
            let mut state = None;
            while let Some(units) = queue.take() {
                let first = units.start;
                if let Err(error) = work(state.get_or_insert_with(&init), units) {
                    queue.end_at(first);
                    let mut failure = unpoisoned(failure.lock());
                    if failure.as_ref().is_none_or(|(lowest, _)| first < *lowest) {
                        *failure = Some((first, error));
                    }
                }
            }
        };
        if workers > 1 {
            rayon::scope(|scope| {
                for _ in 1..workers {
                    scope.spawn(|_| worker());
                }
                worker();
            });
        } else {
            worker();
        }
        match unpoisoned(failure.into_inner()) {
            Some((_, error)) => Err(error),
            None => Ok(()),
        }
    }

    /// Works on two slices in chunks that belong together, all chunks at once; returns what came of
    /// each, in order. `work` is told the number of its chunk.
    pub(crate) fn in_chunks<A: Send, B: Send, T: Send>(
        self,
        (a, a_len): (&mut [A], usize),
        (b, b_len): (&mut [B], usize),
        work: impl Fn(usize, &mut [A], &mut [B]) -> T + Sync,
    ) -> Vec<T> {
        if self.threads == 1 {
            let chunks = a.chunks_mut(a_len).zip(b.chunks_mut(b_len)).enumerate();
            return chunks.map(|(index, (a, b))| work(index, a, b)).collect();
        }
        let chunks = a.par_chunks_mut(a_len).zip(b.par_chunks_mut(b_len)).enumerate();
        chunks.map(|(index, (a, b))| work(index, a, b)).collect()
    }
}

/// From how many bytes on a pool is worth its making.
const POOL_SIZE: u64 = 4 * 1024 * 1024;

/// The units that are left to take.
struct Queue {
    next: AtomicU64,
    count: u64,
    /// Where the units end that are still to be done: before `count` after a failure.
    end: AtomicU64,
    most: u64,
    /// Into how many parts that which is left is cut.
    parts: u64,
}

impl Queue {
    fn new(count: u64, most: u64, workers: usize) -> Queue {
        // Quarters of a fair share: at the end no thread waits for more than a small part of the
        // whole. One thread does not wait.
        let parts = if workers > 1 { to_u64(workers).saturating_mul(4) } else { 1 };
        Queue { next: AtomicU64::new(0), count, end: AtomicU64::new(count), most, parts }
    }

    /// The next units in order. Their number depends on where they begin and on nothing else.
    fn take(&self) -> Option<Range<u64>> {
        let units = |next: u64| {
            let rest = self.count - next;
            next..next + (rest / self.parts).clamp(1, self.most).min(rest)
        };
        let taken = self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
            (next < self.end.load(Ordering::Relaxed)).then(|| units(next).end)
        });
        taken.ok().map(units)
    }

    /// Nothing at `unit` or after it is to be taken any more.
    fn end_at(&self, unit: u64) {
        self.end.fetch_min(unit, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_order<E: Send>(
        (threads, count, most): (usize, u64, u64),
        work: impl Fn(Range<u64>) -> Result<(), E> + Sync,
    ) -> Result<(), E> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| Crew { threads }.in_order(count, most, || (), |(), units| work(units)))
    }

    #[test]
    fn every_unit_is_done_once_whatever_the_threads() {
        for threads in [1, 2, 5] {
            for (count, most) in [(0, 1), (1, 8), (7, 1), (1000, 1), (1000, 32), (1001, 5000)] {
                let done = Mutex::new(Vec::new());
                let result = in_order((threads, count, most), |units| {
                    assert!(!units.is_empty() && units.end - units.start <= most, "{units:?}");
                    done.lock().unwrap().extend(units);
                    Ok::<(), ()>(())
                });
                let mut done = done.into_inner().unwrap();
                done.sort_unstable();
                assert_eq!(result, Ok(()));
                assert!(done.into_iter().eq(0..count), "{threads} threads, {count} by {most}");
            }
        }
    }

    #[test]
    fn pieces_shrink_towards_the_end_for_threads_that_wait_for_one_another() {
        let sizes = |workers| {
            let queue = Queue::new(256, 16, workers);
            std::iter::from_fn(|| queue.take()).map(|units| units.end - units.start).collect()
        };
        let (alone, two): (Vec<u64>, Vec<u64>) = (sizes(1), sizes(2));
        assert_eq!(alone, [16; 16]);
        assert_eq!((two.first(), two.last()), (Some(&16), Some(&1)));
        assert!(two.is_sorted_by(|a, b| a >= b), "{two:?}");
    }

    #[test]
    fn d11_the_lowest_failure_wins_whatever_the_timing() {
        for most in [1, 16] {
            for _ in 0..50 {
                let failed = in_order((2, 200, most), |units| {
                    if units.contains(&63) {
                        std::thread::sleep(std::time::Duration::from_millis(1));
                    }
                    units.into_iter().find(|unit| *unit >= 63).map_or(Ok(()), Err)
                });
                assert_eq!(failed, Err(63));
            }
        }
    }
}
