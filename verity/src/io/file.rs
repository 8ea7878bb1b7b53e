//! Files and block devices.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, FileTypeExt};

use rustix::fs::{Advice, SeekFrom, fadvise, seek};
use rustix::io::Errno;

use super::{Extent, Mapping, ReadAt, WriteAt};

/// A regular file also tells where its holes are, as far as its file system does. Asking moves the
/// file's cursor, which positioned reads and writes do not use; do not rely on it meanwhile.
///
/// Expecting to be read from start to end, it asks the kernel to read further ahead
/// (`POSIX_FADV_SEQUENTIAL`), which stays so for the open file. Nothing is ever dropped from the
/// page cache.
impl ReadAt for File {
    fn len(&self) -> io::Result<u64> {
        let metadata = self.metadata()?;
        if metadata.is_file() {
            Ok(metadata.len())
        } else if metadata.file_type().is_block_device() {
            // Positioned reads and writes do not use the position; others who share the open
            // device may, as a shell does with standard output.
            let position = seek(self, SeekFrom::Current(0))?;
            let end = seek(self, SeekFrom::End(0))?;
            seek(self, SeekFrom::Start(position))?;
            Ok(end)
        } else {
            Err(io::Error::new(
                ErrorKind::InvalidInput,
                "neither a regular file nor a block device",
            ))
        }
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        if offset > MAX_SIZE {
            return Ok(0);
        }
        FileExt::read_at(self, buf, offset)
    }

    fn extent_at(&self, offset: u64) -> Extent {
        extent_of(self, offset)
    }

    fn expect_sequential(&self) {
        // A system that ignores the advice is slower, no more.
        let _ = fadvise(self, 0, None, Advice::Sequential);
    }

    /// Of a regular file, where the system has room for its addresses (64 bits).
    fn mapping(&self) -> Option<Mapping> {
        Mapping::of(self)
    }
}

impl WriteAt for File {
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        if offset > MAX_SIZE {
            return Err(too_large(offset));
        }
        FileExt::write_at(self, buf, offset)
    }

    fn resize(&self, len: u64) -> io::Result<()> {
        if self.metadata()?.file_type().is_block_device() {
            return match ReadAt::len(self)? {
                size if size >= len => Ok(()),
                size => Err(io::Error::new(
                    ErrorKind::StorageFull,
                    format!("the device has {size} bytes, {len} are needed"),
                )),
            };
        }
        if len > MAX_SIZE {
            return Err(too_large(len));
        }
        File::set_len(self, len)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_all()
    }
}

/// No file or device has more bytes: the system counts them with a sign.
const MAX_SIZE: u64 = u64::MAX / 2;

fn too_large(bytes: u64) -> io::Error {
    let words = format!("no file has {bytes} bytes: {MAX_SIZE} is the most");
    io::Error::new(ErrorKind::FileTooLarge, words)
}

/// Asks the file system. Unless its answer is clear, the bytes are data.
fn extent_of(file: &File, offset: u64) -> Extent {
    let data = match seek(file, SeekFrom::Data(offset)) {
        Ok(start) if start <= offset => {
            return match seek(file, SeekFrom::Hole(offset)) {
                Ok(end) if end > offset => Extent::Data { end },
                _ => Extent::ALL_DATA,
            };
        }
        Ok(start) => Some(start),
        // No data up to the end, or the end lies before.
        Err(Errno::NXIO) => None,
        Err(_) => return Extent::ALL_DATA,
    };
    // Asked after the seek: a file that was truncated meanwhile has no hole here, and the read will
    // say so.
    match file.metadata() {
        Ok(metadata) if metadata.is_file() && offset < metadata.len() => {
            Extent::Hole { end: data.unwrap_or(metadata.len()) }
        }
        _ => Extent::ALL_DATA,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `offset` must not be the last that 64 bits can hold.
    fn is_hole(file: &File, offset: u64) -> bool {
        matches!(extent_of(file, offset), Extent::Hole { .. })
    }

    #[test]
    fn a_file_tells_its_holes_up_to_its_end() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(3 << 20).unwrap();
        WriteAt::write_all_at(&file, &[1; 1 << 20], 1 << 20).unwrap();
        assert_eq!(extent_of(&file, 0), Extent::Hole { end: 1 << 20 });
        assert_eq!(extent_of(&file, 5000), Extent::Hole { end: 1 << 20 });
        assert_eq!(extent_of(&file, 1 << 20), Extent::Data { end: 2 << 20 });
        assert_eq!(extent_of(&file, 2 << 20), Extent::Hole { end: 3 << 20 });
        for beyond in [3 << 20, 4 << 20, u64::MAX / 2, u64::MAX - 1] {
            assert!(!is_hole(&file, beyond), "{beyond}");
        }
    }

    #[test]
    fn what_is_no_regular_file_has_no_holes() {
        for path in ["/dev/zero", "/dev/null", "/", "/proc/self/status"] {
            let file = File::open(path).unwrap();
            assert!(!is_hole(&file, 0) && !is_hole(&file, 4096), "{path}");
        }
    }

    #[test]
    fn a10_offsets_and_lengths_beyond_the_systems_are_told_by_their_number() {
        let file = tempfile::tempfile().unwrap();
        for beyond in [MAX_SIZE + 1, u64::MAX] {
            assert_eq!(ReadAt::read_at(&file, &mut [0; 8], beyond).unwrap(), 0);
            for error in [
                WriteAt::resize(&file, beyond).unwrap_err(),
                WriteAt::write_at(&file, &[0; 8], beyond).unwrap_err(),
            ] {
                assert_eq!(error.kind(), ErrorKind::FileTooLarge);
                assert!(error.to_string().contains(&beyond.to_string()), "{error}");
                assert!(error.to_string().contains("9223372036854775807"), "{error}");
            }
        }
    }

    #[test]
    fn directories_have_no_length() {
        assert!(ReadAt::len(&File::open("/").unwrap()).is_err());
        assert!(ReadAt::len(&File::open("/dev/null").unwrap()).is_err());
    }
}
