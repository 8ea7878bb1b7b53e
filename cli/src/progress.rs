//! A progress bar on standard error, on a terminal only; and the place where signals stop long
//! work.

use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use verity::Progress;

use crate::signals::Signals;

/// Counts bytes towards a total, shows them, and breaks off once a signal has come.
pub(crate) struct Meter {
    bar: ProgressBar,
    total: u64,
    begun: Instant,
    signals: Signals,
}

impl Meter {
    /// A meter for `total` bytes of work.
    pub(crate) fn new(total: u64, signals: &Signals) -> Meter {
        let bar =
            if std::io::stderr().is_terminal() { visible(total) } else { ProgressBar::hidden() };
        Meter { bar, total, begun: Instant::now(), signals: signals.clone() }
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
        let elapsed = self.begun.elapsed();
        tracing::info!("{} of {} bytes in {elapsed:.2?}", self.bar.position(), self.total);
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

fn visible(total: u64) -> ProgressBar {
    let template = "{bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left";
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar =
        ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr()).with_style(style);
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}
