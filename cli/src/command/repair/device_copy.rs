//! The copy that is repaired: all bytes that can be read, and zeros for blocks that cannot.

use std::io;
use std::ops::Range;

use verity::internals::to_len;
use verity::io::{Extent, ReadAt, WriteAt, copy_file, is_about_source};
use verity::publish::Output;

use crate::copying::Copying;
use crate::error::CommandError;
use crate::image::Device;
use crate::signals::Signals;

/// What is fetched at a time, in bytes.
const PIECE: u64 = 1 << 20;

/// Copies the first `size` bytes of a device to an output. Only blocks that lie in `covered` may be
/// unreadable.
pub(super) fn copy_device(
    output: &Output,
    device: &Device,
    size: u64,
    covered: &[Range<u64>],
    block_size: u64,
    signals: &Signals,
) -> Result<(), CommandError> {
    let copying = Copying::new(output.path(), size, signals);
    let copy = DeviceCopy { output, device, covered, block_size, copying: &copying };
    let copied = match device.input() {
        Some(input) if !input.is_part() => {
            copy_file(input.file(), output.file(), size, &mut |run, copied| {
                copied.or_else(|_| copy.salvage(run.clone()))?;
                copying.advance(run.end - run.start)
            })
        }
        _ => copy.fetch(size),
    };
    // A server's file, or a file, that has changed explains everything else.
    device.check()?;
    copying.finish(copied, device.path())
}

/// A device on its way into an output.
struct DeviceCopy<'a> {
    output: &'a Output,
    device: &'a Device,
    covered: &'a [Range<u64>],
    block_size: u64,
    copying: &'a Copying<'a>,
}

impl DeviceCopy<'_> {
    /// Copies a run block by block, and leaves those out that cannot be read.
    fn salvage(&self, run: Range<u64>) -> io::Result<()> {
        let mut start = run.start;
        while start < run.end {
            let end = (start - start % self.block_size + self.block_size).min(run.end);
            match self.read(start..end) {
                Ok(block) => self.output.file().write_all_at(&block, start)?,
                Err(error) => self.forgive(&(start..end), error)?,
            }
            self.copying.advance(0)?;
            start = end;
        }
        Ok(())
    }

    /// Copies a file from a server, or a partition of a disk image.
    fn fetch(&self, size: u64) -> io::Result<()> {
        WriteAt::resize(self.output.file(), size)?;
        let mut start = 0;
        while start < size {
            if let Extent::Hole { end } = self.device.extent_at(start).beyond(start) {
                start = end.min(size);
                continue;
            }
            let end = start.saturating_add(PIECE).min(size);
            match self.read(start..end) {
                Ok(piece) => self.output.file().write_all_at(&piece, start)?,
                Err(error) if is_about_source(&error) => return Err(error),
                Err(_) => self.salvage(start..end)?,
            }
            self.copying.advance(end - start)?;
            start = end;
        }
        Ok(())
    }

    /// Reads one block, or one piece.
    fn read(&self, bytes: Range<u64>) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; to_len(bytes.end - bytes.start)];
        self.device.read_exact_at(&mut buffer, bytes.start)?;
        Ok(buffer)
    }

    /// Forgives a failure to read a block that may be recovered. The copy has zeros there, as
    /// nothing was written.
    fn forgive(&self, bytes: &Range<u64>, error: io::Error) -> io::Result<()> {
        let is_covered =
            self.covered.iter().any(|range| range.start <= bytes.start && bytes.end <= range.end);
        let is_about_all = error.kind() == io::ErrorKind::UnexpectedEof || is_about_source(&error);
        if is_covered && !is_about_all { Ok(()) } else { Err(error) }
    }
}
