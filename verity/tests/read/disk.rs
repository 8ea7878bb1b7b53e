//! A source in memory with bad blocks, short reads and a bad day now and then.

use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicU64, Ordering};

use verity::io::ReadAt;
use verity_testdata::pattern::Prng;

/// Bytes in memory, read as badly as storage is.
pub(crate) struct Disk {
    pub(crate) bytes: Vec<u8>,
    /// Where its blocks begin, in bytes.
    pub(crate) start: usize,
    pub(crate) block_size: usize,
    /// By block: whether every read of it fails.
    pub(crate) broken: Vec<bool>,
    /// The most bytes that one call gives.
    pub(crate) most: usize,
    /// One in so many calls is interrupted; none if 0.
    pub(crate) interrupts: u64,
    pub(crate) flaky: Option<Flaky>,
    pub(crate) calls: AtomicU64,
}

/// Faults that come and go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flaky {
    pub(crate) seed: u64,
    /// One in so many calls goes wrong.
    pub(crate) one_in: u64,
    /// Whether other bytes may be given, and not only errors.
    pub(crate) lies: bool,
}

impl Disk {
    fn flaky(
        &self,
        flaky: Flaky,
        call: u64,
        buf: &mut [u8],
        offset: u64,
    ) -> Option<io::Result<usize>> {
        let mut prng = Prng::new(flaky.seed ^ call.wrapping_mul(0x9e37_79b9));
        if !prng.one_in(flaky.one_in) {
            return None;
        }
        Some(match prng.below(if flaky.lies { 8 } else { 4 }) {
            0 => Err(io::Error::from_raw_os_error(5)),
            1 => Ok(0),
            2 => Err(ErrorKind::WouldBlock.into()),
            3 => Ok(usize::MAX),
            4 => Ok(buf.len()),
            5 => {
                prng.fill(buf);
                Ok(buf.len())
            }
            6 => self.bytes.read_at(buf, (offset + 512) % self.bytes.len() as u64),
            _ => match self.bytes.read_at(buf, offset) {
                Ok(size) if size > 0 => {
                    let index = usize::try_from(prng.below(size as u64)).expect("in memory");
                    buf[index] ^= 1 << prng.below(8);
                    Ok(size)
                }
                other => other,
            },
        })
    }

    /// How many bytes from `offset` on lie before a broken block.
    fn before_broken(&self, offset: usize, len: usize) -> usize {
        let first = offset.saturating_sub(self.start) / self.block_size;
        let broken = (first..self.broken.len())
            .take_while(|block| self.start + block * self.block_size < offset + len)
            .find(|block| self.broken[*block]);
        match broken {
            Some(block) => (self.start + block * self.block_size).saturating_sub(offset),
            None => len,
        }
    }
}

impl ReadAt for Disk {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(&self.bytes)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        if self.interrupts > 0 && call.is_multiple_of(self.interrupts) {
            return Err(ErrorKind::Interrupted.into());
        }
        let room = buf.len().min(self.most);
        let buf = &mut buf[..room];
        if let Some(flaky) = self.flaky
            && let Some(result) = self.flaky(flaky, call, buf, offset)
        {
            return result;
        }
        let before = self.before_broken(usize::try_from(offset).expect("in memory"), room);
        if before == 0 && room > 0 {
            return Err(io::Error::from_raw_os_error(5));
        }
        self.bytes.read_at(&mut buf[..before], offset)
    }
}
