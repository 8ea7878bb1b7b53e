//! A hash device on which recovered hash blocks lie in place of the corrupt ones.

use std::collections::BTreeMap;
use std::io;
use std::sync::RwLock;

use crate::io::ReadAt;
use crate::lock::unpoisoned;

/// Reads through to the hash device where no recovered hash block lies.
pub(super) struct Overlay<'a, H: ?Sized> {
    hash: &'a H,
    /// By where they begin on the hash device, in bytes.
    blocks: RwLock<BTreeMap<u64, Box<[u8]>>>,
}

impl<'a, H: ReadAt + ?Sized> Overlay<'a, H> {
    pub(super) fn new(hash: &'a H) -> Overlay<'a, H> {
        Overlay { hash, blocks: RwLock::default() }
    }

    /// Keeps a recovered hash block.
    pub(super) fn insert(&self, offset: u64, bytes: &[u8]) {
        unpoisoned(self.blocks.write()).insert(offset, bytes.into());
    }
}

impl<H: ReadAt + ?Sized> ReadAt for Overlay<'_, H> {
    fn len(&self) -> io::Result<u64> {
        self.hash.len()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let len = {
            let blocks = unpoisoned(self.blocks.read());
            if let Some((start, bytes)) = blocks.range(..=offset).next_back()
                && let Ok(skip) = usize::try_from(offset - start)
                && let Some(bytes) = bytes.get(skip..).filter(|bytes| <[u8]>::len(bytes) > 0)
            {
                let size = buf.len().min(<[u8]>::len(bytes));
                buf[..size].copy_from_slice(&bytes[..size]);
                return Ok(size);
            }
            let next = blocks.range(offset..).next();
            next.and_then(|(start, _)| usize::try_from(start - offset).ok())
        };
        let len = len.unwrap_or(usize::MAX).min(buf.len());
        self.hash.read_at(&mut buf[..len], offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovered_blocks_hide_what_lies_under_them() {
        let below: Vec<u8> = (0..100).collect();
        let overlay = Overlay::new(&below);
        assert_eq!(ReadAt::len(&overlay).unwrap(), 100);
        overlay.insert(20, &[0xaa; 10]);
        overlay.insert(30, &[0xbb; 10]);
        overlay.insert(90, &[0xcc; 10]);
        let mut model = below.clone();
        model[20..30].fill(0xaa);
        model[30..40].fill(0xbb);
        model[90..].fill(0xcc);
        for start in 0..100 {
            for end in start..=100 {
                let mut bytes = vec![0; end - start];
                overlay.read_exact_at(&mut bytes, u64::try_from(start).unwrap()).unwrap();
                assert_eq!(bytes, model[start..end]);
            }
        }
        assert!(overlay.read_exact_at(&mut [0; 11], 90).is_err());
    }
}
