//! Where a source has holes: bytes that are known to be zero without being read.

use std::fs::File;
use std::ops::Range;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use super::Source;

/// What the bytes from an offset on are, and how far that goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Bytes that must be read to be known.
    Data {
        /// Where they end at the earliest, in bytes from the start of the source.
        end: u64,
    },
    /// Bytes that are zero and take no storage.
    Hole {
        /// Where they end at the earliest, in bytes from the start of the source.
        end: u64,
    },
}

impl Extent {
    /// Data to the end, whatever the length.
    pub const ALL_DATA: Extent = Extent::Data { end: u64::MAX };

    /// Where it ends, in bytes from the start of the source.
    pub fn end(self) -> u64 {
        match self {
            Extent::Data { end } | Extent::Hole { end } => end,
        }
    }
}

/// What a file system says of a file. Whatever else than a clear answer it gives, the bytes are data.
pub(super) fn of_file(file: &File, offset: u64) -> Extent {
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
    // Asked after the seek: a file that was truncated meanwhile has no hole here, and the read will say so.
    match file.metadata() {
        Ok(metadata) if metadata.is_file() && offset < metadata.len() => {
            Extent::Hole { end: data.unwrap_or(metadata.len()) }
        }
        _ => Extent::ALL_DATA,
    }
}

/// The last answer of a source, kept because it mostly serves many runs: for a file without holes, all.
#[derive(Default)]
pub(crate) struct KnownExtent {
    bytes: Range<u64>,
    hole: bool,
}

impl KnownExtent {
    /// What the bytes from `offset` on are. The end is beyond `offset`, whatever the source says.
    pub(crate) fn at<S: Source + ?Sized>(&mut self, source: &S, offset: u64) -> Extent {
        if !self.bytes.contains(&offset) {
            let extent = match source.source_extent_at(offset) {
                extent if extent.end() > offset => extent,
                _ => Extent::ALL_DATA,
            };
            self.bytes = offset..extent.end();
            self.hole = matches!(extent, Extent::Hole { .. });
        }
        let end = self.bytes.end;
        if self.hole { Extent::Hole { end } } else { Extent::Data { end } }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    /// `offset` must not be the last that 64 bits can hold.
    fn is_hole(file: &File, offset: u64) -> bool {
        matches!(of_file(file, offset), Extent::Hole { .. })
    }

    #[test]
    fn a_file_tells_its_holes_up_to_its_end() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(3 << 20).unwrap();
        file.write_all_at(&[1; 1 << 20], 1 << 20).unwrap();
        assert_eq!(of_file(&file, 0), Extent::Hole { end: 1 << 20 });
        assert_eq!(of_file(&file, 5000), Extent::Hole { end: 1 << 20 });
        assert_eq!(of_file(&file, 1 << 20), Extent::Data { end: 2 << 20 });
        assert_eq!(of_file(&file, 2 << 20), Extent::Hole { end: 3 << 20 });
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
    fn an_empty_or_backward_answer_is_data() {
        struct Backward(Extent);

        impl crate::io::ReadAt for Backward {
            fn len(&self) -> std::io::Result<u64> {
                Ok(1 << 20)
            }

            fn read_at(&self, _buf: &mut [u8], _offset: u64) -> std::io::Result<usize> {
                Ok(0)
            }

            fn extent_at(&self, _offset: u64) -> Extent {
                self.0
            }
        }

        for end in [0, 4095, 4096] {
            for extent in [Extent::Hole { end }, Extent::Data { end }] {
                let known = KnownExtent::default().at(&Backward(extent), 4096);
                assert_eq!(known, Extent::ALL_DATA, "{extent:?}");
            }
        }
    }
}
