//! Progress on standard error, on a terminal only; and the place where signals stop long work.

use std::io::{IsTerminal, Write};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use verity::Progress;

use crate::signals::Signals;

/// Whether there is to be any.
static SHOWN: AtomicBool = AtomicBool::new(true);

/// Shows progress from now on, or not.
pub(crate) fn show(shown: bool) {
    SHOWN.store(shown, Ordering::Relaxed);
}

/// What is being done, as progress names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Corrupt blocks are looked for, and made right.
    Recovering,
    /// The tree of a new image is fetched.
    Fetching,
    /// The tree, and parity with it, is made.
    Hashing,
    /// What lies in seeds is looked for.
    Indexing,
    /// What is missing is written to a slot.
    Installing,
    /// Parity is compared.
    Parity,
    /// Verified bytes are written.
    Reading,
    Verifying,
    /// A copy is made.
    Writing,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Step::Recovering => "recovering",
            Step::Fetching => "fetching",
            Step::Hashing => "hashing",
            Step::Indexing => "indexing",
            Step::Installing => "installing",
            Step::Parity => "parity",
            Step::Reading => "reading",
            Step::Verifying => "verifying",
            Step::Writing => "writing",
        }
    }
}

/// Counts bytes towards a total, shows them, and breaks off once a signal has come.
pub(crate) struct Meter {
    bar: ProgressBar,
    step: Step,
    total: u64,
    begun: Instant,
    signals: Signals,
}

impl Meter {
    /// A meter for `total` bytes of work.
    pub(crate) fn new(step: Step, total: u64, signals: &Signals) -> Meter {
        let is_shown = SHOWN.load(Ordering::Relaxed) && std::io::stderr().is_terminal();
        let bar = match is_shown {
            true if can_redraw() => visible(step, total),
            true => {
                // It can show lines and nothing else.
                let _ = writeln!(std::io::stderr(), "verity: {}", step.name());
                ProgressBar::hidden()
            }
            false => ProgressBar::hidden(),
        };
        Meter { bar, step, total, begun: Instant::now(), signals: signals.clone() }
    }
}

impl Progress for Meter {
    fn advance(&self, bytes: u64) -> ControlFlow<()> {
        self.bar.inc(bytes);
        if self.signals.raised() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        let (elapsed, step) = (self.begun.elapsed(), self.step.name());
        tracing::info!("{step}: {} of {} bytes in {elapsed:.2?}", self.bar.position(), self.total);
    }
}

/// Breaks off once a signal has come, and counts nothing.
pub(crate) struct Stop(Signals);

impl Stop {
    pub(crate) fn new(signals: &Signals) -> Stop {
        Stop(signals.clone())
    }
}

impl Progress for Stop {
    fn advance(&self, _bytes: u64) -> ControlFlow<()> {
        if self.0.raised() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Whether the terminal can go back in a line.
fn can_redraw() -> bool {
    std::env::var_os("TERM").is_some_and(|name| !name.is_empty() && name != "dumb")
}

const WIDE_LINE: &str = "{msg} {bar:20} {bytes}/{total_bytes} {bytes_per_sec} {eta} left";

const MEDIUM_LINE: &str = "{msg} {percent}% {eta} left";

const NARROW_LINE: &str = "{msg} {percent}%";

/// A terminal has room for all that can be said from this width on.
const WIDE: u16 = 80;

/// And for the time that is left from this one on.
const MEDIUM: u16 = 30;

fn visible(step: Step, total: u64) -> ProgressBar {
    let style = ProgressStyle::with_template(template(width()));
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr())
        .with_style(style)
        .with_message(step.name());
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

/// The columns of the terminal.
fn width() -> u16 {
    let size = rustix::termios::tcgetwinsize(std::io::stderr());
    size.ok().map(|size| size.ws_col).filter(|columns| *columns > 0).unwrap_or(80)
}

/// A line that fits the columns.
fn template(columns: u16) -> &'static str {
    match columns {
        WIDE.. => WIDE_LINE,
        MEDIUM..WIDE => MEDIUM_LINE,
        _ => NARROW_LINE,
    }
}
