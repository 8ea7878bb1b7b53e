//! Building from data that is pushed: the builder is an `io::Write`.
//!
//! What comes is collected to batches. A batch is hashed by all threads, in the same pieces as a
//! file of these bytes would be, and goes to the same assembler. So the tree is the same, and
//! memory does not grow with the data.

use std::io::{self, ErrorKind, Read, Write};
use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::hash::BlockHasher;
use crate::io::{ReadAt, ReadBuffer, Source, WriteAt};
use crate::number::{to_len, to_u64};
use crate::work::{self, Pieces, RUN_SIZE, Work};
use crate::{
    BlockRef, Error, FecArea, HashArea, HashAreaError, Params, ParamsBuilder, Plan, Progress,
    RootHash,
};

use super::Builder;
use super::assembler::Assembler;
use super::sink::{AreaSink, HashSink};
use super::spill::Spill;

/// Builds the hash tree of data that comes piece by piece: from a pipe, an archive, a download, or
/// a program that writes the image elsewhere at the same time.
///
/// It is an [`io::Write`], and [`StreamBuilder::read_from`] takes any [`Read`]. Tree and root hash
/// are those that [`Builder::build`] makes of the same bytes.
///
/// ```
/// use std::io::Write;
/// use verity::io::MemoryFile;
/// use verity::{Builder, Params, StreamBuilder};
///
/// let image = vec![0x5a; 3 << 20];
/// let hash = MemoryFile::new();
/// // How long the data is need not be known, nor that there is a superblock to come at 0.
/// let mut stream = StreamBuilder::with_unknown_length(Params::builder(), &hash, 0, true)?;
/// for piece in image.chunks(1000) {
///     stream.write_all(piece)?;
/// }
/// let streamed = stream.finish()?;
/// assert_eq!(streamed.params.data_blocks(), 768);
///
/// let other = MemoryFile::new();
/// let builder = Builder::new(&streamed.params);
/// assert_eq!(builder.build(&image, &other, &streamed.hash_area)?, streamed.root_hash);
/// assert_eq!(hash.into_bytes(), other.into_bytes());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Memory: up to 16 MiB of data that waits for more, 1 MiB with one thread, and about 1 MiB a
/// thread. Where the length is not known also the levels above the lowest: at the usual parameters
/// 64 KiB for each GiB of data.
pub struct StreamBuilder<'a, W> {
    work: Work<'a>,
    hasher: BlockHasher,
    /// Of as many data blocks as there can be, where their number is not known.
    params: Params,
    length: Length<W>,
    sink: Arc<StreamSink<W>>,
    assembler: Assembler<'a>,
    /// How much is hashed at once, since the first byte.
    batch: Option<usize>,
    /// What waits for the rest of a batch.
    waiting: Vec<u8>,
    /// The data blocks that were hashed.
    hashed: u64,
    /// The bytes that were pushed.
    received: u64,
    failed: bool,
}

/// How much data there will be.
enum Length<W> {
    Known(HashArea),
    Unknown { params: ParamsBuilder, offset: u64, superblock: bool, settle: Settle<W> },
}

type Settle<W> = fn(&Spill<W>, &Params, &HashArea, RootHash, &BlockHasher) -> Result<(), Error>;

/// Where the hash blocks go.
enum StreamSink<W> {
    Area(AreaSink<W>),
    Spill(Spill<W>),
}

impl<W: WriteAt> HashSink for Arc<StreamSink<W>> {
    fn hash_blocks(&self, level: u8, first: u64, bytes: &[u8]) -> Result<(), Error> {
        match &**self {
            StreamSink::Area(area) => area.hash_blocks(level, first, bytes),
            StreamSink::Spill(spill) => spill.hash_blocks(level, first, bytes),
        }
    }
}

impl<'a, W: WriteAt + 'a> StreamBuilder<'a, W> {
    /// For as much data as the parameters say. The tree goes to its place on `hash` as it grows.
    ///
    /// # Errors
    /// When the hash area is that of other parameters.
    pub fn new(params: Params, hash: W, hash_area: &HashArea) -> Result<Self, Error> {
        hash_area.check_belongs_to(&params)?;
        let sink = StreamSink::Area(AreaSink::new(hash, hash_area, &params));
        Ok(Self::on(params, Length::Known(*hash_area), sink))
    }

    fn on(params: Params, length: Length<W>, sink: StreamSink<W>) -> Self {
        let (work, sink) = (Work::new(params.algorithm()), Arc::new(sink));
        let hasher = work.kernels.hasher(&params);
        let assembler = Assembler::new(&params, hasher.clone(), sink.clone());
        StreamBuilder {
            work,
            hasher,
            params,
            length,
            sink,
            assembler,
            batch: None,
            waiting: Vec::new(),
            hashed: 0,
            received: 0,
            failed: false,
        }
    }

    /// Uses that many threads of its own, as [`Builder::threads`].
    #[must_use]
    pub fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.work.threads = Some(threads);
        self
    }

    /// Reports data as it is hashed. The work is stopped at the next push where it asks for it.
    #[must_use]
    pub fn progress(mut self, progress: &'a dyn Progress) -> Self {
        self.work.progress = progress;
        self
    }

    /// How many bytes were pushed.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Takes the next bytes, all of them. Waits while a batch is hashed.
    ///
    /// # Errors
    /// [`Error::LongData`] when there are more than the parameters say. [`Error::Write`] when hash
    /// blocks cannot be written, and as [`Builder::build`] when threads cannot be started or the
    /// work is cancelled. After an error nothing more is taken, and the hash area holds part of the
    /// tree.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.failed {
            return Err(Error::StreamFailed);
        }
        self.failed = true;
        self.take(bytes)?;
        self.failed = false;
        Ok(())
    }

    /// Takes everything that a reader has, to its end, and returns how many bytes that was.
    ///
    /// # Errors
    /// As [`StreamBuilder::push`]; [`Error::Read`] when the reader fails, with the data block that
    /// was to come. What came before it was taken, and more may be pushed.
    pub fn read_from(&mut self, mut reader: impl Read) -> Result<u64, Error> {
        let (before, mut buffer) = (self.received, ReadBuffer::with_len(to_len(RUN_SIZE)));
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return Ok(self.received - before),
                Ok(size) => match buffer.get(..size) {
                    Some(bytes) => self.push(bytes)?,
                    None => return Err(self.unreadable(ErrorKind::InvalidData.into())),
                },
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.unreadable(error)),
            }
        }
    }

    /// Ends the data, and returns what was made of it. Nothing is synced, and no superblock is
    /// written: [`Superblock::region`](crate::Superblock::region).
    ///
    /// # Errors
    /// [`Error::ShortData`] when less was pushed than the parameters say, [`Error::Params`] when
    /// nothing was, or the last block is not whole, where they say nothing. [`Error::Corrupt`] when
    /// a hash block has changed since it was written, [`Error::Read`] when it cannot be read.
    /// Otherwise as [`StreamBuilder::push`].
    pub fn finish(mut self) -> Result<Streamed, Error> {
        if self.failed {
            return Err(Error::StreamFailed);
        }
        let (params, hash_area) = self.end()?;
        let waiting = std::mem::take(&mut self.waiting);
        self.hash(&waiting)?;
        drop(waiting);
        let root_hash = match (self.length, &*self.sink) {
            (Length::Unknown { settle, .. }, StreamSink::Spill(spill)) => {
                let root_hash = self.assembler.finish_early(params.geometry().levels().len())?;
                settle(spill, &params, &hash_area, root_hash, &self.hasher)?;
                root_hash
            }
            _ => self.assembler.finish(),
        };
        Ok(Streamed { params, hash_area, root_hash })
    }

    /// The parameters and the place of the tree, now that all data has come.
    fn end(&self) -> Result<(Params, HashArea), Error> {
        match &self.length {
            Length::Known(area) => {
                let (needed, actual) = (self.params.data_size(), self.received);
                match actual < needed {
                    true => Err(Error::ShortData { needed, actual }),
                    false => Ok((self.params.clone(), *area)),
                }
            }
            Length::Unknown { params, offset, superblock, .. } => {
                let params = params.clone().data_size(self.received).build()?;
                let area = HashArea::new(&params, *offset, *superblock)?;
                Ok((params, area))
            }
        }
    }

    fn take(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        let needed = self.params.data_size();
        let received = self.received.saturating_add(to_u64(bytes.len()));
        if received > needed {
            return Err(Error::LongData { needed });
        }
        let batch = self.batch_len();
        let batch = *self.batch.get_or_insert(batch);
        while !bytes.is_empty() {
            if self.waiting.is_empty() && bytes.len() >= batch {
                let (now, later) = bytes.split_at(batch);
                self.hash(now)?;
                bytes = later;
                continue;
            }
            let (now, later) = bytes.split_at(bytes.len().min(batch - self.waiting.len()));
            self.waiting.extend_from_slice(now);
            bytes = later;
            if self.waiting.len() == batch {
                let mut waiting = std::mem::take(&mut self.waiting);
                self.hash(&waiting)?;
                waiting.clear();
                self.waiting = waiting;
            }
        }
        self.received = received;
        Ok(())
    }

    /// What is hashed at once: whole blocks, and whole pieces of one thread.
    fn batch_len(&self) -> usize {
        match self.work.threads {
            Some(NonZeroUsize::MIN) => SMALL_BATCH,
            _ => BATCH,
        }
    }

    /// Hashes the next blocks, and hands on their digests.
    fn hash(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let block_size = self.params.data_block_size();
        let (first, block_len) = (self.hashed, block_size.buffer_len(1));
        let run_len = block_size.buffer_len(to_len(block_size.blocks_in(RUN_SIZE)));
        let end = first + to_u64(bytes.len() / block_len);
        let (hasher, assembler) = (&self.hasher, &self.assembler);
        let (pieces, progress) = (Pieces::new(&self.params, first..end), self.work.progress);
        self.work.run(to_u64(bytes.len()), |crew| {
            pieces.for_each(crew, Vec::new, |digests: &mut Vec<u8>, blocks| {
                digests.clear();
                let len = block_size.buffer_len(to_len(blocks.end - blocks.start));
                let piece = &bytes[block_size.buffer_len(to_len(blocks.start - first))..][..len];
                for run in piece.chunks(run_len) {
                    let done = digests.len();
                    digests.resize(done + run.len() / block_len * hasher.digest_size(), 0);
                    hasher.hash_many(run, block_len, &mut digests[done..]);
                    work::advance(progress, to_u64(run.len()))?;
                }
                assembler.push(blocks.start, digests)
            })
        })?;
        self.hashed = end;
        Ok(())
    }

    fn unreadable(&self, source: io::Error) -> Error {
        let block = self.received / u64::from(self.params.data_block_size());
        Error::Read { block: BlockRef::Data { block }, source }
    }
}

impl<'a, W: ReadAt + WriteAt + 'a> StreamBuilder<'a, W> {
    /// For data whose length is known only when it ends: what the parameters say of it is not
    /// looked at. The hash area is to begin at `offset` bytes of `hash`, with room for a superblock
    /// or without.
    ///
    /// Until the end the lowest level of the tree lies where the tree begins; then it moves behind
    /// the levels above it. So every hash block but few is written twice, and read once.
    ///
    /// # Errors
    /// When no tree can have these parameters, or lie there.
    pub fn with_unknown_length(
        params: ParamsBuilder,
        hash: W,
        offset: u64,
        superblock: bool,
    ) -> Result<Self, Error> {
        let block = params.clone().data_blocks(1).build()?.data_block_size();
        let largest = params.clone().data_blocks(MOST_DATA / u64::from(block)).build()?;
        let start = HashArea::new(&params.clone().data_blocks(2).build()?, offset, superblock)?;
        let spill = Spill::new(hash, start.tree_range().start, largest.hash_block_size());
        let length = Length::Unknown { params, offset, superblock, settle: Spill::<W>::settle };
        Ok(Self::on(largest, length, StreamSink::Spill(spill)))
    }
}

/// Its errors wrap an [`Error`]. Flushing does nothing: what waits is hashed with the next bytes,
/// or in the end.
impl<'a, W: WriteAt + 'a> Write for StreamBuilder<'a, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The tree of data that was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Streamed {
    /// The parameters, with the number of data blocks.
    pub params: Params,
    /// Where the tree lies.
    pub hash_area: HashArea,
    /// The root hash.
    pub root_hash: RootHash,
}

impl Streamed {
    /// What was pushed as a plan, to be made whole by
    /// [`ImageBuilder::finish`](crate::ImageBuilder::finish).
    ///
    /// # Errors
    /// When somebody has changed the fields, so that they do not belong together.
    pub fn plan(&self) -> Result<Plan, HashAreaError> {
        Plan::new(self.params.clone(), self.hash_area)
    }

    /// Makes the parity of data and tree, where the data was also kept: blocks that share parity
    /// lie far apart, so it takes a second pass. `builder` says how, and has these parameters.
    ///
    /// Everything is hashed once more meanwhile, and the tree is written as it is.
    ///
    /// ```
    /// use verity::io::MemoryFile;
    /// use verity::{Builder, FecArea, Params, StreamBuilder};
    ///
    /// let kept = vec![0x5a; 1 << 20];
    /// let hash = MemoryFile::new();
    /// let mut stream = StreamBuilder::with_unknown_length(Params::builder(), &hash, 0, false)?;
    /// stream.push(&kept)?;
    /// let streamed = stream.finish()?;
    /// let fec_area = FecArea::behind_hash_area(&streamed.params, &streamed.hash_area, 2)?;
    /// let builder = Builder::new(&streamed.params);
    /// streamed.build_fec(&builder, &kept, &hash, &hash, &fec_area)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OtherData`] when that is not the data that was pushed: tree and parity are then
    /// those of what was kept. Otherwise as [`Builder::build_with_fec`].
    pub fn build_fec<S, W, F>(
        &self,
        builder: &Builder<'_>,
        data: &S,
        hash: &W,
        fec: &F,
        fec_area: &FecArea,
    ) -> Result<(), Error>
    where
        S: Source + ?Sized,
        W: ReadAt + WriteAt + ?Sized,
        F: ReadAt + WriteAt + ?Sized,
    {
        if builder.params != &self.params {
            return Err(HashAreaError::OtherParams.into());
        }
        let kept = builder.build_with_fec(data, hash, &self.hash_area, fec, fec_area)?;
        match kept == self.root_hash {
            true => Ok(()),
            false => Err(Error::OtherData { kept }),
        }
    }
}

/// What is hashed at once by several threads, in bytes: a whole number of pieces, large enough that
/// starting threads costs little beside it.
const BATCH: usize = 16 * 1024 * 1024;

/// What one thread hashes at once, in bytes.
const SMALL_BATCH: usize = 1024 * 1024;

/// How much data there can be where nobody says, in bytes.
const MOST_DATA: u64 = 1 << 62;
