//! How much work in vain a thread may do for one request.
//!
//! A request is answered by one thread, block by block, and a repair that is asked about one block
//! knows nothing of the request. So what is left to try belongs to the thread.

use std::cell::Cell;

thread_local! {
    static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Does some work for which this thread has that many attempts; without this call their number has
/// no bound.
pub(crate) fn with_attempts<R>(attempts: u32, work: impl FnOnce() -> R) -> R {
    // A thread that is about to end has no bound.
    let before = LEFT.try_with(|left| left.replace(Some(attempts))).unwrap_or_default();
    let result = work();
    let _ = LEFT.try_with(|left| left.set(before));
    result
}

/// Whether this thread has an attempt left.
pub(crate) fn has_attempts() -> bool {
    LEFT.try_with(Cell::get).unwrap_or_default() != Some(0)
}

/// Takes that many attempts from this thread, or those that are left.
pub(crate) fn take_attempts(count: u32) {
    let _ = LEFT.try_with(|left| left.set(left.get().map(|left| left.saturating_sub(count))));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_those_of_the_innermost_work() {
        take_attempts(5);
        assert!(has_attempts());
        with_attempts(3, || {
            take_attempts(2);
            with_attempts(1, || {
                take_attempts(9);
                assert!(!has_attempts());
            });
            assert!(has_attempts());
            take_attempts(1);
            assert!(!has_attempts());
        });
        assert!(has_attempts());
    }
}
