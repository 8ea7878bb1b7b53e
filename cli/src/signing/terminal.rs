//! Passphrases and PINs that are typed on a terminal, which does not show them.

use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{
    LocalModes, OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcsetattr,
};
use verity::internals::unpoisoned;
use verity::publish::Leftover;
use zeroize::Zeroizing;

use super::secret::{MAX_SECRET_BYTES, finish};
use crate::dumps;
use crate::error::{Class, CommandError};
use crate::quoted::Quoted;
use crate::signals::Signals;

/// Asks for the secret of a key on the terminal, without showing it.
///
/// Returns `None` if standard input is not a terminal.
pub(super) fn ask(
    what: &str,
    key: &Path,
    signals: &Signals,
) -> Result<Option<Zeroizing<Vec<u8>>>, CommandError> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Ok(None);
    }
    dumps::forbid().map_err(|error| error.at(key))?;
    let line = prompt(what, key, &stdin, signals).map_err(|error| error.at(key))?;
    finish(line, what).map(Some).map_err(|error| error.at(key))
}

fn prompt(
    what: &str,
    key: &Path,
    stdin: &io::Stdin,
    signals: &Signals,
) -> Result<Zeroizing<Vec<u8>>, CommandError> {
    let failed = |error: io::Error| CommandError::new(Class::Io, error);
    let hidden = Hidden::begin(stdin).map_err(failed)?;
    write!(io::stderr(), "verity: {what} of {}: ", Quoted(key)).map_err(failed)?;
    let line = read_line(stdin, signals);
    drop(hidden);
    // The line end that was typed has not been shown either.
    writeln!(io::stderr()).map_err(failed)?;
    line
}

/// Reads what was typed up to the line end; a signal ends it.
fn read_line(stdin: &io::Stdin, signals: &Signals) -> Result<Zeroizing<Vec<u8>>, CommandError> {
    let mut line = Zeroizing::new(vec![0; MAX_SECRET_BYTES + 3]);
    let mut length = 0;
    while length < line.len() && !line[..length].ends_with(b"\n") {
        signals.check()?;
        let tick = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
        match poll(&mut [PollFd::new(stdin, PollFlags::IN)], Some(&tick)) {
            Ok(0) | Err(Errno::INTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(CommandError::new(Class::Io, io::Error::from(error))),
        }
        // Not through the standard library's buffer, which nobody wipes.
        match rustix::io::read(stdin, &mut line[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(Errno::INTR) => {}
            Err(error) => return Err(CommandError::new(Class::Io, io::Error::from(error))),
        }
    }
    line.truncate(length);
    Ok(line)
}

/// A terminal that does not show what is typed, as long as this lives.
struct Hidden {
    echo: Arc<Echo>,
    /// Shows it again when the process is ended before this is dropped.
    _leftover: Leftover,
}

impl Hidden {
    /// Whatever can fail, and what undoes this, comes before anything is hidden.
    fn begin(terminal: impl AsFd) -> io::Result<Hidden> {
        let echo = Arc::new(Echo::of(terminal)?);
        let remembered = Arc::clone(&echo);
        let leftover = Leftover::new(move || remembered.restore());
        let hidden = Hidden { echo, _leftover: leftover };
        hidden.echo.hide()?;
        Ok(hidden)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        self.echo.restore();
    }
}

/// Whether a terminal shows what is typed.
struct Echo {
    terminal: OwnedFd,
    before: Termios,
    /// Locked while the terminal is changed: what was restored is never hidden again, as the
    /// process may end at any moment then.
    is_restored: Mutex<bool>,
}

impl Echo {
    fn of(terminal: impl AsFd) -> io::Result<Echo> {
        let terminal = terminal.as_fd().try_clone_to_owned()?;
        let before = tcgetattr(&terminal)?;
        Ok(Echo { terminal, before, is_restored: Mutex::new(false) })
    }

    fn hide(&self) -> io::Result<()> {
        let is_restored = unpoisoned(self.is_restored.lock());
        if *is_restored {
            return Err(io::Error::other("interrupted"));
        }
        let mut quiet = self.before.clone();
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL);
        // Without a wait for output that a stopped terminal does not take: a signal could not end
        // that.
        tcsetattr(&self.terminal, OptionalActions::Now, &quiet)?;
        // What was typed too early was shown, and goes.
        Ok(tcflush(&self.terminal, QueueSelector::IFlush)?)
    }

    fn restore(&self) {
        let mut is_restored = unpoisoned(self.is_restored.lock());
        *is_restored = true;
        // There is nothing to be done about a terminal that is gone.
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}
