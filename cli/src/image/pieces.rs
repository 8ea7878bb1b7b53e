//! A range of bytes, read in pieces by several threads and delivered in order, or each at its
//! place.
//!
//! A thread reads a piece into its own buffer and delivers it itself, so that there are as many
//! buffers as threads, and whoever waits for its turn to write holds nobody else up.

use std::fs::File;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use verity::io::WriteAt;
use verity::{Error, Progress};

use crate::image::ImageReader;

/// What a thread takes at a time, in bytes. Half of it costs some percent more, twice of it is no
/// faster.
const PIECE: u64 = 512 << 10;

/// Why not all bytes were delivered.
#[derive(Debug)]
pub(crate) enum Failure {
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
    /// Which bytes, none behind the end.
    pub(crate) range: Range<u64>,
    pub(crate) threads: NonZeroUsize,
    pub(crate) progress: &'a dyn Progress,
}

impl Pieces<'_> {
    /// Writes them in order. Whatever the number of threads, exactly the bytes before the first one
    /// that fails are written: how many those are is the first part of an error.
    pub(crate) fn stream(&self, writer: impl Write + Send) -> Result<(), (u64, Failure)> {
        let line = Line::new(self.range.start, writer);
        self.run(|piece, bytes, failure| line.write(piece.start, bytes, failure));
        let turn = line.turn.into_inner().unwrap_or_else(PoisonError::into_inner);
        match turn.failure {
            Some(failure) => Err((turn.offset - self.range.start, failure)),
            None => Ok(()),
        }
    }

    /// Writes them to the start of a file. The failure is the one of the lowest bytes.
    pub(crate) fn fill(&self, file: &File) -> Result<(), Failure> {
        let lowest: Mutex<Option<(u64, Failure)>> = Mutex::new(None);
        self.run(|piece, bytes, mut failure| {
            if failure.is_none() {
                let written = file.write_all_at(bytes, piece.start - self.range.start);
                failure = written.err().map(Failure::Write);
            }
            let Some(failure) = failure else { return true };
            let mut lowest = lock(&lowest);
            if lowest.as_ref().is_none_or(|(start, _)| piece.start < *start) {
                *lowest = Some((piece.start, failure));
            }
            false
        });
        let lowest = lowest.into_inner().unwrap_or_else(PoisonError::into_inner);
        lowest.map_or(Ok(()), |(_, failure)| Err(failure))
    }

    /// Reads every piece and hands it to `deliver`: where it begins, its verified bytes, and what
    /// ended them early. After a `false` no further piece is begun.
    fn run(&self, deliver: impl Fn(Range<u64>, &[u8], Option<Failure>) -> bool + Sync) {
        let next = AtomicU64::new(self.range.start);
        let worker = || {
            let mut buf = Vec::new();
            while let Some(piece) = self.take(&next) {
                let (bytes, failure) = self.read(&mut buf, &piece);
                if !deliver(piece, bytes, failure) {
                    next.store(self.range.end, Ordering::Relaxed);
                }
            }
        };
        let pieces = (self.range.end - self.range.start).div_ceil(self.piece_size());
        let workers = usize::try_from(pieces).unwrap_or(usize::MAX).min(self.threads.get());
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

    fn read<'b>(&self, buf: &'b mut Vec<u8>, piece: &Range<u64>) -> (&'b [u8], Option<Failure>) {
        let size = usize::try_from(piece.end - piece.start).unwrap_or(usize::MAX);
        buf.resize(size, 0);
        let (verified, failure) = match self.reader.read_at(buf, piece.start) {
            Ok(read) if read == size => (size, None),
            Ok(read) => {
                (read, Some(Failure::Read(io::Error::from(io::ErrorKind::UnexpectedEof).into())))
            }
            Err(error) => (error.verified, Some(Failure::Read(error.error))),
        };
        let bytes = u64::try_from(verified).unwrap_or(0);
        let stop = self.progress.advance(bytes).is_break();
        (&buf[..verified], failure.or(stop.then_some(Failure::Stopped)))
    }
}

/// Threads that wait to write their pieces in order.
struct Line<W> {
    turn: Mutex<Turn<W>>,
    moved: Condvar,
}

/// Whose turn it is.
struct Turn<W> {
    /// Up to where everything is written.
    offset: u64,
    failure: Option<Failure>,
    writer: W,
}

impl<W: Write> Line<W> {
    fn new(offset: u64, writer: W) -> Line<W> {
        Line { turn: Mutex::new(Turn { offset, failure: None, writer }), moved: Condvar::new() }
    }

    /// Writes bytes once everything before `start` is written; says whether the next ones are
    /// wanted.
    fn write(&self, start: u64, bytes: &[u8], failure: Option<Failure>) -> bool {
        let waiting = |turn: &mut Turn<W>| turn.failure.is_none() && turn.offset != start;
        let mut turn = self
            .moved
            .wait_while(lock(&self.turn), waiting)
            .unwrap_or_else(PoisonError::into_inner);
        if turn.failure.is_none() {
            turn.write(bytes, failure);
        }
        self.moved.notify_all();
        turn.failure.is_none()
    }
}

impl<W: Write> Turn<W> {
    fn write(&mut self, mut bytes: &[u8], failure: Option<Failure>) {
        while !bytes.is_empty() {
            match self.writer.write(bytes) {
                Ok(0) => {
                    return self.failure = Some(Failure::Write(io::ErrorKind::WriteZero.into()));
                }
                Ok(size) => {
                    bytes = &bytes[size..];
                    self.offset += u64::try_from(size).unwrap_or(0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.failure = Some(Failure::Write(error)),
            }
        }
        self.failure = failure;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
