//! SIGINT, SIGTERM and SIGHUP: the first asks the command to stop, the second ends the process.
//!
//! A command that is asked to stop removes what it has not finished. Signals that the parent
//! process had ignored (`nohup`) stay ignored.

use std::fs;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use signal_hook::low_level::pipe;

use crate::error::{Class, CommandError};

/// Whether a signal has asked to stop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signals {
    raised: Arc<AtomicUsize>,
    /// Those that are listened to.
    listening: Vec<i32>,
}

impl Signals {
    /// Installs the handlers.
    pub(crate) fn install() -> io::Result<Signals> {
        let mut signals = Signals::default();
        let ignored = ignored_signals();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            if ignored & (1 << (signal - 1)) == 0 {
                signals.listen(signal)?;
            }
        }
        // With a handler in place, a write beyond the file size limit is an error like any other.
        flag::register(SIGXFSZ, Arc::default())?;
        Ok(signals)
    }

    fn listen(&mut self, signal: i32) -> io::Result<()> {
        let again = Arc::new(AtomicBool::new(false));
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&again))?;
        flag::register(signal, again)?;
        let number = usize::try_from(signal).unwrap_or(0);
        flag::register_usize(signal, Arc::clone(&self.raised), number)?;
        self.listening.push(signal);
        Ok(())
    }

    /// Makes the other end of a socket readable once a signal asks to stop.
    pub(crate) fn wake(&self, ring: &UnixStream) -> io::Result<()> {
        for signal in &self.listening {
            pipe::register(*signal, ring.try_clone()?)?;
        }
        Ok(())
    }

    /// Whether to stop.
    pub(crate) fn raised(&self) -> bool {
        self.raised.load(Ordering::Relaxed) != 0
    }

    /// Fails if a signal has asked to stop.
    pub(crate) fn check(&self) -> Result<(), CommandError> {
        if self.raised() { Err(self.error()) } else { Ok(()) }
    }

    /// The error of a command that was asked to stop.
    pub(crate) fn error(&self) -> CommandError {
        let signal = i32::try_from(self.raised.load(Ordering::Relaxed)).unwrap_or(0);
        CommandError::message(Class::Interrupted(signal), format!("interrupted by signal {signal}"))
    }
}

/// The signals this process was started with as ignored, as the kernel's bit mask.
fn ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
