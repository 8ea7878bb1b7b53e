//! Blocks in a row that are read or written with one call; and where that fails, which of them it
//! was.

use std::io;
use std::ops::Range;

use rustix::io::Errno;

use crate::number::to_u64;

use super::{ReadAt, Source, WriteAt};

/// The first of some blocks that could not be read or written, and why.
#[derive(Debug)]
pub(crate) struct FailedBlock {
    /// How many blocks come before it.
    pub(crate) index: u64,
    pub(crate) error: io::Error,
}

/// Reads blocks of `block_len` bytes from `offset` bytes on.
pub(crate) fn read_blocks<R: ReadAt + ?Sized>(
    source: &R,
    bytes: &mut [u8],
    block_len: usize,
    offset: u64,
) -> Result<(), FailedBlock> {
    let blocks = to_u64(bytes.len() / block_len);
    let read = source.read_exact_at(bytes, offset);
    read.map_err(|error| first_unreadable(source, error, blocks, block_len, offset))
}

/// Writes blocks of `block_len` bytes from `offset` bytes on.
pub(crate) fn write_blocks<W: WriteAt + ?Sized>(
    target: &W,
    bytes: &[u8],
    block_len: usize,
    offset: u64,
) -> Result<(), FailedBlock> {
    target.write_all_at(bytes, offset).map_err(|error| {
        let blocks = (0..).zip(bytes.chunks_exact(block_len));
        let alone = blocks
            .map(|(index, block)| target.write_all_at(block, offset + index * to_u64(block_len)));
        first_failing(error, alone)
    })
}

/// Which of some blocks it is that cannot be read, after all at once failed with `error`. Where
/// that is about the whole source it is the first of them, and nothing is asked for again.
pub(crate) fn first_unreadable<S: Source + ?Sized>(
    source: &S,
    error: io::Error,
    blocks: u64,
    block_len: usize,
    offset: u64,
) -> FailedBlock {
    if is_about_source(&error) {
        return FailedBlock { index: 0, error };
    }
    let mut block = vec![0; block_len];
    let offsets = (0..blocks).map(|index| offset + index * to_u64(block_len));
    first_failing(error, offsets.map(|offset| source.source_read_exact_at(&mut block, offset)))
}

/// Reads blocks at once or, where that fails, each by itself. `bytes` has `len` bytes for each of
/// them, which `read` fills; those that it cannot fill go to `failed`.
///
/// # Errors
/// The first failure that is about the whole source, see [`is_about_source`], as others would
/// follow; and the block that was read then, of several at once the first.
pub(crate) fn read_each<E: ReadFailure>(
    blocks: Range<u64>,
    bytes: &mut [u8],
    len: usize,
    mut read: impl FnMut(Range<u64>, &mut [u8]) -> Result<(), E>,
    mut failed: impl FnMut(u64, &mut [u8], E),
) -> Result<(), (u64, E)> {
    match read(blocks.clone(), bytes) {
        Ok(()) => return Ok(()),
        Err(error) if error.is_about_source() => return Err((blocks.start, error)),
        Err(_) => {}
    }
    for (block, bytes) in blocks.zip(bytes.chunks_exact_mut(len)) {
        match read(block..block + 1, bytes) {
            Ok(()) => {}
            Err(error) if error.is_about_source() => return Err((block, error)),
            Err(error) => failed(block, bytes, error),
        }
    }
    Ok(())
}

/// An error that a failed read of blocks can be.
pub(crate) trait ReadFailure {
    /// Whether it is about the whole source, see [`is_about_source`].
    fn is_about_source(&self) -> bool;
}

impl ReadFailure for io::Error {
    fn is_about_source(&self) -> bool {
        is_about_source(self)
    }
}

/// Whether a failed read is about the whole source and not about the bytes that were asked for, so
/// that it is of no use to ask for others: a server that does not answer would not answer for them
/// either, each time after its timeout; a file that is another one now, or gone, has none of them.
///
/// Of a local device that is what the system says of one that was taken away (ENODEV, ENXIO,
/// ENOMEDIUM, ESTALE); of an `HttpError` see `is_about_file` there. An error that wraps
/// one is judged like it. All others are about the block: EIO, or an answer that is not what was
/// asked for.
pub fn is_about_source(error: &io::Error) -> bool {
    const GONE: [Errno; 4] = [Errno::NODEV, Errno::NXIO, Errno::NOMEDIUM, Errno::STALE];
    if error.raw_os_error().is_some_and(|code| GONE.contains(&Errno::from_raw_os_error(code))) {
        return true;
    }
    let Some(cause) = error.get_ref() else { return false };
    let mut cause: &(dyn std::error::Error + 'static) = cause;
    loop {
        #[cfg(feature = "http")]
        if let Some(error) = cause.downcast_ref::<super::http::HttpError>() {
            return error.is_about_file();
        }
        if let Some(inner) = cause.downcast_ref::<io::Error>() {
            return is_about_source(inner);
        }
        match cause.source() {
            Some(next) => cause = next,
            None => return false,
        }
    }
}

/// The first failure of blocks that are tried one by one, so that a report names the right one
/// whatever went with it.
fn first_failing(error: io::Error, alone: impl Iterator<Item = io::Result<()>>) -> FailedBlock {
    let mut failures = (0..).zip(alone);
    let failed = failures.find_map(|(index, done)| Some(FailedBlock { index, error: done.err()? }));
    // This time every one went well; the failure happened all the same.
    failed.unwrap_or(FailedBlock { index: 0, error })
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    /// Four blocks of 8 bytes, of which the third can be neither read nor written.
    struct Broken;

    impl Broken {
        fn check(len: usize, offset: u64) -> io::Result<usize> {
            match offset < 24 && offset + to_u64(len) > 16 {
                true => Err(ErrorKind::ConnectionReset.into()),
                false => Ok(len),
            }
        }
    }

    impl ReadAt for Broken {
        fn len(&self) -> io::Result<u64> {
            Ok(32)
        }

        fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
            Broken::check(buf.len(), offset).inspect(|_| buf.fill(7))
        }
    }

    impl WriteAt for Broken {
        fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
            Broken::check(buf.len(), offset)
        }

        fn resize(&self, _len: u64) -> io::Result<()> {
            Ok(())
        }

        fn sync(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_block_that_failed_is_named_whatever_went_with_it() {
        let failed = read_blocks(&Broken, &mut [0; 24], 8, 8).unwrap_err();
        assert_eq!((failed.index, failed.error.kind()), (1, ErrorKind::ConnectionReset));
        let failed = write_blocks(&Broken, &[0; 32], 8, 0).unwrap_err();
        assert_eq!((failed.index, failed.error.kind()), (2, ErrorKind::ConnectionReset));
        read_blocks(&Broken, &mut [0; 16], 8, 0).unwrap();
        write_blocks(&Broken, &[0; 8], 8, 24).unwrap();
    }

    #[test]
    fn a_failure_that_does_not_come_again_is_still_one() {
        let error = ErrorKind::TimedOut.into();
        let failed = first_unreadable(&vec![0; 32], error, 4, 8, 0);
        assert_eq!((failed.index, failed.error.kind()), (0, ErrorKind::TimedOut));
    }

    /// What was taken away is asked once, and of one block at a time the right one is named.
    #[test]
    fn a06_a_source_that_fails_as_a_whole_is_not_asked_again() {
        let gone = || io::Error::from_raw_os_error(Errno::NODEV.raw_os_error());
        let failed = first_unreadable(&vec![0; 8], gone(), 4, 8, 0);
        assert_eq!((failed.index, failed.error.raw_os_error()), (0, gone().raw_os_error()));
        let mut asked = Vec::new();
        let read = |blocks: Range<u64>, _: &mut [u8]| {
            asked.push(blocks.clone());
            match (blocks.end - blocks.start, blocks.start) {
                (1, 101) => Err(io::Error::other(gone())),
                (1, _) => Ok(()),
                _ => Err(ErrorKind::ConnectionReset.into()),
            }
        };
        let (block, error) = read_each(100..104, &mut [0; 32], 8, read, |_, _, _| ()).unwrap_err();
        assert!(block == 101 && is_about_source(&error), "{block}: {error}");
        assert_eq!(asked, [100..104, 100..101, 101..102]);
        let error = ErrorKind::TimedOut.into();
        assert!(!is_about_source(&error) && !is_about_source(&io::Error::other(error)));
    }

    #[test]
    fn what_can_be_read_is_read_around_what_cannot() {
        let (mut bytes, mut failed) = ([0; 32], Vec::new());
        let read = |blocks: Range<u64>, bytes: &mut [u8]| {
            Broken.read_exact_at(bytes, (blocks.start - 100) * 8)
        };
        read_each(100..104, &mut bytes, 8, read, |block, bytes, error| {
            bytes.fill(1);
            failed.push((block, error.kind()));
        })
        .unwrap();
        assert_eq!(failed, [(102, ErrorKind::ConnectionReset)]);
        assert_eq!(bytes.map(|byte| byte == 1), std::array::from_fn(|index| index / 8 == 2));
    }
}
