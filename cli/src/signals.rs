//! SIGINT, SIGTERM and SIGHUP end any command within a second.
//!
//! A command runs in a thread of its own. A signal asks it to stop: it removes what it has not
//! finished, and ends. What hangs meanwhile (in a read from a silent server, in a write to a full
//! pipe, in a token's module) cannot be asked, so after a moment the process is ended over its
//! head: what it would leave behind is removed first, and nothing can be published any more.
//! Signals that come later end nothing sooner; the exit code is that of the last one.
//!
//! Signals that the parent process had ignored (`nohup`) stay ignored.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::panic;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use signal_hook::low_level::{self, pipe};
use verity::publish::remove_leftovers;

use crate::error::{Class, CommandError};

/// How long a command that was asked to stop may take to end by itself.
const GRACE: Duration = Duration::from_millis(600);

/// How long outputs that are just being put in place may take, when a command is ended.
const PATIENCE: Duration = Duration::from_millis(100);

/// How long the words of a command that was ended may take.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// As much as the first thread of a process usually has.
const STACK_SIZE: usize = 8 << 20;

/// Whether a signal has asked to stop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signals {
    raised: Arc<AtomicUsize>,
    /// Those that are listened to.
    listening: Vec<i32>,
}

/// The handlers of this process, for who waits where no command hands them in.
static INSTALLED: OnceLock<Signals> = OnceLock::new();

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
        Ok(INSTALLED.get_or_init(|| signals).clone())
    }

    /// The handlers of this process, if there are any.
    pub(crate) fn installed() -> Signals {
        INSTALLED.get().cloned().unwrap_or_default()
    }

    fn listen(&mut self, signal: i32) -> io::Result<()> {
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
        let signal = self.number();
        CommandError::message(Class::Interrupted(signal), format!("interrupted by signal {signal}"))
    }

    /// The error of a command that failed: once a signal has asked to stop, it is the reason,
    /// unless the command had come to its verdict.
    pub(crate) fn explain(&self, error: CommandError) -> CommandError {
        match error.class() {
            Class::Interrupted(_) | Class::NotVerified | Class::Parity | Class::Repairable => error,
            _ if self.raised() => error.interrupted_by(self.number()),
            _ => error,
        }
    }

    fn number(&self) -> i32 {
        i32::try_from(self.raised.load(Ordering::Relaxed)).unwrap_or(0)
    }
}

/// Runs a command so that a signal ends it, whatever it does. Returns its exit code.
///
/// `last_words` says why a command was ended that could not say so itself.
pub(crate) fn guarded(
    signals: &Signals,
    command: impl FnOnce() -> u8 + Send,
    last_words: impl FnOnce(CommandError) + Send + 'static,
) -> Result<u8, CommandError> {
    let watch = Watch::new(signals).map_err(|error| CommandError::new(Class::Io, error))?;
    let mut command = Some(command);
    let joined = thread::scope(|scope| {
        // Where no thread can be had, the command runs without a guard.
        let running = watch.start(scope, &mut command).ok()?;
        if !watch.wait() {
            watch.end(last_words);
        }
        Some(running.join())
    });
    let code = match (joined, command) {
        (Some(Ok(code)), _) => code,
        (Some(Err(panicked)), _) => panic::resume_unwind(panicked),
        (None, Some(command)) => command(),
        (None, None) => unreachable!("a command that no thread was found for is still there"),
    };
    if signals.raised() {
        // What other code wants to do at the end, such as a token's module, might hang.
        low_level::exit(code.into());
    }
    Ok(code)
}

/// Waits for the end of a command, or for a signal.
struct Watch<'a> {
    signals: &'a Signals,
    /// Readable when something has happened.
    alarm: UnixStream,
    ring: UnixStream,
    ended: AtomicBool,
}

impl Watch<'_> {
    fn new(signals: &Signals) -> io::Result<Watch<'_>> {
        let (alarm, ring) = UnixStream::pair()?;
        signals.wake(&ring)?;
        Ok(Watch { signals, alarm, ring, ended: AtomicBool::new(false) })
    }

    /// Starts the command, which is taken only if there is a thread for it.
    fn start<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        command: &'scope mut Option<impl FnOnce() -> u8 + Send>,
    ) -> io::Result<ScopedJoinHandle<'scope, u8>> {
        let builder = thread::Builder::new().name("command".to_owned()).stack_size(STACK_SIZE);
        builder.spawn_scoped(scope, move || {
            let _end = End(self);
            command.take().map_or(0, |command| command())
        })
    }

    /// Waits until the command has ended; returns `false` if a signal has come and it goes on.
    fn wait(&self) -> bool {
        while !self.has_ended() && !self.signals.raised() {
            self.sleep(None);
        }
        let deadline = Instant::now() + GRACE;
        while !self.has_ended() {
            match deadline.checked_duration_since(Instant::now()) {
                Some(left) if !left.is_zero() => self.sleep(Some(left)),
                _ => return false,
            }
        }
        true
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Sleeps until something happens, or for that time.
    fn sleep(&self, time: Option<Duration>) {
        // Should it fail, it is asked too often.
        let _ = self.alarm.set_read_timeout(time);
        let _ = (&self.alarm).read(&mut [0; 16]);
    }

    /// Ends the process, and leaves nothing of the command behind.
    fn end(&self, last_words: impl FnOnce(CommandError) + Send + 'static) -> ! {
        remove_leftovers(PATIENCE);
        let error = self.signals.error();
        let code = crate::exit::code(error.class());
        let (spoken, listener) = mpsc::channel();
        // Whoever should read the words may be the one that the command has waited for.
        let speaking = thread::Builder::new().spawn(move || {
            last_words(error);
            // If nobody listens any more, the process ends.
            let _ = spoken.send(());
        });
        if speaking.is_ok() {
            let _ = listener.recv_timeout(LAST_WORDS);
        }
        low_level::exit(code.into())
    }
}

/// Tells the watch that the command has ended, be it by a panic.
struct End<'a>(&'a Watch<'a>);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Release);
        // It is full only if the watch has enough to read anyway.
        let _ = (&self.0.ring).write(&[0]);
    }
}

/// The signals this process was started with as ignored, as the kernel's bit mask.
fn ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
