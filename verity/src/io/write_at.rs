//! Positioned writes.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use super::read_at::advance;

/// Something that can be written at any offset by many threads at once.
///
/// A build writes each block of its tree once, and each part of the parity twice: whole blocks, up
/// to about 256 KiB with one call, in no order, from all threads at once. It reads back what parity
/// waits there, and of a stream of unknown length the lowest level of the tree. It never calls
/// [`WriteAt::resize`] or [`WriteAt::sync`]: these are the caller's, before and after.
///
/// Where std's `FileExt` is in scope too, a call of `write_at` or `write_all_at` on a file does not
/// compile until it says which one is meant: `WriteAt::write_at(&file, ..)`. The other names are
/// none of std's: its `File::set_len` knows no block devices, and a method of that name here would
/// never be called by `file.set_len(..)`.
pub trait WriteAt: Send + Sync {
    /// Writes from `offset` bytes on and returns how many bytes were written, possibly fewer than
    /// asked.
    ///
    /// # Errors
    /// Whatever the target reports.
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize>;

    /// Makes it `len` bytes long; new bytes are zero. A block device keeps its length.
    ///
    /// # Errors
    /// When it cannot have that length.
    fn resize(&self, len: u64) -> io::Result<()>;

    /// Waits until everything written has reached the storage.
    ///
    /// # Errors
    /// When some of it has not: then nothing written may be counted on.
    fn sync(&self) -> io::Result<()>;

    /// Writes all of `buf` from `offset` bytes on.
    ///
    /// # Errors
    /// [`ErrorKind::WriteZero`] if the target takes no more; otherwise as [`WriteAt::write_at`].
    fn write_all_at(&self, mut buf: &[u8], mut offset: u64) -> io::Result<()> {
        while !buf.is_empty() {
            match self.write_at(buf, offset) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => {
                    buf = buf.get(written..).ok_or(ErrorKind::InvalidData)?;
                    offset = advance(offset, written)?;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<T: WriteAt + ?Sized> WriteAt for $pointer {
            fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
                (**self).write_at(buf, offset)
            }

            fn resize(&self, len: u64) -> io::Result<()> {
                (**self).resize(len)
            }

            fn sync(&self) -> io::Result<()> {
                (**self).sync()
            }
        }
    )*};
}

forward!(&T, Box<T>, Arc<T>);
