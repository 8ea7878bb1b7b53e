//! Storage that counts, lies, stutters and fails.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::ops::{ControlFlow, Range};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use verity::Progress;
use verity::io::{Extent, ReadAt, WriteAt};

/// Counts how often each byte is read.
pub(crate) struct Counting<'a> {
    bytes: &'a [u8],
    reads: Mutex<Vec<u8>>,
}

impl<'a> Counting<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Counting<'a> {
        Counting { bytes, reads: Mutex::new(vec![0; bytes.len()]) }
    }

    /// Every byte of `once` was read exactly once, and none elsewhere.
    #[track_caller]
    pub(crate) fn assert_once(&self, once: Range<usize>) {
        for (index, reads) in self.reads.lock().expect("no panic").iter().enumerate() {
            assert_eq!(*reads, u8::from(once.contains(&index)), "byte {index}");
        }
    }
}

/// Has holes, says so, and counts how often each byte is read.
pub(crate) struct Sparse<'a> {
    pub(crate) bytes: Counting<'a>,
    /// In ascending order, none touching the next.
    pub(crate) holes: Vec<Range<u64>>,
}

impl<'a> Sparse<'a> {
    pub(crate) fn new(bytes: &'a [u8], holes: Vec<Range<u64>>) -> Sparse<'a> {
        Sparse { bytes: Counting::new(bytes), holes }
    }

    /// Every byte was read exactly once, but for those of blocks that lie in a hole.
    #[track_caller]
    pub(crate) fn assert_holes_unread(&self, block_size: usize) {
        let reads = self.bytes.reads.lock().expect("no panic");
        for (block, reads) in reads.chunks(block_size).enumerate() {
            let start = (block * block_size) as u64;
            let end = start + block_size as u64;
            let hole = self.holes.iter().any(|hole| hole.start <= start && end <= hole.end);
            assert!(reads.iter().all(|reads| *reads == u8::from(!hole)), "block {block}");
        }
    }
}

impl ReadAt for Sparse<'_> {
    fn len(&self) -> io::Result<u64> {
        self.bytes.len()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.bytes.read_at(buf, offset)
    }

    fn extent_at(&self, offset: u64) -> Extent {
        let next = self.holes.iter().find(|hole| offset < hole.end);
        match next {
            None => Extent::ALL_DATA,
            Some(hole) if hole.start <= offset => Extent::Hole { end: hole.end },
            Some(hole) => Extent::Data { end: hole.start },
        }
    }
}

impl ReadAt for Counting<'_> {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(self.bytes)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let size = self.bytes.read_at(buf, offset)?;
        let start = usize::try_from(offset).expect("in memory");
        self.reads.lock().expect("no panic")[start..start + size].iter_mut().for_each(|n| *n += 1);
        Ok(size)
    }
}

/// Two versions of the same bytes: what a block says when it is read depends on how often it was
/// read before. Remembers whether any bad byte was ever handed out.
pub(crate) struct TwoFaced<'a> {
    pub(crate) good: &'a [u8],
    pub(crate) bad: &'a [u8],
    pub(crate) block_size: usize,
    /// By block: for each read the version that is handed out, true for bad; the last one for all
    /// later ones.
    pub(crate) schedule: HashMap<usize, Vec<bool>>,
    reads: Mutex<HashMap<usize, usize>>,
    lied: AtomicBool,
}

impl<'a> TwoFaced<'a> {
    pub(crate) fn new(
        good: &'a [u8],
        bad: &'a [u8],
        block_size: usize,
        schedule: HashMap<usize, Vec<bool>>,
    ) -> TwoFaced<'a> {
        let (reads, lied) = (Mutex::default(), AtomicBool::new(false));
        TwoFaced { good, bad, block_size, schedule, reads, lied }
    }

    pub(crate) fn lied(&self) -> bool {
        self.lied.load(Ordering::SeqCst)
    }
}

impl ReadAt for TwoFaced<'_> {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(self.good)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let size = self.good.read_at(buf, offset)?;
        let start = usize::try_from(offset).expect("in memory");
        let mut reads = self.reads.lock().expect("no panic");
        for block in start / self.block_size..(start + size).div_ceil(self.block_size) {
            let count = reads.entry(block).or_insert(0);
            let Some(schedule) = self.schedule.get(&block) else { continue };
            let bad = schedule[(*count).min(schedule.len() - 1)];
            *count += 1;
            let from = (block * self.block_size).max(start);
            let to = ((block + 1) * self.block_size).min(start + size);
            if bad && self.good[from..to] != self.bad[from..to] {
                self.lied.store(true, Ordering::SeqCst);
                buf[from - start..to - start].copy_from_slice(&self.bad[from..to]);
            }
        }
        Ok(size)
    }
}

/// What goes wrong with one read or write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// An I/O error.
    Error,
    /// One byte less than there is, but at least one.
    Short,
    /// Nothing, as if the storage ended here.
    End,
    /// A signal came.
    Interrupted,
    /// Nothing there yet.
    WouldBlock,
    /// The buffer keeps what it held, and is said to be full.
    Stale,
    /// The bytes of the place 512 bytes further (or before, at the end).
    OtherPlace,
    /// More bytes than the buffer has room for.
    TooMany,
}

/// In-memory storage with one fault, at call number `at`; gives `most` bytes a call at the most.
pub(crate) struct Faulty<'a> {
    bytes: &'a [u8],
    most: usize,
    at: usize,
    fault: Fault,
    calls: AtomicUsize,
}

impl<'a> Faulty<'a> {
    pub(crate) fn new(bytes: &'a [u8], most: usize, at: usize, fault: Fault) -> Faulty<'a> {
        Faulty { bytes, most, at, fault, calls: AtomicUsize::new(0) }
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl ReadAt for Faulty<'_> {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(self.bytes)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let room = buf.len().min(self.most);
        let buf = &mut buf[..room];
        if self.calls.fetch_add(1, Ordering::SeqCst) != self.at {
            return self.bytes.read_at(buf, offset);
        }
        match self.fault {
            Fault::Error => Err(io::Error::from_raw_os_error(5)),
            Fault::Interrupted => Err(ErrorKind::Interrupted.into()),
            Fault::WouldBlock => Err(ErrorKind::WouldBlock.into()),
            Fault::End => Ok(0),
            Fault::Short => {
                let less = room.saturating_sub(1).max(1);
                self.bytes.read_at(&mut buf[..less], offset)
            }
            Fault::Stale => Ok(room),
            Fault::TooMany => Ok(usize::MAX),
            Fault::OtherPlace => {
                let end = offset + u64::try_from(room).expect("a length");
                let there = end + 512 <= self.len()?;
                self.bytes.read_at(buf, if there { offset + 512 } else { offset - 512 })
            }
        }
    }
}

/// A hash device whose write number `at` goes wrong; takes `most` bytes a call at the most.
pub(crate) struct FaultyTarget {
    pub(crate) bytes: Mutex<Vec<u8>>,
    most: usize,
    at: usize,
    fault: Fault,
    calls: AtomicUsize,
}

impl FaultyTarget {
    pub(crate) fn new(most: usize, at: usize, fault: Fault) -> FaultyTarget {
        FaultyTarget { bytes: Mutex::default(), most, at, fault, calls: AtomicUsize::new(0) }
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl WriteAt for FaultyTarget {
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let room = buf.len().min(self.most);
        let fault = match self.calls.fetch_add(1, Ordering::SeqCst) == self.at {
            true => Some(self.fault),
            false => None,
        };
        match fault {
            Some(Fault::Error) => Err(io::Error::from_raw_os_error(28)),
            Some(Fault::Interrupted) => Err(ErrorKind::Interrupted.into()),
            Some(Fault::End) => Ok(0),
            Some(Fault::TooMany) => Ok(buf.len() + 1),
            Some(Fault::Short) => {
                self.bytes.write_at(&buf[..room.saturating_sub(1).max(1)], offset)
            }
            _ => self.bytes.write_at(&buf[..room], offset),
        }
    }

    fn resize(&self, len: u64) -> io::Result<()> {
        self.bytes.resize(len)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Fails every write that touches a byte of `broken`.
pub(crate) struct BadTarget {
    pub(crate) bytes: Mutex<Vec<u8>>,
    pub(crate) broken: Range<u64>,
}

impl WriteAt for BadTarget {
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let end = offset + u64::try_from(buf.len()).expect("a length");
        if offset < self.broken.end && self.broken.start < end {
            return Err(io::Error::from_raw_os_error(5));
        }
        self.bytes.write_at(buf, offset)
    }

    fn resize(&self, len: u64) -> io::Result<()> {
        self.bytes.resize(len)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Fails every read that touches a byte of `broken`, after giving what lies before it; like a bad
/// sector.
pub(crate) struct BadSector<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) broken: Vec<Range<u64>>,
    /// The failure of this one comes after the others.
    pub(crate) slow: usize,
    /// How many reads have failed, or are about to.
    pub(crate) failing: AtomicUsize,
}

impl BadSector<'_> {
    /// Waits for the other failures, so that several threads meet theirs at once; but not for long,
    /// because a thread that would read another place may not have begun.
    fn wait(&self, offset: u64) {
        self.failing.fetch_add(1, Ordering::SeqCst);
        for _ in 0..20 {
            if self.failing.load(Ordering::SeqCst) >= self.broken.len() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        if self.broken[self.slow % self.broken.len()].contains(&offset) {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl ReadAt for BadSector<'_> {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(self.bytes)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let end = offset + u64::try_from(buf.len()).expect("a length");
        let touched = self.broken.iter().filter(|range| range.start < end && offset < range.end);
        let Some(first) = touched.map(|range| range.start.max(offset)).min() else {
            return self.bytes.read_at(buf, offset);
        };
        let before = usize::try_from(first - offset).expect("within the buffer");
        match before {
            0 => {
                self.wait(offset);
                Err(io::Error::from_raw_os_error(5))
            }
            _ => self.bytes.read_at(&mut buf[..before], offset),
        }
    }
}

/// Computed bytes: data block `n` holds its number modulo `period` and zeros.
pub(crate) struct Synthetic {
    pub(crate) len: u64,
    pub(crate) block_size: u64,
    pub(crate) period: u64,
}

impl Synthetic {
    /// The contents of a block.
    pub(crate) fn block(&self, number: u64) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(self.block_size).expect("a block size")];
        bytes[..8].copy_from_slice(&(number % self.period).to_le_bytes());
        bytes
    }
}

impl ReadAt for Synthetic {
    fn len(&self) -> io::Result<u64> {
        Ok(self.len)
    }

    /// Whole blocks only, which is how builder and verifier read.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        assert_eq!(offset % self.block_size, 0, "whole blocks");
        let size = usize::try_from(self.block_size).expect("a block size");
        buf.fill(0);
        for (number, block) in (offset / self.block_size..).zip(buf.chunks_exact_mut(size)) {
            block[..8].copy_from_slice(&(number % self.period).to_le_bytes());
        }
        Ok(buf.len())
    }
}

/// Counts calls and bytes, and cancels at call number `cancel_at`.
pub(crate) struct Meter {
    pub(crate) cancel_at: u64,
    pub(crate) calls: AtomicU64,
    pub(crate) bytes: AtomicU64,
}

impl Meter {
    pub(crate) fn new(cancel_at: u64) -> Meter {
        Meter { cancel_at, calls: AtomicU64::new(0), bytes: AtomicU64::new(0) }
    }
}

impl Progress for Meter {
    fn advance(&self, bytes: u64) -> ControlFlow<()> {
        self.bytes.fetch_add(bytes, Ordering::SeqCst);
        match self.calls.fetch_add(1, Ordering::SeqCst) >= self.cancel_at {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}
