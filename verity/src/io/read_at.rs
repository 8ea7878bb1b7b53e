//! Positioned reads.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use super::{Extent, Mapping};

/// Something that can be read at any offset by many threads at once.
///
/// Where std's `FileExt` is in scope too, a call of `read_at` or `read_exact_at` on a file does not
/// compile until it says which one is meant: `ReadAt::read_at(&file, ..)`. Of vectors and slices
/// `len` and `is_empty` are std's, which have another result: `ReadAt::len(&vec)`.
pub trait ReadAt: Send + Sync {
    /// The length of the source, in bytes.
    ///
    /// # Errors
    /// When the length cannot be told; also for things without one, such as pipes and directories.
    fn len(&self) -> io::Result<u64>;

    /// Reads into `buf` from `offset` bytes on, and returns how many bytes were read: 0 only at the
    /// end (or for an empty `buf`), otherwise possibly fewer than asked.
    ///
    /// # Errors
    /// Whatever the source reports.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// What the bytes from `offset` on are, as far as that is known without reading: data, unless
    /// the source knows better.
    ///
    /// Holes are taken at their word: builder and verifier do not read them, and the
    /// [NBD server](crate::nbd) tells its clients. An extent that ends at or before `offset` is
    /// ignored; the bytes count as data.
    fn extent_at(&self, offset: u64) -> Extent {
        let _ = offset;
        Extent::ALL_DATA
    }

    /// Tells the source, once, that it will be read from start to end. By default nothing follows
    /// from it.
    fn expect_sequential(&self) {}

    /// A mapping of the source, through which its bytes are prefetched while others are hashed, and
    /// never read: what comes next is then copied faster. By default there is none, and a source
    /// without loses nothing but that.
    fn mapping(&self) -> Option<Mapping> {
        None
    }

    /// Whether the length is zero.
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

            fn mapping(&self) -> Option<Mapping> {
                (**self).mapping()
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

pub(super) fn advance(offset: u64, by: usize) -> io::Result<u64> {
    let by = u64::try_from(by).map_err(|_| ErrorKind::FileTooLarge)?;
    offset.checked_add(by).ok_or_else(|| ErrorKind::FileTooLarge.into())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

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
}
