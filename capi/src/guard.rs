//! Panics end here, without a word, and failures become numbers.

use std::cell::Cell;
use std::ffi::c_int;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::failure::{Failure, verity_error};

/// Does the work of a function, and says what it came to.
///
/// # Safety
/// `err` is NULL, or points to room for a pointer.
pub(crate) unsafe fn guarded(
    err: *mut *mut verity_error,
    work: impl FnOnce() -> Result<(), Failure>,
) -> c_int {
    let failure = match caught(work) {
        Ok(Ok(())) => None,
        Ok(Err(failure)) | Err(failure) => Some(failure),
    };
    let code = failure.as_ref().map_or(0, Failure::code);
    if !err.is_null() {
        let error = failure.map_or(std::ptr::null_mut(), |failure| {
            Box::into_raw(Box::new(verity_error::from(failure)))
        });
        // SAFETY: as above.
        unsafe { err.write(error) };
    }
    code
}

/// Does the work of a function on a handle. After a panic the handle is of no more use.
///
/// # Safety
/// As [`guarded`].
pub(crate) unsafe fn guarded_on<'a>(
    dead: impl FnOnce() -> Result<&'a AtomicBool, Failure>,
    err: *mut *mut verity_error,
    work: impl FnOnce() -> Result<(), Failure>,
) -> c_int {
    let work = || {
        let dead = dead()?;
        if dead.load(Ordering::Acquire) {
            return Err(Failure::argument("the handle is of no more use: it has failed"));
        }
        match caught(work) {
            Ok(result) => result,
            Err(failure) => {
                dead.store(true, Ordering::Release);
                Err(failure)
            }
        }
    };
    // SAFETY: as above.
    unsafe { guarded(err, work) }
}

/// Does the work of a function that cannot tell of a failure.
pub(crate) fn quietly(work: impl FnOnce()) {
    let _ = caught(work);
}

fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Failure> {
    silence();
    let _ = INSIDE.try_with(|inside| inside.set(inside.get() + 1));
    let result = catch_unwind(AssertUnwindSafe(work));
    let _ = INSIDE.try_with(|inside| inside.set(inside.get() - 1));
    result.map_err(|payload| Failure::panic(&*payload))
}

thread_local! {
    /// How many functions of the library this thread is in: a callback may call another one.
    static INSIDE: Cell<u32> = const { Cell::new(0) };
}

/// Panics in our functions print nothing. As a shared library brings a standard library of its
/// own, the hook of a host that is written in Rust is another one.
fn silence() {
    static ONCE: Once = Once::new();
    if thread::panicking() {
        return;
    }
    ONCE.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !is_ours() {
                others(info);
            }
        }));
    });
}

/// Whether this thread works for one of our functions.
fn is_ours() -> bool {
    let is_inside = INSIDE.try_with(|inside| inside.get() > 0).unwrap_or(true);
    is_inside || thread::current().name().is_some_and(|name| name.starts_with(THREAD))
}

/// How the names of threads begin that work for us, here and in the library.
pub(crate) const THREAD: &str = "verity-";

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::ptr;

    use super::*;
    use crate::library::verity_error_free;

    const CHILD: &str = "VERITY_GUARD_TEST";

    #[test]
    fn a_panic_becomes_an_error_and_prints_nothing() {
        if std::env::var_os(CHILD).is_some() {
            return panics();
        }
        let this = std::env::current_exe().unwrap();
        let name = "guard::tests::a_panic_becomes_an_error_and_prints_nothing";
        let output =
            Command::new(this).args([name, "--exact", "--nocapture"]).env(CHILD, "1").output();
        let output = output.unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}");
        assert!(!text.contains("on purpose"), "{text}");
        // The hook of others goes on.
        assert!(text.contains("by somebody else"), "{text}");
    }

    fn panics() {
        let dead = AtomicBool::new(false);
        let (mut err, mut other) = (ptr::null_mut(), ptr::null_mut());
        let boom = || -> Result<(), Failure> { panic!("on purpose, {}", 7) };
        // SAFETY: there is room for an error.
        let codes = unsafe {
            [
                guarded(&raw mut err, boom),
                guarded_on(|| Ok(&dead), ptr::null_mut(), boom),
                guarded_on(|| Ok(&dead), &raw mut other, || Ok(())),
            ]
        };
        assert_eq!(codes, [-99, -99, -1]);
        assert!(!err.is_null() && !other.is_null());
        // SAFETY: these are errors that are not freed yet.
        unsafe {
            verity_error_free(err);
            verity_error_free(other);
        }
        let pool = crate::run::tests_pool(|| panic!("on purpose in a pool"));
        assert!(pool.is_err());
        quietly(|| panic!("on purpose again"));
        let other = thread::spawn(|| panic!("by somebody else")).join();
        assert!(other.is_err());
    }
}
