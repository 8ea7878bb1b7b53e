//! Bytes in memory.

use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, RwLock};

use crate::lock::unpoisoned;

use super::{Mapping, ReadAt, WriteAt};

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

    fn mapping(&self) -> Option<Mapping> {
        Some(Mapping::of_memory(self))
    }
}

impl ReadAt for Vec<u8> {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(self.as_slice())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.as_slice().read_at(buf, offset)
    }

    fn mapping(&self) -> Option<Mapping> {
        self.as_slice().mapping()
    }
}

impl<const N: usize> ReadAt for [u8; N] {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(self.as_slice())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.as_slice().read_at(buf, offset)
    }
}

/// A file in memory, which grows as it is written. Its clones are the same file, as handles of one
/// are, so it can be hash and FEC device at once.
///
/// ```
/// use verity::io::MemoryFile;
/// use verity::{Builder, Params, Plan};
///
/// let image = vec![0x5a; 1 << 20];
/// let plan = Plan::for_image(Params::builder(), 1 << 20, false)?.with_fec(2)?;
/// let (hash_area, fec_area) = (plan.hash_area(), plan.fec_area().unwrap());
/// let file = MemoryFile::new();
/// Builder::new(plan.params()).build_with_fec(&image, &file, &hash_area, &file, &fec_area)?;
/// assert_eq!(file.to_bytes().len() as u64, plan.end());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemoryFile(Arc<RwLock<Vec<u8>>>);

impl MemoryFile {
    /// An empty file.
    pub fn new() -> MemoryFile {
        MemoryFile::default()
    }

    /// A copy of its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        unpoisoned(self.0.read()).clone()
    }

    /// Its bytes, copied only if there are other clones of the file.
    pub fn into_bytes(self) -> Vec<u8> {
        match Arc::try_unwrap(self.0) {
            Ok(only) => unpoisoned(only.into_inner()),
            Err(shared) => unpoisoned(shared.read()).clone(),
        }
    }
}

impl From<Vec<u8>> for MemoryFile {
    fn from(bytes: Vec<u8>) -> MemoryFile {
        MemoryFile(Arc::new(RwLock::new(bytes)))
    }
}

impl ReadAt for MemoryFile {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(&*unpoisoned(self.0.read()))
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        unpoisoned(self.0.read()).read_at(buf, offset)
    }
}

impl WriteAt for MemoryFile {
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let mut bytes = unpoisoned(self.0.write());
        write_into(&mut bytes, buf, offset)
    }

    fn resize(&self, len: u64) -> io::Result<()> {
        let mut bytes = unpoisoned(self.0.write());
        resize_vector(&mut bytes, len)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
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
        write_into(&mut bytes, buf, offset)
    }

    fn resize(&self, len: u64) -> io::Result<()> {
        let mut bytes = unpoisoned(self.lock());
        resize_vector(&mut bytes, len)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

fn write_into(bytes: &mut Vec<u8>, buf: &[u8], offset: u64) -> io::Result<usize> {
    let start = usize::try_from(offset).map_err(|_| ErrorKind::FileTooLarge)?;
    let end = start.checked_add(buf.len()).ok_or(ErrorKind::FileTooLarge)?;
    grow(bytes, end)?;
    bytes[start..end].copy_from_slice(buf);
    Ok(buf.len())
}

fn resize_vector(bytes: &mut Vec<u8>, len: u64) -> io::Result<()> {
    let len = usize::try_from(len).map_err(|_| ErrorKind::FileTooLarge)?;
    grow(bytes, len)?;
    bytes.truncate(len);
    Ok(())
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
    fn vectors_and_files_in_memory_grow_and_shrink() {
        let (vector, file) = (Mutex::new(Vec::new()), MemoryFile::new());
        for target in [&vector as &dyn WriteAt, &file.clone()] {
            target.write_all_at(b"abc", 2).unwrap();
            target.resize(7).unwrap();
            target.sync().unwrap();
            assert!(target.write_all_at(b"abc", u64::MAX).is_err());
        }
        for source in [&vector as &dyn ReadAt, &file] {
            let mut bytes = [0xff; 7];
            source.read_exact_at(&mut bytes, 0).unwrap();
            assert_eq!((&bytes, source.len().unwrap()), (b"\0\0abc\0\0", 7));
        }
        vector.resize(3).unwrap();
        assert_eq!(vector.lock().unwrap().as_slice(), b"\0\0a");
    }

    #[test]
    fn clones_of_a_file_in_memory_are_one_file() {
        let file = MemoryFile::from(b"abc".to_vec());
        let other = file.clone();
        other.write_all_at(b"X", 1).unwrap();
        assert_eq!((file.to_bytes(), file.into_bytes()), (b"aXc".to_vec(), b"aXc".to_vec()));
        assert_eq!(other.into_bytes(), b"aXc");
        assert_eq!(ReadAt::len(&[0_u8; 5]).unwrap(), 5);
    }
}
