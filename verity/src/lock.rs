//! Locks whose poison does not matter.
//!
//! A lock is poisoned when a thread panics while it holds it. Every lock of this workspace
//! guards a value that is whole between any two statements that change it, so the value can
//! still be used; and the panic itself goes on to the caller, by the thread that had it.

use std::sync::LockResult;

/// The guard, or the value, of a lock that some thread may have poisoned.
///
/// ```
/// # use std::sync::Mutex;
/// # use verity::internals::unpoisoned;
/// let count = Mutex::new(1);
/// *unpoisoned(count.lock()) += 1;
/// assert_eq!(unpoisoned(count.into_inner()), 2);
/// ```
pub fn unpoisoned<T>(lock: LockResult<T>) -> T {
    lock.unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_value_outlives_the_panic_of_its_holder() {
        let value = Mutex::new(7);
        let panicked = std::thread::scope(|scope| {
            let holder = scope.spawn(|| {
                let _guard = value.lock().unwrap();
                panic!("on purpose");
            });
            holder.join().is_err()
        });
        assert!(panicked && value.is_poisoned());
        assert_eq!(*unpoisoned(value.lock()), 7);
    }
}
