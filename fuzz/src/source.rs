//! Storage with blocks that cannot be read.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use verity::internals::to_u64;
use verity::io::ReadAt;

use crate::number::index;

/// Bytes in blocks, and which of the blocks cannot be read.
#[derive(Debug)]
pub(crate) struct Source<B> {
    bytes: B,
    block_size: u32,
    bad: Vec<bool>,
    asked: AtomicU64,
}

impl<B: AsRef<[u8]>> Source<B> {
    /// Storage in which a block is bad if `bad` says so; blocks beyond the end of `bad` are good.
    pub(crate) fn new(bytes: B, block_size: u32, bad: Vec<bool>) -> Source<B> {
        Source { bytes, block_size, bad, asked: AtomicU64::new(0) }
    }

    /// How many bytes there are.
    pub(crate) fn size(&self) -> u64 {
        to_u64(self.bytes.as_ref().len())
    }

    /// How many bytes were asked for so far.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

impl<B: AsRef<[u8]> + Send + Sync> ReadAt for Source<B> {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(self.bytes.as_ref())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.asked.fetch_add(to_u64(buf.len()), Ordering::Relaxed);
        let (start, block_size) = (index(offset), index(self.block_size));
        let touched = start / block_size..(start + buf.len()).div_ceil(block_size);
        let mut bad = self.bad.iter().take(touched.end).skip(touched.start);
        match bad.any(|bad| *bad) {
            true => Err(io::Error::from_raw_os_error(5)),
            false => self.bytes.as_ref().read_at(buf, offset),
        }
    }
}
