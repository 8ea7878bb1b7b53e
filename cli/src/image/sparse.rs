//! Files that get holes where the source of their bytes has holes.

use std::fs::File;
use std::io;
use std::ops::Range;

use verity::internals::{to_len, to_u64};
use verity::io::{Extent, ReadAt, WriteAt};

/// What is written or left out as a whole, in bytes: what file systems make holes of.
const GRAIN: u64 = 4096;

/// Writes bytes at `offset` to a file that is zero, or has no bytes yet, where the source has
/// holes. They belong to `place` of that source; what lies in a hole there, and really is zero, is
/// left out.
///
/// The source only decides what takes storage. The file has the bytes, whatever the source says.
pub(crate) fn write_sparse(
    file: &File,
    bytes: &[u8],
    offset: u64,
    (source, place): (&dyn ReadAt, u64),
) -> io::Result<()> {
    let mut holes = Holes { source, known: 0..0 };
    // The bytes before are written or left out.
    let (mut written, mut at) = (0, 0);
    while at < bytes.len() {
        let start = offset + to_u64(at);
        let end = bytes.len().min(at + to_len(GRAIN - start % GRAIN));
        let lies_at = place + to_u64(at)..place + to_u64(end);
        if is_zero(&bytes[at..end]) && holes.has(&lies_at) {
            file.write_all_at(&bytes[written..at], offset + to_u64(written))?;
            written = end;
        }
        at = end;
    }
    file.write_all_at(&bytes[written..], offset + to_u64(written))
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// What was last heard of the holes of a source.
struct Holes<'a> {
    source: &'a dyn ReadAt,
    known: Range<u64>,
}

impl Holes<'_> {
    /// Whether all of these bytes lie in one hole.
    fn has(&mut self, bytes: &Range<u64>) -> bool {
        if !self.known.contains(&bytes.start) {
            self.known = match self.source.extent_at(bytes.start) {
                Extent::Hole { end } => bytes.start..end,
                Extent::Data { .. } | Extent::Zero { .. } => 0..0,
            };
        }
        self.known.start <= bytes.start && bytes.end <= self.known.end
    }
}
