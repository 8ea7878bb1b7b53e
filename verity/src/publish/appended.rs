//! What is appended to a file that belongs to somebody, and cut off again unless what it is for
//! succeeds.

use std::fs::File;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use rustix::io::Errno;

use super::leftovers::Leftover;
use crate::io::WriteAt;
use crate::lock::unpoisoned;

/// How long the cut waits for a write under way. One that storage holds up for longer cuts the file
/// itself when it comes back, if the process still lives then.
const PATIENCE: Duration = Duration::from_millis(100);

/// The bytes behind the old end of a file.
///
/// Once they are cut off nothing is written any more, so that a thread that comes late does not
/// make the file long again.
#[derive(Debug)]
pub(super) struct Appended {
    tail: Arc<Tail>,
    /// Cuts it off where nothing is dropped any more.
    _leftover: Leftover,
}

#[derive(Debug)]
struct Tail {
    file: File,
    /// How long the file was, in bytes.
    cut_to: u64,
    state: Mutex<State>,
    /// Told when something is no longer held.
    released: Condvar,
}

#[derive(Debug)]
struct State {
    fate: Fate,
    /// How many writes, and the like, are under way.
    held: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is cut off in the end.
    Open,
    /// It is gone: nothing is written any more.
    Cut,
    /// It stays.
    Kept,
}

impl Appended {
    /// Nothing is appended yet to a file of that size. What comes is cut off when leftovers are
    /// removed; once they were, nothing can be appended.
    pub(super) fn to(file: File, size: u64) -> Appended {
        let state = Mutex::new(State { fate: Fate::Open, held: 0 });
        let tail = Arc::new(Tail { file, cut_to: size, state, released: Condvar::new() });
        let remembered = Arc::clone(&tail);
        let leftover = Leftover::new(move || remembered.cut());
        Appended { tail, _leftover: leftover }
    }

    /// Writes to the file.
    ///
    /// # Errors
    /// [`Errno::CANCELED`] once it was cut; otherwise as `write`.
    pub(super) fn write<T>(&self, write: impl FnOnce(&File) -> io::Result<T>) -> io::Result<T> {
        let _held = self.hold()?;
        write(&self.tail.file)
    }

    /// Makes the cut wait for a moment, as long as the result lives.
    ///
    /// # Errors
    /// [`Errno::CANCELED`] once it was cut.
    pub(super) fn hold(&self) -> Result<Held<'_>, Errno> {
        let mut state = self.tail.lock();
        if state.fate == Fate::Cut {
            return Err(Errno::CANCELED);
        }
        state.held += 1;
        Ok(Held(&self.tail))
    }

    /// It is to be cut off after all: what it was kept for has failed.
    pub(super) fn reopen(&self) {
        let mut state = self.tail.lock();
        if state.fate == Fate::Kept {
            state.fate = Fate::Open;
        }
    }
}

impl Drop for Appended {
    fn drop(&mut self) {
        self.tail.cut();
    }
}

impl Tail {
    fn lock(&self) -> MutexGuard<'_, State> {
        unpoisoned(self.state.lock())
    }

    /// Cuts it off, unless it is kept.
    fn cut(&self) {
        let mut state = self.lock();
        if state.fate == Fate::Open {
            state.fate = Fate::Cut;
            let is_held = |state: &mut State| state.held > 0;
            let waited = self.released.wait_timeout_while(state, PATIENCE, is_held);
            drop(unpoisoned(waited));
            self.shorten();
        }
    }

    fn shorten(&self) {
        // If this fails, zeros behind the data are what remains.
        let _ = WriteAt::resize(&self.file, self.cut_to);
    }
}

/// What is cut off only when this is dropped, or after a moment.
pub(super) struct Held<'a>(&'a Tail);

impl Held<'_> {
    /// Lets it stay.
    ///
    /// # Errors
    /// [`Errno::CANCELED`] once it was cut, as this was held for too long.
    pub(super) fn keep(self) -> Result<(), Errno> {
        let mut state = self.0.lock();
        if state.fate == Fate::Cut {
            return Err(Errno::CANCELED);
        }
        state.fate = Fate::Kept;
        Ok(())
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.held -= 1;
        let is_late = state.fate == Fate::Cut;
        drop(state);
        if is_late {
            self.0.shorten();
        }
        self.0.released.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn file() -> (tempfile::NamedTempFile, Appended) {
        let file = tempfile::NamedTempFile::new().unwrap();
        WriteAt::resize(file.as_file(), 5).unwrap();
        let appended = Appended::to(file.reopen().unwrap(), 5);
        (file, appended)
    }

    fn size(file: &tempfile::NamedTempFile) -> u64 {
        file.as_file().metadata().unwrap().len()
    }

    #[test]
    fn c02_a_write_that_comes_too_late_does_not_make_the_file_long_again() {
        let (file, appended) = file();
        appended.write(|file| WriteAt::resize(file, 9)).unwrap();
        assert_eq!(size(&file), 9);
        appended.tail.cut();
        assert_eq!(size(&file), 5);
        let error = appended.write(|file| WriteAt::resize(file, 9)).unwrap_err();
        assert_eq!(Errno::from_io_error(&error), Some(Errno::CANCELED));
        assert_eq!(appended.hold().err(), Some(Errno::CANCELED));
        appended.reopen();
        assert_eq!(size(&file), 5);
    }

    #[test]
    fn c02_a_write_under_way_is_cut_off_however_long_it_takes() {
        let (file, appended) = file();
        thread::scope(|scope| {
            let cut = || appended.tail.cut();
            let held = appended.hold().unwrap();
            scope.spawn(cut).join().unwrap();
            // As a write does that the storage held up.
            WriteAt::resize(file.as_file(), 9).unwrap();
            assert_eq!(held.keep().err(), Some(Errno::CANCELED));
        });
        assert_eq!(size(&file), 5);
    }

    #[test]
    fn what_is_kept_stays_unless_that_is_taken_back() {
        let (file, appended) = file();
        appended.write(|file| WriteAt::resize(file, 9)).unwrap();
        appended.hold().unwrap().keep().unwrap();
        appended.tail.cut();
        assert_eq!(size(&file), 9);
        appended.reopen();
        drop(appended);
        assert_eq!(size(&file), 5);
    }
}
