//! A mapping of a file that is never read.
//!
//! While a run is hashed, memory is idle; while the next run is copied out of the page cache, the
//! CPU waits for memory. A prefetch of the page cache while hashing takes that wait away, and only
//! through a mapping can a program name those bytes. The mapping is for that alone: no reference
//! into it is ever formed and no byte read. What is hashed and handed out is a private copy, read
//! as it would be without.
//!
//! A prefetch never faults. Pages that are gone because somebody cut the file off, or because the
//! system needed the memory, are skipped, and so is what was never populated. Populating is a
//! system call that says so where a touch would have been a signal (`MADV_POPULATE_READ`, Linux
//! 5.14).
//!
//! It has its price, which depends on how the file came into the page cache: populating and
//! dropping take 0.006 ns a byte on Intel (family 6 model 207) where the system read it from a
//! disk, in large folios, and up to 0.08 where a program wrote it in small pieces; the fetch gains
//! 0.09. In a virtual machine on Zen 3 it took 0.13 of such a file, where the fetch gains 0.10. So
//! it is timed some times, and goes on only where the system is quick. Populated pages count as
//! memory of the process, although they are the page cache's: few of them are kept (`pieces`),
//! whatever the length of the file.
//!
//! Of a source that is memory itself nothing is mapped; its addresses are told as they are.

mod pieces;

use std::fs::File;
use std::io::IoSliceMut;
use std::ptr;
use std::time::{Duration, Instant};

use rustix::io::{Errno, ReadWriteFlags, preadv2};
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap};
use rustix::process::{Resource, getrlimit};

use super::ahead::Ahead;

use self::pieces::{PIECE, Pieces, Step};

/// A source's bytes in the address space, to be prefetched and never read; see
/// [`ReadAt::mapping`](super::ReadAt::mapping).
#[derive(Debug)]
pub struct Mapping(Place);

/// Where the bytes are.
#[derive(Debug)]
enum Place {
    File(MappedFile),
    /// The source is memory itself: nothing is mapped, and nothing populated.
    Memory(Ahead),
}

impl Mapping {
    /// Maps a regular file as far as it goes now. `None` where that cannot be done, for whichever
    /// reason: everything works without, slower.
    pub(super) fn of(file: &File) -> Option<Mapping> {
        MappedFile::new(file).map(|mapped| Mapping(Place::File(mapped)))
    }

    /// Of bytes that are in memory anyway. Should they be gone one day, a prefetch does nothing.
    pub(super) fn of_memory(bytes: &[u8]) -> Mapping {
        Mapping(Place::Memory(Ahead::copied(bytes.as_ptr().addr(), bytes.len())))
    }

    /// The addresses of `len` bytes from `offset` on, which will be read soon, as far as the
    /// mapping goes; nowhere if they are not populated.
    pub(crate) fn ahead(&self, offset: u64, len: usize) -> Ahead {
        let Ok(offset) = usize::try_from(offset) else { return Ahead::NOWHERE };
        match &self.0 {
            Place::File(file) => file.ahead(offset, len),
            Place::Memory(bytes) => bytes.part(offset, len),
        }
    }
}

/// A file in the address space.
#[derive(Debug)]
struct MappedFile {
    file: File,
    start: usize,
    len: usize,
    pieces: Pieces,
}

/// A system is quick that populates a piece in this time: 12 GB/s. The first ones of a process take
/// longer than those that follow: 33 to 42 microseconds on Intel, then 22; on Zen 3, 67 and more.
const QUICK: Duration = Duration::from_micros(45);

impl MappedFile {
    fn new(file: &File) -> Option<MappedFile> {
        let metadata = file.metadata().ok()?;
        // On 32 bits addresses are scarce, and under a limit they may be missed elsewhere.
        let is_scarce =
            cfg!(not(target_pointer_width = "64")) || getrlimit(Resource::As).current.is_some();
        if !metadata.is_file() || is_scarce {
            return None;
        }
        let len = usize::try_from(metadata.len()).ok().filter(|len| *len > 0)?;
        let file = file.try_clone().ok()?;
        // SAFETY: a new mapping, at a place that the system chooses, touches nothing that is there.
        let start = unsafe {
            mmap(ptr::null_mut(), len, ProtFlags::READ, MapFlags::PRIVATE, &file, 0).ok()?
        };
        Some(MappedFile { file, start: start.addr(), len, pieces: Pieces::default() })
    }

    fn ahead(&self, offset: usize, len: usize) -> Ahead {
        let part = Ahead::copied(self.start, self.len).part(offset, len);
        if part.is_empty() {
            return Ahead::NOWHERE;
        }
        let last = (offset + part.len() - 1) / PIECE;
        match (offset / PIECE..=last).all(|piece| self.is_populated(piece)) {
            true => part,
            false => Ahead::NOWHERE,
        }
    }

    /// Whether a piece is populated, now if not before.
    fn is_populated(&self, piece: usize) -> bool {
        match self.pieces.pass(piece) {
            Step::Leave => false,
            Step::Use => true,
            Step::Populate { instead_of } => {
                if let Some(old) = instead_of {
                    let _ = self.advise(old, Advice::LinuxDontNeed);
                }
                self.populate(piece)
            }
        }
    }

    /// Populates a piece, unless it is not in the page cache: it would be read now, and waited for.
    fn populate(&self, piece: usize) -> bool {
        if !self.is_resident(piece) {
            self.pieces.forget(piece);
            return false;
        }
        let before = Instant::now();
        let done = self.advise(piece, Advice::LinuxPopulateRead);
        self.pieces.tried(done != Err(Errno::INVAL), before.elapsed() <= QUICK);
        match done {
            Ok(()) => self.pieces.keep(piece),
            Err(_) => {
                // As far as it came.
                let _ = self.advise(piece, Advice::LinuxDontNeed);
                self.pieces.forget(piece);
            }
        }
        done.is_ok()
    }

    /// Whether the first and the last byte of a piece can be had without waiting. (`mincore` says
    /// so of every page to those who may not write the file.)
    fn is_resident(&self, piece: usize) -> bool {
        let first = piece * PIECE;
        let last = (first + PIECE).min(self.len) - 1;
        [first, last].into_iter().all(|offset| {
            let (Ok(offset), mut byte) = (u64::try_from(offset), [0]) else { return false };
            let flags = ReadWriteFlags::NOWAIT;
            preadv2(&self.file, &mut [IoSliceMut::new(&mut byte)], offset, flags) == Ok(1)
        })
    }

    /// Advises on a piece of the mapping.
    fn advise(&self, piece: usize, advice: Advice) -> Result<(), Errno> {
        let Some(offset) = piece.checked_mul(PIECE).filter(|offset| *offset < self.len) else {
            return Ok(());
        };
        let start = ptr::without_provenance_mut(self.start + offset);
        // SAFETY: these are addresses of this mapping alone, and nobody reads what is there.
        unsafe { madvise(start, PIECE.min(self.len - offset), advice) }
    }
}

impl Drop for MappedFile {
    fn drop(&mut self) {
        let start = ptr::without_provenance_mut(self.start);
        // SAFETY: the mapping is this value's own, no reference into it was ever formed, and an
        // `Ahead` that is still about is never read.
        let _ = unsafe { munmap(start, self.len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::{ReadAt, WriteAt};

    fn file(len: usize) -> File {
        let file = tempfile::tempfile().unwrap();
        WriteAt::write_all_at(&file, &vec![7; len], 0).unwrap();
        file
    }

    /// Everything that is done with a mapping, some times over.
    fn pass(mapping: &MappedFile) {
        for _ in 0..4 {
            for offset in (0..mapping.len + PIECE).step_by(PIECE / 2) {
                mapping.ahead(offset, PIECE / 2);
            }
        }
    }

    /// So many pieces are populated on any system that can; on a quick one, others too.
    #[test]
    fn what_is_told_is_populated_and_of_the_file() {
        let len = 3 * PIECE + 640;
        let file = file(len);
        let mapping = ReadAt::mapping(&file).unwrap();
        let told = |offset: usize, bytes| mapping.ahead(offset as u64, bytes).len();
        if told(0, 4096) == 0 {
            // A kernel before 5.14, or a temporary file that is not in the page cache.
            return;
        }
        assert_eq!(told(PIECE - 4096, 8192), 8192);
        assert_eq!(told(2 * PIECE, PIECE + PIECE), PIECE + 640);
        assert_eq!((told(len, 4096), told(len + PIECE, 1)), (0, 0));
        assert!(mapping.ahead(u64::MAX, 4096).is_empty());
    }

    #[test]
    fn what_is_no_regular_file_or_is_empty_has_none() {
        for path in ["/dev/zero", "/dev/null", "/"] {
            assert!(ReadAt::mapping(&File::open(path).unwrap()).is_none(), "{path}");
        }
        assert!(ReadAt::mapping(&tempfile::tempfile().unwrap()).is_none());
    }

    #[test]
    fn memory_is_its_own_mapping() {
        let bytes = vec![7; 1000];
        let start = bytes.as_ptr().addr();
        for mapping in [bytes.mapping(), bytes.as_slice().mapping(), (&&bytes).mapping()] {
            let mapping = mapping.unwrap();
            assert_eq!(mapping.ahead(100, 64), Ahead::copied(start + 100, 64));
            assert_eq!(mapping.ahead(990, 64).len(), 10);
            assert!(mapping.ahead(1000, 1).is_empty() && mapping.ahead(u64::MAX, 1).is_empty());
        }
    }

    /// Reading such a page would end the process by a signal.
    #[test]
    fn d08_a_mapped_file_may_be_cut_off_at_any_moment() {
        let file = file(3 * PIECE);
        let mapping = MappedFile::new(&file).unwrap();
        pass(&mapping);
        for len in [2 * PIECE + 5, PIECE, 0] {
            file.set_len(len as u64).unwrap();
            pass(&mapping);
        }
        WriteAt::write_all_at(&file, &vec![9; 2 * PIECE], 0).unwrap();
        pass(&mapping);
    }

    #[test]
    fn populating_says_what_a_touch_would_have_died_of() {
        let file = file(2 * PIECE);
        let mapping = MappedFile::new(&file).unwrap();
        assert!(mapping.is_resident(1));
        file.set_len(PIECE as u64).unwrap();
        assert!(!mapping.is_resident(1));
        let answer = mapping.advise(1, Advice::LinuxPopulateRead);
        assert!(matches!(answer, Err(Errno::FAULT | Errno::INVAL)), "{answer:?}");
    }
}
