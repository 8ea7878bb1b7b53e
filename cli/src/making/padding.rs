//! Zeros behind data that does not end with a block, so that a tree covers all of it.
//!
//! They count while the tree is made, and are appended to the file when everything else is ready:
//! until then the data is as it was, whatever ends the run.

use std::io;

use verity::BlockSize;
use verity::internals::{to_len, to_u64};
use verity::io::{Extent, Mapping, ReadAt};
use verity::publish::{InPlace, Input};

use crate::error::CommandError;
use crate::outputs;

/// What becomes of data that does not end with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// It is an error.
    Refused,
    /// Zeros follow, up to the end of the block.
    Padded,
}

/// How many bytes `size` bytes lack to a whole number of blocks.
pub(super) fn missing(size: u64, block: BlockSize) -> u64 {
    let block = u64::from(block);
    (block - size % block) % block
}

/// Locks the data for so many zeros that it is to get, unless there are none.
pub(crate) fn lock(data: &Input, padding: u64) -> Result<Option<InPlace>, CommandError> {
    if padding == 0 {
        return Ok(None);
    }
    check_is_file(data)?;
    Ok(Some(outputs::in_place(data.path(), data)?))
}

/// Refuses to pad what has the size that it has.
pub(super) fn check_is_file(data: &Input) -> Result<(), CommandError> {
    if data.is_fixed() {
        let words = "--pad appends zeros to regular files: a block device cannot grow";
        return Err(CommandError::usage(words).at(data.path()));
    }
    Ok(())
}

/// A file, and zeros behind it.
pub(crate) struct PaddedFile<'a> {
    pub(super) file: &'a dyn ReadAt,
    /// Where the file ends and the zeros begin, in bytes.
    pub(super) size: u64,
    /// How many zeros follow.
    pub(super) padding: u64,
}

impl ReadAt for PaddedFile<'_> {
    fn len(&self) -> io::Result<u64> {
        // A file that has shrunk must not look whole.
        let size = self.file.len()?;
        Ok(if size < self.size { size } else { size.max(self.size + self.padding) })
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        if self.padding == 0 {
            return self.file.read_at(buf, offset);
        }
        let before = self.size.saturating_sub(offset);
        if before > 0 {
            let wanted = to_len(before.min(to_u64(buf.len())));
            return self.file.read_at(&mut buf[..wanted], offset);
        }
        let zeros = (self.size + self.padding).saturating_sub(offset);
        let wanted = to_len(zeros.min(to_u64(buf.len())));
        buf[..wanted].fill(0);
        Ok(wanted)
    }

    fn extent_at(&self, offset: u64) -> Extent {
        match self.file.extent_at(offset) {
            // The zeros take no storage either.
            Extent::Hole { end } if self.padding > 0 && end >= self.size => {
                Extent::Hole { end: self.size + self.padding }
            }
            extent => extent,
        }
    }

    fn expect_sequential(&self) {
        self.file.expect_sequential();
    }

    fn mapping(&self) -> Option<Mapping> {
        self.file.mapping()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_follow_the_file_and_nothing_follows_them() {
        let file = tempfile::tempfile().unwrap();
        verity::io::WriteAt::write_all_at(&file, &[7; 5000], 0).unwrap();
        let padded = PaddedFile { file: &file, size: 5000, padding: 3192 };
        assert_eq!(ReadAt::len(&padded).unwrap(), 8192);
        let mut all = vec![1; 8192];
        padded.read_exact_at(&mut all, 0).unwrap();
        assert_eq!((&all[..5000], &all[5000..]), (&[7; 5000][..], &[0; 3192][..]));
        assert_eq!(padded.read_at(&mut [1; 10], 8190).unwrap(), 2);
        assert_eq!(padded.read_at(&mut [1; 10], 8192).unwrap(), 0);
        file.set_len(4000).unwrap();
        assert_eq!(ReadAt::len(&padded).unwrap(), 4000);
        assert!(padded.read_exact_at(&mut [0; 10], 3995).is_err());
    }

    #[test]
    fn whole_blocks_miss_nothing() {
        let block = BlockSize::new(512).unwrap();
        let sizes = [0, 1, 511, 512, 513, u64::MAX].map(|size| missing(size, block));
        assert_eq!(sizes, [0, 511, 1, 0, 511, 1]);
    }
}
