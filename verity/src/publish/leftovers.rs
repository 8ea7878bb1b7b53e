//! What must not be left behind by a process that is ended before its destructors run.
//!
//! A command that a signal asks to stop may hang: in a read from a server that is silent, in a
//! write to a pipe that nobody empties, in a module that somebody else wrote. Another thread can
//! end the process then; but first it calls [`remove_leftovers`], which undoes what every
//! [`Leftover`] remembers. Temporary files of this module are among them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use rustix::io::Errno;

use crate::lock::unpoisoned;

/// Something that stays on the machine when the process ends, and how it is undone.
///
/// Dropping it forgets it: whoever has made the thing has undone it then, or wants it to stay.
///
/// ```
/// use verity::publish::Leftover;
///
/// # let directory = tempfile::tempdir()?;
/// # let socket = directory.path().join("socket");
/// std::fs::write(&socket, [])?;
/// let leftover = Leftover::new({
///     let socket = socket.clone();
///     move || drop(std::fs::remove_file(&socket))
/// });
/// // ... what takes a while, and may be ended by `remove_leftovers` in another thread ...
/// std::fs::remove_file(&socket)?;
/// drop(leftover);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Leftover {
    id: u64,
}

impl Leftover {
    /// Remembers something that is there already. After [`remove_leftovers`] it is undone at once.
    pub fn new(undo: impl Fn() + Send + 'static) -> Leftover {
        let mut register = unpoisoned(REGISTER.lock());
        register.last += 1;
        let id = register.last;
        if register.is_closed {
            drop(register);
            undo();
        } else {
            register.leftovers.insert(id, Box::new(undo));
        }
        Leftover { id }
    }
}

impl Drop for Leftover {
    fn drop(&mut self) {
        let forgotten = unpoisoned(REGISTER.lock()).leftovers.remove(&self.id);
        // What it holds is dropped without the lock.
        drop(forgotten);
    }
}

impl fmt::Debug for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leftover").field("id", &self.id).finish()
    }
}

/// Undoes everything that a [`Leftover`] remembers, newest first. Afterwards the process begins to
/// publish nothing any more, so that it can be ended at any moment.
///
/// Outputs that are just being put in place get so long to come to their end. A set that needs
/// longer stays in part, as after a kill: what vouches for it is not there.
///
/// For the last moment of a process: a temporary file that it still needs is gone.
pub fn remove_leftovers(patience: Duration) {
    let register = unpoisoned(REGISTER.lock());
    let is_busy = |register: &mut Register| register.steps > 0;
    let waited = STEP_DONE.wait_timeout_while(register, patience, is_busy);
    let (mut register, _) = unpoisoned(waited);
    register.is_closed = true;
    let leftovers = std::mem::take(&mut register.leftovers);
    // An undo may take its time, and others may still forget theirs meanwhile.
    drop(register);
    for undo in leftovers.values().rev() {
        undo();
    }
}

/// A step that the end of the process waits for, for as long as this lives: outputs are being put
/// in place, or a temporary file is made that is not remembered yet.
pub(super) struct Step(());

impl Step {
    /// Fails once the leftovers were removed: nothing may be published any more.
    pub(super) fn begin() -> Result<Step, Errno> {
        let mut register = unpoisoned(REGISTER.lock());
        if register.is_closed {
            return Err(Errno::CANCELED);
        }
        register.steps += 1;
        Ok(Step(()))
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        unpoisoned(REGISTER.lock()).steps -= 1;
        STEP_DONE.notify_all();
    }
}

/// What is known of the whole process.
struct Register {
    leftovers: BTreeMap<u64, Box<dyn Fn() + Send>>,
    /// The number of the newest one.
    last: u64,
    /// How many threads are in such a step.
    steps: usize,
    is_closed: bool,
}

static REGISTER: Mutex<Register> =
    Mutex::new(Register { leftovers: BTreeMap::new(), last: 0, steps: 0, is_closed: false });

/// Told when a step is done.
static STEP_DONE: Condvar = Condvar::new();
