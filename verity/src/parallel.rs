//! The one file that knows rayon: where work runs, and numbered pieces of work handed out in order.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::Error;

/// Runs `work` on `threads` threads of its own, or in the caller's pool when no number is given.
pub(crate) fn install<T: Send>(
    threads: Option<NonZeroUsize>,
    work: impl FnOnce() -> Result<T, Error> + Send,
) -> Result<T, Error> {
    let Some(threads) = threads.map(NonZeroUsize::get) else { return work() };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("verity-{index}"))
        .build()
        .map_err(|error| Error::Threads { threads, reason: error.to_string() })?;
    pool.install(work)
}

/// Does the pieces `0..count`, each once, on all threads of the current pool.
///
/// Pieces are begun in ascending order, so that a source is read nearly from start to end. `init` makes what
/// one thread reuses from piece to piece. After a failure no further piece is begun; the failure that is
/// returned is that of the lowest piece, whatever the number of threads.
pub(crate) fn in_order<S, E: Send>(
    count: u64,
    init: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, u64) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let next = AtomicU64::new(0);
    let end = AtomicU64::new(count);
    let failure: Mutex<Option<(u64, E)>> = Mutex::new(None);
    let worker = || {
        let mut state = None;
        loop {
            // A counter that passes `end` by the number of threads cannot wrap: pieces are not that many.
            let piece = next.fetch_add(1, Ordering::Relaxed);
            if piece >= end.load(Ordering::Relaxed) {
                return;
            }
            if let Err(error) = work(state.get_or_insert_with(&init), piece) {
                end.fetch_min(piece, Ordering::Relaxed);
                let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
                if failure.as_ref().is_none_or(|(lowest, _)| piece < *lowest) {
                    *failure = Some((piece, error));
                }
            }
        }
    };
    // More workers than pieces would only make buffers.
    let workers = usize::try_from(count).unwrap_or(usize::MAX).min(rayon::current_num_threads());
    rayon::scope(|scope| {
        for _ in 1..workers {
            scope.spawn(|_| worker());
        }
        worker();
    });
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some((_, error)) => Err(error),
        None => Ok(()),
    }
}

/// Works on two slices in chunks that belong together, all chunks at once on the current pool; returns what
/// came of each, in order. `work` is told the number of its chunk.
pub(crate) fn in_chunks<A: Send, B: Send, T: Send>(
    (a, a_len): (&mut [A], usize),
    (b, b_len): (&mut [B], usize),
    work: impl Fn(usize, &mut [A], &mut [B]) -> T + Sync,
) -> Vec<T> {
    let chunks = a.par_chunks_mut(a_len).zip(b.par_chunks_mut(b_len)).enumerate();
    chunks.map(|(index, (a, b))| work(index, a, b)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_threads<T: Send>(work: impl FnOnce() -> T + Send) -> T {
        rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap().install(work)
    }

    #[test]
    fn every_piece_is_done_once() {
        let sum = AtomicU64::new(0);
        let done = two_threads(|| {
            in_order(
                1000,
                || (),
                |(), piece| {
                    sum.fetch_add(piece, Ordering::Relaxed);
                    Ok::<(), ()>(())
                },
            )
        });
        assert_eq!((done, sum.into_inner()), (Ok(()), 499_500));
    }

    #[test]
    fn d11_the_lowest_failure_wins_whatever_the_timing() {
        for _ in 0..50 {
            let failed = two_threads(|| {
                in_order(
                    200,
                    || (),
                    |(), piece| {
                        if piece == 63 {
                            std::thread::sleep(std::time::Duration::from_millis(1));
                        }
                        if piece >= 63 { Err(piece) } else { Ok(()) }
                    },
                )
            });
            assert_eq!(failed, Err(63));
        }
    }
}
