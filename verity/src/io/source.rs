//! What the builder reads.

use std::io;
#[cfg(feature = "mmap")]
use std::io::ErrorKind;

use super::{Extent, Mapping, ReadAt};

/// What the builder reads: anything that is [`ReadAt`], or a mapped file (feature `mmap`).
///
/// A mapped file is a source for building only. Verification takes [`ReadAt`], which hands out
/// private copies: mapped pages can change, or vanish with a signal, between the check and the use.
/// Do not get round that by passing a mapping off as a slice.
#[cfg_attr(
    feature = "mmap",
    doc = r#"
```
fn build(builder: &verity::Builder<'_>, map: &memmap2::Mmap, area: &verity::HashArea) -> bool {
    builder.build(map, &std::sync::Mutex::new(Vec::new()), area).is_ok()
}
```

```compile_fail,E0277
fn verify(verifier: &verity::Verifier<'_>, map: &memmap2::Mmap, hash: &std::fs::File) -> bool {
    verifier.verify(map, hash).is_ok()
}
```
"#
)]
pub trait Source: Send + Sync {
    /// The length of the source, in bytes.
    ///
    /// # Errors
    /// When the length cannot be told.
    fn source_len(&self) -> io::Result<u64>;

    /// Returns as many bytes as `buf` has, from `offset` bytes on: the source's own, or read into
    /// `buf`.
    ///
    /// # Errors
    /// When they cannot be had, also because the source is shorter.
    fn source_run<'a>(&'a self, offset: u64, buf: &'a mut [u8]) -> io::Result<&'a [u8]>;

    /// Fills `buf` from `offset` bytes on.
    ///
    /// # Errors
    /// When the bytes cannot be had, also because the source is shorter.
    fn source_read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;

    /// What the bytes from `offset` on are, as [`ReadAt::extent_at`].
    fn source_extent_at(&self, offset: u64) -> Extent {
        let _ = offset;
        Extent::ALL_DATA
    }

    /// Tells the source that it will be read from start to end, as [`ReadAt::expect_sequential`].
    fn source_expect_sequential(&self) {}

    /// A mapping of the source that is never read, as [`ReadAt::mapping`].
    fn source_mapping(&self) -> Option<Mapping> {
        None
    }
}

impl<T: ReadAt + ?Sized> Source for T {
    fn source_len(&self) -> io::Result<u64> {
        self.len()
    }

    fn source_run<'a>(&'a self, offset: u64, buf: &'a mut [u8]) -> io::Result<&'a [u8]> {
        self.read_exact_at(buf, offset)?;
        Ok(buf)
    }

    fn source_read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_exact_at(buf, offset)
    }

    fn source_extent_at(&self, offset: u64) -> Extent {
        self.extent_at(offset)
    }

    fn source_expect_sequential(&self) {
        self.expect_sequential();
    }

    fn source_mapping(&self) -> Option<Mapping> {
        self.mapping()
    }
}

/// Saves the copy into a buffer. The caller who mapped the file promised that it does not change.
#[cfg(feature = "mmap")]
impl Source for memmap2::Mmap {
    fn source_len(&self) -> io::Result<u64> {
        ReadAt::len(&**self)
    }

    fn source_run<'a>(&'a self, offset: u64, buf: &'a mut [u8]) -> io::Result<&'a [u8]> {
        let start = usize::try_from(offset).map_err(|_| ErrorKind::UnexpectedEof)?;
        let end = start.checked_add(buf.len()).ok_or(ErrorKind::UnexpectedEof)?;
        self.get(start..end).ok_or_else(|| ErrorKind::UnexpectedEof.into())
    }

    fn source_read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        ReadAt::read_exact_at(&**self, buf, offset)
    }
}
