//! What a caller has to do with a running step: to end it, and to follow it.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

/// How often a wait looks around: a cancelled one ends within this time.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// Ends waits when the caller wants that, and tells it the steps. By default nothing ends a wait
/// before its limit, and nobody is told.
///
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering};
///
/// let interrupted = AtomicBool::new(false);
/// let is_cancelled = || interrupted.load(Ordering::Relaxed);
/// let run = verity_dm::Run::default().cancelled_by(&is_cancelled);
/// # let _ = run;
/// ```
#[derive(Clone, Copy, Default)]
pub struct Run<'a> {
    is_cancelled: Option<&'a dyn Fn() -> bool>,
    tell: Option<&'a dyn Fn(Step)>,
}

/// A step that was just finished. Between two of them another program may do anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// No device of that name was found.
    NameIsFree,
    /// Devices and files below were opened, and files have loop devices.
    BackingOpened,
    /// The signature is in the keyring of the thread.
    KeyAdded,
    /// A device without a table was made.
    Created,
    /// The device has its table, not live yet.
    Loaded,
    /// The device is live.
    Resumed,
    /// The device's node is there, by udev or by us.
    NodeMade,
    /// The device was removed, or is going to be.
    Removed,
    /// The device's node is gone, or stays as the device does.
    NodeRemoved,
}

impl<'a> Run<'a> {
    /// Ends any wait within a second once `is_cancelled` returns true. It is asked about ten times
    /// a second, by the thread that waits.
    #[must_use]
    pub fn cancelled_by(self, is_cancelled: &'a dyn Fn() -> bool) -> Run<'a> {
        Run { is_cancelled: Some(is_cancelled), ..self }
    }

    /// Calls `tell` after each step.
    #[must_use]
    pub fn told_by(self, tell: &'a dyn Fn(Step)) -> Run<'a> {
        Run { tell: Some(tell), ..self }
    }

    pub(crate) fn tell(self, step: Step) {
        if let Some(tell) = self.tell {
            tell(step);
        }
    }

    pub(crate) fn is_cancelled(self) -> bool {
        self.is_cancelled.is_some_and(|is_cancelled| is_cancelled())
    }

    /// Asks `done` again and again, first after a millisecond and then ever more seldom.
    pub(crate) fn wait(self, limit: Duration, mut done: impl FnMut() -> bool) -> Waited {
        let start = Instant::now();
        let mut pause = Duration::from_millis(1);
        loop {
            if done() {
                return Waited::Done;
            }
            if self.is_cancelled() {
                return Waited::Cancelled;
            }
            let Some(left) = limit.checked_sub(start.elapsed()).filter(|left| !left.is_zero())
            else {
                return Waited::TimedOut;
            };
            thread::sleep(pause.min(left));
            pause = (pause * 2).min(TICK);
        }
    }
}

impl fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").finish_non_exhaustive()
    }
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// What was waited for has happened.
    Done,
    /// The limit was reached.
    TimedOut,
    /// The caller wants no more.
    Cancelled,
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_wait_ends_when_it_is_done_or_cancelled_or_at_its_limit() {
        let long = Duration::from_secs(3600);
        let asked = Cell::new(0);
        let third = || {
            asked.set(asked.get() + 1);
            asked.get() == 3
        };
        assert_eq!(Run::default().wait(long, third), Waited::Done);
        assert_eq!(Run::default().wait(Duration::ZERO, || false), Waited::TimedOut);
        assert_eq!(Run::default().wait(Duration::ZERO, || true), Waited::Done);
        asked.set(0);
        assert_eq!(Run::default().cancelled_by(&third).wait(long, || false), Waited::Cancelled);
        assert_eq!(asked.get(), 3);
    }
}
