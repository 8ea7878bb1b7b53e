//! A hash area in the making beside the file that it will lie in.

use std::fs::File;
use std::io;
use std::ops::Range;

use verity::internals::{to_len, to_u64};
use verity::io::{ReadAt, WriteAt};

/// What is written goes to a file of its own, and is read from there; only the `kept` bytes are
/// read from the file below. Zeros follow where that file ends.
pub(super) struct HashOverlay<'a> {
    pub(super) made: &'a File,
    pub(super) below: &'a dyn ReadAt,
    pub(super) kept: Range<u64>,
}

impl ReadAt for HashOverlay<'_> {
    fn len(&self) -> io::Result<u64> {
        Ok(ReadAt::len(self.made)?.max(self.kept.end))
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        if self.kept.contains(&offset) {
            let buf = up_to(buf, self.kept.end - offset);
            return match self.below.read_at(buf, offset)? {
                0 => {
                    buf.fill(0);
                    Ok(buf.len())
                }
                read => Ok(read),
            };
        }
        match self.kept.start.checked_sub(offset) {
            Some(before) if before > 0 => self.made.read_at(up_to(buf, before), offset),
            _ => self.made.read_at(buf, offset),
        }
    }
}

impl WriteAt for HashOverlay<'_> {
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        WriteAt::write_at(self.made, buf, offset)
    }

    fn resize(&self, len: u64) -> io::Result<()> {
        WriteAt::resize(self.made, len)
    }

    fn sync(&self) -> io::Result<()> {
        WriteAt::sync(self.made)
    }
}

/// At most so many bytes of a buffer.
fn up_to(buf: &mut [u8], most: u64) -> &mut [u8] {
    let length = to_len(most.min(to_u64(buf.len())));
    &mut buf[..length]
}
