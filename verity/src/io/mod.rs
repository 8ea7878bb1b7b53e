//! Where bytes come from and go to: positioned reads and writes that many threads can share.
//!
//! [`ReadAt`] and [`WriteAt`] take an offset with every call, so there is no cursor and no lock. They are
//! implemented for [`File`] (regular files and block devices), for byte slices and vectors, and for anything
//! that a caller writes. [`Cursor`] adds a position where one is wanted. [`Source`] is what the builder reads; with feature `mmap` it is also a mapped file.

mod copy;
mod cursor;
mod extents;
#[cfg(feature = "http")]
pub mod http;

use std::fs::File;
use std::io::{self, ErrorKind, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::Advice;

pub use self::copy::copy_file;
pub use self::cursor::Cursor;
pub use self::extents::Extent;
pub(crate) use self::extents::KnownExtent;

/// Something that can be read at any offset by many threads at once.
pub trait ReadAt: Send + Sync {
    /// Its length, in bytes.
    ///
    /// # Errors
    /// When the length cannot be told; also for things without one, such as pipes and directories.
    fn len(&self) -> io::Result<u64>;

    /// Reads into `buf` from `offset` bytes on, and returns how many bytes were read: 0 only at the end (or
    /// for an empty `buf`), otherwise possibly fewer than asked.
    ///
    /// # Errors
    /// As the source has them.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// What the bytes from `offset` on are, as far as that is known without reading: data, unless the source
    /// knows better.
    ///
    /// Holes are taken at their word: builder and verifier do not read them. An answer that ends at `offset`
    /// or before is none, and then all is data.
    fn extent_at(&self, offset: u64) -> Extent {
        let _ = offset;
        Extent::ALL_DATA
    }

    /// Told once before it is read from start to end. What follows from it is up to the source; nothing,
    /// unless it knows better.
    fn expect_sequential(&self) {}

    /// Whether its length is zero.
    ///
    /// # Errors
    /// As [`ReadAt::len`].
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|len| len == 0)
    }

    /// Fills `buf` from `offset` bytes on.
    ///
    /// # Errors
    /// [`ErrorKind::UnexpectedEof`] if the source ends before; otherwise as [`ReadAt::read_at`].
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        if read_up_to(self, buf, offset)? < buf.len() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

/// Something that can be written at any offset by many threads at once.
pub trait WriteAt: Send + Sync {
    /// Writes from `offset` bytes on and returns how many bytes were written, possibly fewer than asked.
    ///
    /// # Errors
    /// As the target has them.
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize>;

    /// Makes it `len` bytes long; new bytes are zero. A block device keeps its length.
    ///
    /// # Errors
    /// When it cannot have that length.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Returns once everything written has reached the storage.
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

/// What the builder reads: anything that is [`ReadAt`], or a mapped file (feature `mmap`).
///
/// A mapped file is a source for building only. Verification takes [`ReadAt`], which hands out private
/// copies: mapped pages can change, or vanish with a signal, between the check and the use. Do not get round
/// that by passing a mapping off as a slice.
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
    /// Its length, in bytes.
    ///
    /// # Errors
    /// When the length cannot be told.
    fn source_len(&self) -> io::Result<u64>;

    /// As many bytes as `buf` has, from `offset` bytes on: either its own, or read into `buf`.
    ///
    /// # Errors
    /// When they cannot be had, also because the source is shorter.
    fn run<'a>(&'a self, offset: u64, buf: &'a mut [u8]) -> io::Result<&'a [u8]>;

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

    /// Told once before it is read from start to end, as [`ReadAt::expect_sequential`].
    fn source_expect_sequential(&self) {}
}

impl<T: ReadAt + ?Sized> Source for T {
    fn source_len(&self) -> io::Result<u64> {
        self.len()
    }

    fn run<'a>(&'a self, offset: u64, buf: &'a mut [u8]) -> io::Result<&'a [u8]> {
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
}

/// Saves the copy into a buffer. The caller who mapped the file has promised that nobody changes it.
#[cfg(feature = "mmap")]
impl Source for memmap2::Mmap {
    fn source_len(&self) -> io::Result<u64> {
        ReadAt::len(&**self)
    }

    fn run<'a>(&'a self, offset: u64, buf: &'a mut [u8]) -> io::Result<&'a [u8]> {
        let start = usize::try_from(offset).map_err(|_| ErrorKind::UnexpectedEof)?;
        let end = start.checked_add(buf.len()).ok_or(ErrorKind::UnexpectedEof)?;
        self.get(start..end).ok_or_else(|| ErrorKind::UnexpectedEof.into())
    }

    fn source_read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        ReadAt::read_exact_at(&**self, buf, offset)
    }
}

/// A regular file also tells where its holes are, as far as its file system does. Asking moves the file's
/// cursor, which positioned reads and writes do not use; do not rely on it meanwhile.
///
/// Expecting to be read from start to end, it asks the kernel to read further ahead (`POSIX_FADV_SEQUENTIAL`),
/// which stays so for the open file. Nothing is ever dropped from the page cache.
impl ReadAt for File {
    fn len(&self) -> io::Result<u64> {
        let metadata = self.metadata()?;
        if metadata.is_file() {
            Ok(metadata.len())
        } else if metadata.file_type().is_block_device() {
            // The file's own cursor is not used by positioned reads and writes.
            let mut file = self;
            file.seek(SeekFrom::End(0))
        } else {
            Err(io::Error::new(
                ErrorKind::InvalidInput,
                "neither a regular file nor a block device",
            ))
        }
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buf, offset)
    }

    fn extent_at(&self, offset: u64) -> Extent {
        extents::of_file(self, offset)
    }

    fn expect_sequential(&self) {
        // Advice that is not taken costs speed at the most.
        let _ = rustix::fs::fadvise(self, 0, None, Advice::Sequential);
    }
}

impl WriteAt for File {
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, buf, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if self.metadata()?.file_type().is_block_device() {
            return match ReadAt::len(self)? {
                size if size >= len => Ok(()),
                size => Err(io::Error::new(
                    ErrorKind::StorageFull,
                    format!("the device has {size} bytes, {len} are needed"),
                )),
            };
        }
        File::set_len(self, len)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_all()
    }
}

impl ReadAt for [u8] {
    fn len(&self) -> io::Result<u64> {
        u64::try_from(<[u8]>::len(self)).map_err(|_| ErrorKind::FileTooLarge.into())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|start| self.get(start..)).unwrap_or(&[]);
        let size = rest.len().min(buf.len());
        buf[..size].copy_from_slice(&rest[..size]);
        Ok(size)
    }
}

impl ReadAt for Vec<u8> {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(self.as_slice())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.as_slice().read_at(buf, offset)
    }
}

impl ReadAt for Mutex<Vec<u8>> {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(&*self.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.lock().unwrap_or_else(PoisonError::into_inner).read_at(buf, offset)
    }
}

/// A hash area in memory. Grows as it is written.
impl WriteAt for Mutex<Vec<u8>> {
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let mut bytes = self.lock().unwrap_or_else(PoisonError::into_inner);
        let start = usize::try_from(offset).map_err(|_| ErrorKind::FileTooLarge)?;
        let end = start.checked_add(buf.len()).ok_or(ErrorKind::FileTooLarge)?;
        grow(&mut bytes, end)?;
        bytes[start..end].copy_from_slice(buf);
        Ok(buf.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut bytes = self.lock().unwrap_or_else(PoisonError::into_inner);
        let len = usize::try_from(len).map_err(|_| ErrorKind::FileTooLarge)?;
        grow(&mut bytes, len)?;
        bytes.truncate(len);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

fn grow(bytes: &mut Vec<u8>, len: usize) -> io::Result<()> {
    if let Some(more) = len.checked_sub(bytes.len()) {
        bytes.try_reserve(more)?;
        bytes.resize(len, 0);
    }
    Ok(())
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<T: ReadAt + ?Sized> ReadAt for $pointer {
            fn len(&self) -> io::Result<u64> {
                (**self).len()
            }

            fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
                (**self).read_at(buf, offset)
            }

            fn extent_at(&self, offset: u64) -> Extent {
                (**self).extent_at(offset)
            }

            fn expect_sequential(&self) {
                (**self).expect_sequential();
            }
        }

        impl<T: WriteAt + ?Sized> WriteAt for $pointer {
            fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
                (**self).write_at(buf, offset)
            }

            fn set_len(&self, len: u64) -> io::Result<()> {
                (**self).set_len(len)
            }

            fn sync(&self) -> io::Result<()> {
                (**self).sync()
            }
        }
    )*};
}

forward!(&T, Box<T>, Arc<T>);

/// Reads until `buf` is full or the source ends; returns how many bytes were read.
pub(crate) fn read_up_to<R: ReadAt + ?Sized>(
    source: &R,
    buf: &mut [u8],
    offset: u64,
) -> io::Result<usize> {
    let mut done = 0;
    while done < buf.len() {
        match source.read_at(&mut buf[done..], advance(offset, done)?) {
            Ok(0) => break,
            // A source that claims more than it was given room for is not believed.
            Ok(size) if size > buf.len() - done => return Err(ErrorKind::InvalidData.into()),
            Ok(size) => done += size,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Which of `blocks` blocks cannot be read or written, and why, after all at once failed with `error`: found
/// by trying each `alone`, so that a report names the right one whatever went with it.
pub(crate) fn first_failing(
    error: io::Error,
    blocks: u64,
    mut alone: impl FnMut(u64) -> io::Result<()>,
) -> (u64, io::Error) {
    for block in 0..blocks {
        if let Err(error) = alone(block) {
            return (block, error);
        }
    }
    // This time every one went well; the failure happened all the same.
    (0, error)
}

fn advance(offset: u64, by: usize) -> io::Result<u64> {
    let by = u64::try_from(by).map_err(|_| ErrorKind::FileTooLarge)?;
    offset.checked_add(by).ok_or_else(|| ErrorKind::FileTooLarge.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads one byte at a time and is interrupted every other call.
    struct Stutter(Vec<u8>, Mutex<bool>);

    impl ReadAt for Stutter {
        fn len(&self) -> io::Result<u64> {
            ReadAt::len(&self.0)
        }

        fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
            let mut interrupt = self.1.lock().unwrap();
            *interrupt = !*interrupt;
            if *interrupt {
                return Err(ErrorKind::Interrupted.into());
            }
            self.0.read_at(&mut buf[..1], offset)
        }
    }

    #[test]
    fn c05_short_reads_and_interruptions_are_taken_up_again() {
        let source = Stutter((0..200).collect(), Mutex::new(false));
        let mut buf = [0; 100];
        source.read_exact_at(&mut buf, 50).unwrap();
        assert!(buf.iter().copied().eq(50..150));
        assert_eq!(
            source.read_exact_at(&mut buf, 101).unwrap_err().kind(),
            ErrorKind::UnexpectedEof
        );
    }

    #[test]
    fn vectors_grow_and_shrink() {
        let target = Mutex::new(Vec::new());
        target.write_all_at(b"abc", 2).unwrap();
        target.set_len(7).unwrap();
        assert_eq!(target.lock().unwrap().as_slice(), b"\0\0abc\0\0");
        target.set_len(3).unwrap();
        assert_eq!(target.lock().unwrap().as_slice(), b"\0\0a");
        assert!(target.write_all_at(b"abc", u64::MAX).is_err());
    }

    #[test]
    fn directories_have_no_length() {
        assert!(ReadAt::len(&File::open("/").unwrap()).is_err());
        assert!(ReadAt::len(&File::open("/dev/null").unwrap()).is_err());
    }
}
