//! Where data, tree or parity are.

use std::ops::Range;
use std::path::PathBuf;

/// A block device, a regular file, or a part of a file, such as a partition in a disk image.
///
/// ```
/// use verity_dm::Place;
///
/// let whole = Place::from("root.img");
/// let part = Place::part_of("disk.raw", 1 << 20..65 << 20);
/// assert_ne!(whole, part);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub(crate) path: PathBuf,
    pub(crate) part: Option<Range<u64>>,
}

impl Place {
    /// These bytes of a regular file: not a whole number of sectors of 512 bytes, or a range that
    /// is empty or ends behind the file, is refused when the device is opened. A part of a block
    /// device is a device of its own, which is named by its node.
    pub fn part_of(path: impl Into<PathBuf>, range: Range<u64>) -> Place {
        Place { path: path.into(), part: Some(range) }
    }

    /// Where a loop device begins in the file, and how much it shows at most, 0 for all.
    pub(crate) fn limits(&self) -> (u64, u64) {
        self.part.as_ref().map_or((0, 0), |part| (part.start, part.end.saturating_sub(part.start)))
    }

    /// The bytes of a file of this size that count; nothing if they cannot be shown by a loop
    /// device.
    pub(crate) fn within(&self, size: u64) -> Option<Range<u64>> {
        let Some(part) = &self.part else { return Some(0..size) };
        let is_whole = |edge: u64| edge.is_multiple_of(512);
        let fits = part.start < part.end && part.end <= size;
        (fits && is_whole(part.start) && is_whole(part.end)).then(|| part.clone())
    }
}

impl<P: Into<PathBuf>> From<P> for Place {
    fn from(path: P) -> Place {
        Place { path: path.into(), part: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_of_whole_sectors_within_the_file() {
        let within = |range| Place::part_of("x", range).within(8192);
        assert_eq!(within(512..8192), Some(512..8192));
        for range in [0..0, 512..8704, 1..512, 0..511, Range { start: 1024, end: 512 }] {
            assert_eq!(within(range.clone()), None, "{range:?}");
        }
        assert_eq!(Place::from("x").within(100), Some(0..100));
    }
}
