//! Advisory locks (`flock`) that end when they should.

use std::fs::{File, TryLockError};
use std::ops::Deref;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::PublishError;

/// A locked file. Dropping it unlocks it for good.
///
/// Closing would not be enough: a process that another thread forks holds a copy of every open file
/// until it executes its program, and the lock with it, so that the next run would find the output
/// busy.
#[derive(Debug)]
pub(super) struct Locked(File);

impl Locked {
    /// Locks for one holder; fails with [`PublishError::Busy`] for `target` if there is one
    /// already.
    pub(super) fn exclusive(file: File, target: &Path) -> Result<Locked, PublishError> {
        check(file.try_lock(), target)?;
        Ok(Locked(file))
    }

    /// Does the same, but asks up to so many times for a lock that others hold only for a moment.
    pub(super) fn exclusive_within(
        attempts: u32,
        pause: Duration,
        file: File,
        target: &Path,
    ) -> Result<Locked, PublishError> {
        for _ in 1..attempts {
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => thread::sleep(pause),
                result => return check(result, target).map(|()| Locked(file)),
            }
        }
        Locked::exclusive(file, target)
    }

    /// Locks for any number of holders.
    pub(super) fn shared(file: File, target: &Path) -> Result<Locked, PublishError> {
        check(file.try_lock_shared(), target)?;
        Ok(Locked(file))
    }
}

fn check(result: Result<(), TryLockError>, target: &Path) -> Result<(), PublishError> {
    match result {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(PublishError::busy(target)),
        Err(TryLockError::Error(error)) => Err(PublishError::io("lock", target)(error)),
    }
}

impl Deref for Locked {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // If this fails, closing is what remains.
        let _ = self.0.unlock();
    }
}
