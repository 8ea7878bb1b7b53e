//! Bytes in memory.

use std::io::{self, ErrorKind};
use std::sync::Mutex;

use crate::lock::unpoisoned;

use super::{ReadAt, WriteAt};

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
        ReadAt::len(&*unpoisoned(self.lock()))
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        unpoisoned(self.lock()).read_at(buf, offset)
    }
}

/// A hash area in memory. Grows as it is written.
impl WriteAt for Mutex<Vec<u8>> {
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let mut bytes = unpoisoned(self.lock());
        let start = usize::try_from(offset).map_err(|_| ErrorKind::FileTooLarge)?;
        let end = start.checked_add(buf.len()).ok_or(ErrorKind::FileTooLarge)?;
        grow(&mut bytes, end)?;
        bytes[start..end].copy_from_slice(buf);
        Ok(buf.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut bytes = unpoisoned(self.lock());
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
