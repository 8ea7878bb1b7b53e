//! How long work runs, on which threads, and who hears of it.

use std::ffi::{c_int, c_void};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use verity::Progress;

use crate::failure::{Code, Failure};
use crate::guard::{THREAD, quietly};
use crate::pointers::{sized, take};
use crate::signals::Blocked;

type ProgressCall = unsafe extern "C" fn(*mut c_void, u64, u64) -> c_int;

#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct verity_run {
    size: u32,
    threads: u32,
    progress: Option<ProgressCall>,
    user: *mut c_void,
    cancel: *mut verity_cancel,
    reserved: [*mut c_void; 4],
}

/// A switch that stops work.
pub(crate) struct verity_cancel(AtomicBool);

/// A run as a host wants it.
pub(crate) struct Run {
    threads: u32,
    progress: Option<ProgressCall>,
    user: *mut c_void,
    cancel: *const verity_cancel,
}

// SAFETY: the header says that progress comes from any thread, one at a time, which `Watch` sees
// to; and that a switch may be used by many.
unsafe impl Send for Run {}
// SAFETY: as above.
unsafe impl Sync for Run {}

impl Run {
    /// Reads it; NULL is one that nobody listens to.
    ///
    /// # Safety
    /// The pointer is NULL, or points to a run whose switch lives as long as the result is used.
    pub(crate) unsafe fn read(run: *const verity_run) -> Result<Run, Failure> {
        let silent = Run {
            threads: 0,
            progress: None,
            user: std::ptr::null_mut(),
            cancel: std::ptr::null(),
        };
        if run.is_null() {
            return Ok(silent);
        }
        // SAFETY: as above; the struct is made of integers, pointers and functions.
        let run = unsafe { sized(run, "run") }?;
        if run.reserved.iter().any(|pointer| !pointer.is_null()) {
            return Err(Failure::argument("run: reserved members are not 0"));
        }
        let verity_run { threads, progress, user, cancel, .. } = run;
        if usize::try_from(threads).map_or(true, |threads| threads > MOST_THREADS) {
            let words = format!("run: {threads} threads are more than {MOST_THREADS}");
            return Err(Failure::argument(words));
        }
        Ok(Run { threads, progress, user, cancel })
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        // SAFETY: it is NULL, or lives as long as the run.
        unsafe { self.cancel.as_ref() }.is_some_and(|cancel| cancel.0.load(Ordering::Relaxed))
    }

    /// How many threads work on that many bytes.
    pub(crate) fn threads(&self, size: u64) -> NonZeroUsize {
        let threads = match self.own_threads() {
            None if size >= POOL_SIZE => thread::available_parallelism().ok(),
            own => own,
        };
        threads.unwrap_or(NonZeroUsize::MIN)
    }

    /// How many threads the host wants, if it says so.
    pub(crate) fn own_threads(&self) -> Option<NonZeroUsize> {
        usize::try_from(self.threads).ok().and_then(NonZeroUsize::new)
    }

    /// Does work on `size` bytes on its threads, all of which end with it. `work` is told how many
    /// to take of its own: one, the calling one, or none where it runs in a pool.
    pub(crate) fn on_threads<T: Send>(
        &self,
        size: u64,
        work: impl FnOnce(Option<NonZeroUsize>) -> T + Send,
    ) -> Result<T, Failure> {
        match self.threads(size) {
            NonZeroUsize::MIN => Ok(work(Some(NonZeroUsize::MIN))),
            threads => in_pool(threads, || work(None)),
        }
    }
}

/// Does work in a pool whose threads take no signals.
fn in_pool<T: Send>(threads: NonZeroUsize, work: impl FnOnce() -> T + Send) -> Result<T, Failure> {
    // Threads have the mask of the one that starts them. This one takes signals again once they
    // are there: it only waits.
    let blocked = Blocked::all();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads.get())
        .thread_name(|index| format!("{THREAD}{index}"));
    let done = pool.build_scoped(rayon::ThreadBuilder::run, |pool| {
        drop(blocked);
        pool.install(work)
    });
    done.map_err(|error| {
        Failure::new(Code::Other, format!("cannot start {threads} threads: {error}"))
    })
}

#[cfg(test)]
pub(crate) fn tests_pool(work: impl FnOnce() + Send) -> Result<(), Failure> {
    let two = NonZeroUsize::new(2).unwrap_or(NonZeroUsize::MIN);
    let mut code = Err(Failure::argument("unchanged"));
    quietly(|| code = in_pool(two, work));
    code
}

/// Watches one piece of work.
pub(crate) struct Watch<'a> {
    run: &'a Run,
    total: u64,
    done: AtomicU64,
    stopped: AtomicBool,
    told: Mutex<Option<Instant>>,
}

impl<'a> Watch<'a> {
    /// Over that many bytes, where it is known how many.
    pub(crate) fn new(run: &'a Run, total: u64) -> Watch<'a> {
        Watch {
            run,
            total,
            done: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            told: Mutex::new(None),
        }
    }

    /// Over bytes of which nobody knows how many there will be, some of which are done.
    pub(crate) fn at(run: &'a Run, done: u64) -> Watch<'a> {
        Watch { done: AtomicU64::new(done), ..Watch::new(run, 0) }
    }

    /// Says that all is done.
    pub(crate) fn finish(&self) {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        self.tell(self.total);
        drop(told);
    }

    /// Whether the host wants to go on.
    fn tell(&self, done: u64) -> bool {
        let Some(progress) = self.run.progress else { return true };
        // SAFETY: the header says how it is called, and the caller holds the lock.
        unsafe { progress(self.run.user, done, self.total.max(done)) == 0 }
    }
}

impl Progress for Watch<'_> {
    fn advance(&self, bytes: u64) -> ControlFlow<()> {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if self.run.is_cancelled() || self.stopped.load(Ordering::Relaxed) {
            return ControlFlow::Break(());
        }
        // Who cannot have it at once leaves it to who has it.
        if self.run.progress.is_some()
            && let Ok(mut told) = self.told.try_lock()
            && told.is_none_or(|told| told.elapsed() >= INTERVAL)
        {
            *told = Some(Instant::now());
            if !self.tell(done) {
                self.stopped.store(true, Ordering::Relaxed);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}

/// From how many bytes on a pool is worth its making.
const POOL_SIZE: u64 = 4 * 1024 * 1024;

/// More threads than any machine has.
const MOST_THREADS: usize = 4096;

/// The least time between two reports of progress.
const INTERVAL: Duration = Duration::from_millis(100);

#[unsafe(no_mangle)]
extern "C" fn verity_cancel_new() -> *mut verity_cancel {
    Box::into_raw(Box::new(verity_cancel(AtomicBool::new(false))))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_cancel_set(cancel: *mut verity_cancel) {
    // Nothing but a store, since it may come from a signal handler.
    // SAFETY: NULL, or a switch that is not freed yet.
    if let Some(cancel) = unsafe { cancel.as_ref() } {
        cancel.0.store(true, Ordering::Relaxed);
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_cancel_free(cancel: *mut verity_cancel) {
    // SAFETY: NULL, or a switch that is not freed yet.
    quietly(|| drop(unsafe { take(cancel) }));
}
