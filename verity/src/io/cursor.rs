//! A position in a source, for code that wants `Read` and `Seek`.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

use super::ReadAt;
use super::read_at::advance;

/// A source with a position: [`Read`] and [`Seek`] over any [`ReadAt`].
///
/// It buffers nothing. Over a [`VerifiedReader`](crate::VerifiedReader) each call hashes every
/// block it touches, so put a [`BufReader`](std::io::BufReader) around it where reads are small.
///
/// ```
/// use std::io::{Read, Seek, SeekFrom};
/// use verity::io::Cursor;
///
/// let mut cursor = Cursor::new(b"0123456789".to_vec());
/// let mut text = String::new();
/// cursor.seek(SeekFrom::End(-3))?;
/// cursor.read_to_string(&mut text)?;
/// assert_eq!(text, "789");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Cursor<R> {
    source: R,
    position: u64,
}

impl<R: ReadAt> Cursor<R> {
    /// Begins at the start of the source.
    pub fn new(source: R) -> Cursor<R> {
        Cursor { source, position: 0 }
    }

    /// The source.
    pub fn source(&self) -> &R {
        &self.source
    }

    /// Gives the source back.
    pub fn into_source(self) -> R {
        self.source
    }
}

impl<R: ReadAt> Read for Cursor<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let size = self.source.read_at(buf, self.position)?;
        // A source that claims more than it was given room for is not believed.
        if size > buf.len() {
            return Err(ErrorKind::InvalidData.into());
        }
        self.position = advance(self.position, size)?;
        Ok(size)
    }
}

/// Positions behind the end are allowed, as with files; there is nothing to read there.
impl<R: ReadAt> Seek for Cursor<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (from, by) = match to {
            SeekFrom::Start(position) => (position, 0),
            SeekFrom::Current(by) => (self.position, by),
            SeekFrom::End(by) => (self.source.len()?, by),
        };
        let position = from.checked_add_signed(by);
        self.position = position.ok_or_else(|| {
            io::Error::new(ErrorKind::InvalidInput, "seek to a position that no source has")
        })?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d04_positions_are_those_of_a_file() {
        let bytes: Vec<u8> = (0..100).collect();
        let mut cursor = Cursor::new(bytes.clone());
        let mut peer = std::io::Cursor::new(bytes);
        for to in [
            SeekFrom::Start(7),
            SeekFrom::Current(3),
            SeekFrom::Current(-10),
            SeekFrom::Current(-1),
            SeekFrom::End(0),
            SeekFrom::End(-100),
            SeekFrom::End(-101),
            SeekFrom::Start(1000),
            SeekFrom::Current(i64::MIN),
            SeekFrom::Start(u64::MAX),
            SeekFrom::Current(1),
            SeekFrom::End(i64::MAX),
            SeekFrom::Start(95),
        ] {
            assert_eq!(cursor.seek(to).ok(), peer.seek(to).ok(), "{to:?}");
            let (mut ours, mut theirs) = ([0xaa; 10], [0xaa; 10]);
            assert_eq!(cursor.read(&mut ours).ok(), peer.read(&mut theirs).ok(), "{to:?}");
            assert_eq!(ours, theirs, "{to:?}");
        }
    }
}
