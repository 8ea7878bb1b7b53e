//! Copies of whole files and devices: how far they are, and why one failed.

use std::io;
use std::path::Path;

use verity::Progress;
use verity::internals::{ReadBuffer, to_len, to_u64};
use verity::io::{Extent, ReadAt, WriteAt};

use crate::error::{Class, CommandError};
use crate::library_error::is_change;
use crate::progress::{Meter, Step};
use crate::quoted::Quoted;
use crate::signals::Signals;

/// How many bytes are copied at a time.
const COPIED_AT_ONCE: usize = 1 << 20;

/// A copy on its way into an output.
pub(crate) struct Copying<'a> {
    output: &'a Path,
    meter: Meter,
    signals: &'a Signals,
}

impl<'a> Copying<'a> {
    /// A copy of `size` bytes, of which none is there, to what is called `output`.
    pub(crate) fn new(output: &'a Path, size: u64, signals: &'a Signals) -> Copying<'a> {
        Copying { output, meter: Meter::new(Step::Writing, size, signals), signals }
    }

    /// Counts bytes that were copied. Once a signal has come, it fails, which ends the copying.
    pub(crate) fn advance(&self, bytes: u64) -> io::Result<()> {
        match self.meter.advance(bytes).is_break() {
            true => Err(io::Error::other("stopped")),
            false => Ok(()),
        }
    }

    /// Copies the first `size` bytes of what is no file of its own to a target of zeros. Holes stay
    /// holes.
    pub(crate) fn bytes(
        &self,
        source: &impl ReadAt,
        target: &impl WriteAt,
        size: u64,
    ) -> io::Result<()> {
        let mut buffer = ReadBuffer::with_len(COPIED_AT_ONCE);
        let mut offset = 0;
        while offset < size {
            let extent = source.extent_at(offset).beyond(offset);
            let mut end = extent.end().min(size);
            if let Extent::Data { .. } = extent {
                end = end.min(offset.saturating_add(to_u64(COPIED_AT_ONCE)));
                let bytes = &mut buffer[..to_len(end - offset)];
                source.read_exact_at(bytes, offset)?;
                target.write_all_at(bytes, offset)?;
            }
            self.advance(end - offset)?;
            offset = end;
        }
        Ok(())
    }

    /// What came of copying `from`. Whether that changed meanwhile, which explains everything else,
    /// is asked before.
    pub(crate) fn finish(self, copied: io::Result<()>, from: &Path) -> Result<(), CommandError> {
        match copied {
            Ok(()) => Ok(()),
            Err(_) if self.signals.raised() => Err(self.signals.error()),
            Err(error) => {
                let class = if is_change(&error) { Class::Changed } else { Class::Io };
                let note = format!("cannot copy it to {}", Quoted(self.output));
                Err(CommandError::new(class, error).at(from).noting(note))
            }
        }
    }
}
