//! A range of bytes, read in pieces by several threads and delivered in order, or each at its
//! place.
//!
//! A thread reads a piece and delivers it itself, out of the memory in which it was hashed: there
//! are as many buffers as threads, and a thread that waits for its turn to write holds no other up.

use std::fs::File;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};
use std::thread;

use verity::internals::{to_len, to_u64, unpoisoned};
use verity::io::ReadAt;
use verity::{Error, Progress};

use super::opened::ImageReader;
use super::sparse::write_sparse;

/// What a thread takes at a time, in bytes: what a reader hands out at a time. Of more, a thread
/// would have read only the beginning when it waits for its turn.
const PIECE: u64 = 256 << 10;

/// Why not all bytes were delivered.
#[derive(Debug)]
pub(crate) enum PieceFailure {
    /// They could not be read, or are not what the root hash says.
    Read(Error),
    /// They could not be written.
    Write(io::Error),
    /// Progress asked to stop.
    Stopped,
}

/// Delivers bytes of a reader.
pub(crate) struct Pieces<'a> {
    pub(crate) reader: &'a ImageReader,
    /// Which bytes; the range ends where the data does, or before.
    pub(crate) range: Range<u64>,
    pub(crate) threads: NonZeroUsize,
    pub(crate) progress: &'a dyn Progress,
}

impl Pieces<'_> {
    /// Writes the pieces in order. Whatever the number of threads, exactly the bytes before the
    /// first one that fails are written: how many those are is the first part of an error.
    pub(crate) fn stream(&self, writer: impl Write + Send) -> Result<(), (u64, PieceFailure)> {
        let queue = Queue::new(self.range.start, writer);
        self.run(|piece, bytes, failure| queue.write(piece.start, bytes, failure));
        let turn = unpoisoned(queue.turn.into_inner());
        match turn.failure {
            Some(failure) => Err((turn.offset - self.range.start, failure)),
            None => Ok(()),
        }
    }

    /// Writes the pieces to an empty file, which gets holes where the source of the data has them.
    /// The failure is the one of the lowest bytes.
    pub(crate) fn fill(&self, file: &File, source: &dyn ReadAt) -> Result<(), PieceFailure> {
        let lowest: Mutex<Option<(u64, PieceFailure)>> = Mutex::new(None);
        self.run(|piece, bytes, mut failure| {
            if failure.is_none() {
                let offset = piece.start - self.range.start;
                let written = write_sparse(file, bytes, offset, (source, piece.start));
                failure = written.err().map(PieceFailure::Write);
            }
            let Some(failure) = failure else { return true };
            let mut lowest = unpoisoned(lowest.lock());
            if lowest.as_ref().is_none_or(|(start, _)| piece.start < *start) {
                *lowest = Some((piece.start, failure));
            }
            false
        });
        let lowest = unpoisoned(lowest.into_inner());
        match lowest {
            Some((_, failure)) => Err(failure),
            // The last bytes may be a hole.
            None => file.set_len(self.range.end - self.range.start).map_err(PieceFailure::Write),
        }
    }

    /// Reads every piece and hands it to `deliver`, in parts: where one lies, the verified bytes,
    /// and what ended them early. After a `false` no further piece is begun.
    fn run(&self, deliver: impl Fn(Range<u64>, &[u8], Option<PieceFailure>) -> bool + Sync) {
        let next = AtomicU64::new(self.range.start);
        let worker = || {
            while let Some(piece) = self.take(&next) {
                if !self.read(piece, &deliver) {
                    next.store(self.range.end, Ordering::Relaxed);
                }
            }
        };
        let pieces = (self.range.end - self.range.start).div_ceil(self.piece_size());
        let workers = to_len(pieces.min(to_u64(self.threads.get())));
        thread::scope(|scope| {
            for _ in 1..workers {
                // Where no more threads can be had, those there are do the work.
                let _ = thread::Builder::new().spawn_scoped(scope, worker);
            }
            worker();
        });
    }

    /// The next piece in order. All but the first begin at a multiple of the size, and so with a
    /// block.
    fn take(&self, next: &AtomicU64) -> Option<Range<u64>> {
        let size = self.piece_size();
        let end = |start: u64| (start - start % size).saturating_add(size).min(self.range.end);
        let taken = next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |start| {
            (start < self.range.end).then(|| end(start))
        });
        taken.ok().map(|start| start..end(start))
    }

    fn piece_size(&self) -> u64 {
        PIECE.max(u64::from(self.reader.trusted().params().data_block_size()))
    }

    /// Reads a piece, in parts. Says whether others are wanted.
    fn read(
        &self,
        piece: Range<u64>,
        deliver: impl Fn(Range<u64>, &[u8], Option<PieceFailure>) -> bool,
    ) -> bool {
        let (mut start, mut goes_on) = (piece.start, true);
        let read = self.reader.read_with(piece.clone(), |bytes| {
            let end = start + to_u64(bytes.len());
            let stop = self.progress.advance(end - start).is_break();
            goes_on = deliver(start..end, bytes, stop.then_some(PieceFailure::Stopped));
            start = end;
            if goes_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        let failure = match read {
            Err(error) => error,
            Ok(()) if goes_on && start < piece.end => {
                io::Error::from(io::ErrorKind::UnexpectedEof).into()
            }
            Ok(()) => return goes_on,
        };
        deliver(start..piece.end, &[], Some(PieceFailure::Read(failure)))
    }
}

/// Threads that wait to write their pieces in order.
struct Queue<W> {
    turn: Mutex<Turn<W>>,
    moved: Condvar,
}

/// Whose turn it is.
struct Turn<W> {
    /// Up to where everything is written.
    offset: u64,
    failure: Option<PieceFailure>,
    writer: W,
}

impl<W: Write> Queue<W> {
    fn new(offset: u64, writer: W) -> Queue<W> {
        Queue { turn: Mutex::new(Turn { offset, failure: None, writer }), moved: Condvar::new() }
    }

    /// Writes bytes once everything before `start` is written; says whether the next ones are
    /// wanted.
    fn write(&self, start: u64, bytes: &[u8], failure: Option<PieceFailure>) -> bool {
        let waiting = |turn: &mut Turn<W>| turn.failure.is_none() && turn.offset != start;
        let turn = unpoisoned(self.turn.lock());
        let mut turn = unpoisoned(self.moved.wait_while(turn, waiting));
        if turn.failure.is_none() {
            turn.write(bytes, failure);
        }
        self.moved.notify_all();
        turn.failure.is_none()
    }
}

impl<W: Write> Turn<W> {
    fn write(&mut self, mut bytes: &[u8], failure: Option<PieceFailure>) {
        while !bytes.is_empty() {
            match self.writer.write(bytes) {
                Ok(0) => {
                    return self.failure =
                        Some(PieceFailure::Write(io::ErrorKind::WriteZero.into()));
                }
                Ok(size) => {
                    bytes = &bytes[size..];
                    self.offset += to_u64(size);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.failure = Some(PieceFailure::Write(error)),
            }
        }
        self.failure = failure;
    }
}
