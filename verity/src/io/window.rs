//! A part of something that is read or written, as a whole of its own.

use std::io::{self, ErrorKind};
use std::ops::Range;

use super::{Extent, ReadAt, WriteAt};
use crate::number::{to_len, to_u64};

/// Some bytes of a source or target, as if there were no others: a partition of a disk.
///
/// No read or write reaches beyond it, and it neither grows nor shrinks. Holes of the source are
/// holes of the window.
///
/// ```
/// use verity::io::{ReadAt, Window};
///
/// let window = Window::new(b"0123456789".to_vec(), 2..6)?;
/// let mut buf = [0; 8];
/// assert_eq!(window.read_at(&mut buf, 1)?, 3);
/// assert_eq!(&buf[..3], b"345");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Window<T> {
    inner: T,
    range: Range<u64>,
}

impl<T> Window<T> {
    /// A window on these bytes.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when they end before they begin.
    pub fn new(inner: T, range: Range<u64>) -> io::Result<Window<T>> {
        if range.start > range.end {
            return Err(ErrorKind::InvalidInput.into());
        }
        Ok(Window { inner, range })
    }

    /// What it is a window on.
    pub fn inner(&self) -> &T {
        &self.inner
    }

    /// The bytes that it shows.
    pub fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    fn size(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// How many of `len` bytes from `offset` on lie in the window.
    fn part(&self, offset: u64, len: usize) -> usize {
        to_len(self.size().saturating_sub(offset).min(to_u64(len)))
    }

    /// Where an extent of the inner source ends for us.
    fn end(&self, end: u64) -> u64 {
        // What lies behind the window is not ours to tell.
        if end >= self.range.end { u64::MAX } else { end.saturating_sub(self.range.start) }
    }
}

impl<T: ReadAt> ReadAt for Window<T> {
    fn len(&self) -> io::Result<u64> {
        Ok(self.size())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        match self.part(offset, buf.len()) {
            0 => Ok(0),
            len => self.inner.read_at(&mut buf[..len], self.range.start + offset),
        }
    }

    fn extent_at(&self, offset: u64) -> Extent {
        if offset >= self.size() {
            return Extent::ALL_DATA;
        }
        match self.inner.extent_at(self.range.start + offset) {
            Extent::Data { end } => Extent::Data { end: self.end(end) },
            Extent::Hole { end } => Extent::Hole { end: self.end(end).min(self.size()) },
            Extent::Zero { end } => Extent::Zero { end: self.end(end).min(self.size()) },
        }
    }

    fn expect_sequential(&self) {
        self.inner.expect_sequential();
    }
}

impl<T: WriteAt> WriteAt for Window<T> {
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        match self.part(offset, buf.len()) {
            0 => Ok(0),
            len => self.inner.write_at(&buf[..len], self.range.start + offset),
        }
    }

    fn resize(&self, len: u64) -> io::Result<()> {
        if len <= self.size() {
            return Ok(());
        }
        let words = format!("the partition has {} bytes, {len} are needed", self.size());
        Err(io::Error::new(ErrorKind::StorageFull, words))
    }

    fn sync(&self) -> io::Result<()> {
        self.inner.sync()
    }
}
