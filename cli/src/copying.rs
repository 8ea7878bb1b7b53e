//! Copies of whole files and devices: how far they are, and why one failed.

use std::io;
use std::path::Path;

use verity::Progress;
use verity::publish::Output;

use crate::error::{Class, CommandError};
use crate::library_error::is_change;
use crate::progress::{Meter, Step};
use crate::quoted::Quoted;
use crate::signals::Signals;

/// A copy on its way into an output.
pub(crate) struct Copying<'a> {
    output: &'a Output,
    meter: Meter,
    signals: &'a Signals,
}

impl<'a> Copying<'a> {
    /// A copy of `size` bytes, of which none is there.
    pub(crate) fn new(output: &'a Output, size: u64, signals: &'a Signals) -> Copying<'a> {
        Copying { output, meter: Meter::new(Step::Writing, size, signals), signals }
    }

    /// Counts bytes that were copied. Once a signal has come, it fails, which ends the copying.
    pub(crate) fn advance(&self, bytes: u64) -> io::Result<()> {
        match self.meter.advance(bytes).is_break() {
            true => Err(io::Error::other("stopped")),
            false => Ok(()),
        }
    }

    /// What came of copying `from`. Whether that changed meanwhile, which explains everything else,
    /// is asked before.
    pub(crate) fn finish(self, copied: io::Result<()>, from: &Path) -> Result<(), CommandError> {
        match copied {
            Ok(()) => Ok(()),
            Err(_) if self.signals.raised() => Err(self.signals.error()),
            Err(error) => {
                let class = if is_change(&error) { Class::Changed } else { Class::Io };
                let note = format!("cannot copy it to {}", Quoted(self.output.path()));
                Err(CommandError::new(class, error).at(from).noting(note))
            }
        }
    }
}
