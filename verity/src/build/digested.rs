//! The digest of all of the data, made beside its tree.
//!
//! It is one chain, so it takes the data in order, on a thread of its own. Those that hash the tree
//! come with runs in any order near the front; what is ahead waits, in bounded memory, and who is
//! too far ahead waits as well. The run that is next never waits for others, so all go on.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;

use sha2::Digest as _;

use crate::io::{KnownExtent, ReadBuffer, Source};
use crate::lock::unpoisoned;
use crate::number::{to_len, to_u64};
use crate::work::Tap;
use crate::{BlockRef, Error, Params};

/// How a digest of all of the data is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImageDigestAlgorithm {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl ImageDigestAlgorithm {
    /// The name, as that of [`Algorithm`](crate::Algorithm).
    pub fn name(self) -> &'static str {
        match self {
            ImageDigestAlgorithm::Sha256 => "sha256",
            ImageDigestAlgorithm::Sha512 => "sha512",
        }
    }
}

/// The digest of an image as a file, as `sha256sum` prints it.
///
/// [`Builder::image_digest`](super::Builder::image_digest) makes it beside a tree; bytes that are
/// had in order anyway go to [`ImageDigest::update`].
#[derive(Debug)]
pub struct ImageDigest {
    algorithm: ImageDigestAlgorithm,
    chain: Mutex<Chain>,
}

#[derive(Clone, Debug)]
enum Chain {
    Sha256(sha2::Sha256),
    Sha512(sha2::Sha512),
}

impl Chain {
    fn update(&mut self, bytes: &[u8]) {
        match self {
            Chain::Sha256(chain) => chain.update(bytes),
            Chain::Sha512(chain) => chain.update(bytes),
        }
    }
}

impl ImageDigest {
    /// The digest of nothing yet.
    pub fn new(algorithm: ImageDigestAlgorithm) -> ImageDigest {
        let chain = match algorithm {
            ImageDigestAlgorithm::Sha256 => Chain::Sha256(sha2::Sha256::new()),
            ImageDigestAlgorithm::Sha512 => Chain::Sha512(sha2::Sha512::new()),
        };
        ImageDigest { algorithm, chain: Mutex::new(chain) }
    }

    /// How it is made.
    pub fn algorithm(&self) -> ImageDigestAlgorithm {
        self.algorithm
    }

    /// Takes the next bytes.
    pub fn update(&self, bytes: &[u8]) {
        unpoisoned(self.chain.lock()).update(bytes);
    }

    /// The digest of all that was taken.
    pub fn value(&self) -> Vec<u8> {
        match unpoisoned(self.chain.lock()).clone() {
            Chain::Sha256(chain) => chain.finalize().to_vec(),
            Chain::Sha512(chain) => chain.finalize().to_vec(),
        }
    }

    fn update_zeros(&self, mut size: u64) {
        let zeros = vec![0; to_len(size.min(READ_AT_ONCE))];
        while size > 0 {
            let now = size.min(READ_AT_ONCE);
            self.update(&zeros[..to_len(now)]);
            size -= now;
        }
    }
}

/// Runs on their way to a digest.
pub(super) struct DigestTap<'a> {
    digest: &'a ImageDigest,
    block_size: u64,
    state: Mutex<State>,
    changed: Condvar,
}

/// What has come, and is not yet part of the digest.
#[derive(Default)]
struct State {
    /// Where that begins which has not come, in bytes.
    next: u64,
    /// What lies before it, in order.
    ready: VecDeque<Piece>,
    /// What lies behind it, by where it begins.
    ahead: BTreeMap<u64, Piece>,
    /// The bytes in memory.
    queued: usize,
    end: Option<End>,
}

enum Piece {
    Data(Vec<u8>),
    Zeros(u64),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// Everything has come.
    Complete,
    /// Nothing more will come.
    Failed,
}

impl Piece {
    fn size(&self) -> u64 {
        match self {
            Piece::Data(bytes) => to_u64(bytes.len()),
            Piece::Zeros(size) => *size,
        }
    }

    /// What it takes in memory.
    fn queued(&self) -> usize {
        match self {
            Piece::Data(bytes) => bytes.len(),
            Piece::Zeros(_) => 0,
        }
    }
}

impl<'a> DigestTap<'a> {
    pub(super) fn new(digest: &'a ImageDigest, params: &Params) -> Self {
        let block_size = params.data_block_size().into();
        DigestTap { digest, block_size, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Does some work that shows this the data, and makes the digest meanwhile.
    pub(super) fn beside<T: Send>(
        &self,
        work: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        on_a_thread(
            || self.take_all(),
            || {
                let ending = Ending { tap: self };
                let done = work();
                if done.is_ok() {
                    self.end(End::Complete);
                }
                drop(ending);
                done
            },
        )
    }

    /// Takes what comes, until all has come.
    fn take_all(&self) -> Result<(), Error> {
        let mut state = self.lock();
        loop {
            if let Some(piece) = state.ready.pop_front() {
                state.queued -= piece.queued();
                drop(state);
                self.changed.notify_all();
                match piece {
                    Piece::Data(bytes) => self.digest.update(&bytes),
                    Piece::Zeros(size) => self.digest.update_zeros(size),
                }
                state = self.lock();
            } else if state.end.is_some() {
                return Ok(());
            } else {
                state = unpoisoned(self.changed.wait(state));
            }
        }
    }

    fn push(&self, first_block: u64, piece: Piece) -> Result<(), Error> {
        let offset = first_block * self.block_size;
        let mut state = self.lock();
        loop {
            if state.end.is_some() {
                // Why it ended is told by the thread that failed.
                return Ok(());
            }
            let is_awaited = offset == state.next && state.ready.is_empty();
            if is_awaited || state.queued.saturating_add(piece.queued()) <= MOST_QUEUED {
                break;
            }
            state = unpoisoned(self.changed.wait(state));
        }
        state.queued += piece.queued();
        state.ahead.insert(offset, piece);
        let place = state.next;
        while let Some(piece) = {
            let next = state.next;
            state.ahead.remove(&next)
        } {
            state.next += piece.size();
            // However many holes come before they are taken, they are one.
            match (state.ready.back_mut(), piece) {
                (Some(Piece::Zeros(before)), Piece::Zeros(size)) => *before += size,
                (_, piece) => state.ready.push_back(piece),
            }
        }
        if state.next != place {
            drop(state);
            self.changed.notify_all();
        }
        Ok(())
    }

    /// Nothing more will come; the first word counts.
    fn end(&self, end: End) {
        self.lock().end.get_or_insert(end);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        unpoisoned(self.state.lock())
    }
}

/// Ends the waiting, however the work ends.
struct Ending<'t, 'a> {
    tap: &'t DigestTap<'a>,
}

impl Drop for Ending<'_, '_> {
    fn drop(&mut self) {
        self.tap.end(End::Failed);
    }
}

impl Tap for DigestTap<'_> {
    fn data(&self, first_block: u64, blocks: &[u8]) -> Result<(), Error> {
        self.push(first_block, Piece::Data(blocks.to_vec()))
    }

    fn hole(&self, blocks: Range<u64>) -> Result<(), Error> {
        self.push(blocks.start, Piece::Zeros((blocks.end - blocks.start) * self.block_size))
    }

    fn stop(&self) {
        self.end(End::Failed);
    }
}

/// Reads all of the data once more, in order, while `work` reads it in another order.
pub(super) fn read_beside<S: Source + ?Sized, T: Send>(
    digest: &ImageDigest,
    (source, params): (&S, &Params),
    work: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    let is_over = Mutex::new(false);
    let take = || {
        let (mut offset, mut known) = (0, KnownExtent::default());
        let mut buffer = ReadBuffer::with_len(to_len(READ_AT_ONCE));
        while offset < params.data_size() && !*unpoisoned(is_over.lock()) {
            let extent = known.at(source, offset);
            let left = params.data_size() - offset;
            let size = (extent.end() - offset).min(left);
            if let crate::io::Extent::Hole { .. } = extent {
                digest.update_zeros(size);
                offset += size;
                continue;
            }
            let bytes = &mut buffer[..to_len(size.min(READ_AT_ONCE))];
            let read = source.source_read_exact_at(bytes, offset);
            read.map_err(|source| unreadable(offset, params, source))?;
            digest.update(bytes);
            offset += to_u64(bytes.len());
        }
        Ok(())
    };
    on_a_thread(take, || {
        let done = work();
        if done.is_err() {
            *unpoisoned(is_over.lock()) = true;
        }
        done
    })
}

fn unreadable(offset: u64, params: &Params, source: io::Error) -> Error {
    let block = offset / u64::from(params.data_block_size());
    Error::Read { block: BlockRef::Data { block }, source }
}

/// Does two things at once; what comes of `work` counts first.
fn on_a_thread<T>(
    beside: impl FnOnce() -> Result<(), Error> + Send,
    work: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("verity-digest".to_owned());
        let thread = thread
            .spawn_scoped(scope, beside)
            .map_err(|error| Error::Threads { threads: 1, reason: error.to_string() })?;
        let done = work();
        match thread.join() {
            Ok(taken) => done.and_then(|done| taken.map(|()| done)),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// No more bytes wait for their turn: what two threads are apart at most, and some more.
const MOST_QUEUED: usize = 64 << 20;

/// How much is read at a time, in bytes.
const READ_AT_ONCE: u64 = 1 << 20;
