//! Data blocks on their way from a source to their digests.
//!
//! A *run* is what is read with one call and hashed at once; or the part of a hole that would have
//! been. A *piece* is what one thread takes at a time: some runs, whose digests make whole hash
//! blocks where that is possible. What becomes of the digests is up to `build` and `verify`.

use std::io::{self, ErrorKind};
use std::ops::Range;
use std::sync::OnceLock;

use crate::hash::BlockHasher;
use crate::io::{
    Ahead, Extent, FailedBlock, KnownExtent, Mapping, ReadBuffer, Source, first_unreadable,
};
use crate::number::to_len;
use crate::{BlockRef, Digest, Error, Params};

use super::tap::Tap;

/// The data blocks of a source, to be read and hashed; shared by all threads.
pub(crate) struct RunReader<'a, S: ?Sized> {
    source: &'a S,
    params: &'a Params,
    hasher: &'a BlockHasher,
    taps: &'a [&'a dyn Tap],
    /// The source in the address space, once somebody has asked.
    mapping: OnceLock<Option<Mapping>>,
    zero: OnceLock<Digest>,
}

/// Data blocks in a row: all to be read, or all in a hole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) blocks: Range<u64>,
    pub(crate) hole: bool,
}

/// What a thread reuses from run to run.
#[derive(Default)]
pub(crate) struct RunBuffer {
    bytes: ReadBuffer,
    extent: KnownExtent,
}

impl Run {
    /// How many blocks it has.
    pub(crate) fn len(&self) -> u64 {
        self.blocks.end - self.blocks.start
    }
}

impl<'a, S: Source + ?Sized> RunReader<'a, S> {
    pub(crate) fn new(source: &'a S, params: &'a Params, hasher: &'a BlockHasher) -> Self {
        RunReader {
            source,
            params,
            hasher,
            taps: &[],
            mapping: OnceLock::new(),
            zero: OnceLock::new(),
        }
    }

    /// Shows each run to these, once it is hashed.
    pub(crate) fn taps(self, taps: &'a [&'a dyn Tap]) -> Self {
        RunReader { taps, ..self }
    }

    /// Tells those that not everything will come.
    pub(crate) fn stop_taps(&self) {
        self.taps.iter().for_each(|tap| tap.stop());
    }

    pub(crate) fn source(&self) -> &'a S {
        self.source
    }

    pub(crate) fn params(&self) -> &'a Params {
        self.params
    }

    pub(crate) fn hasher(&self) -> &'a BlockHasher {
        self.hasher
    }

    /// The digest of a data block of zeros.
    pub(crate) fn zero(&self) -> &Digest {
        let block = || vec![0; self.params.data_block_size().buffer_len(1)];
        self.zero.get_or_init(|| self.hasher.hash_one(&block()))
    }

    /// The first run of these blocks, of which there is at least one.
    ///
    /// Where runs end does not depend on the pieces that they are taken from, as long as those
    /// begin and end on multiples of [`RUN_SIZE`]. A block that is partly in a hole is data.
    pub(crate) fn next_run(&self, buffer: &mut RunBuffer, blocks: &Range<u64>) -> Run {
        let block_size = u64::from(self.params.data_block_size());
        let most = self.params.data_block_size().blocks_in(RUN_SIZE);
        let start = blocks.start;
        let limit = (start - start % most).saturating_add(most).min(blocks.end);
        let mut end = start;
        while end < limit {
            let offset = end * block_size;
            match buffer.extent.at(self.source, offset) {
                Extent::Data { end: bytes } | Extent::Zero { end: bytes } => {
                    end = bytes.div_ceil(block_size).min(limit);
                }
                Extent::Hole { end: bytes } if bytes - offset < block_size => end += 1,
                Extent::Hole { end: bytes } if end == start => {
                    return Run { blocks: start..(bytes / block_size).min(limit), hole: true };
                }
                Extent::Hole { .. } => break,
            }
        }
        Run { blocks: start..end, hole: false }
    }

    /// Puts the digests of a run's blocks to `digests`. The blocks of a hole are not read.
    pub(crate) fn hash(
        &self,
        buffer: &mut RunBuffer,
        run: &Run,
        digests: &mut [u8],
    ) -> Result<(), Error> {
        if run.hole {
            return self.hash_hole(run, digests);
        }
        let blocks = self.read(&mut buffer.bytes, run)?;
        self.hash_data(run, blocks, digests, self.behind(run))
    }

    /// The bytes behind a run, as many, which will be read next.
    fn behind(&self, run: &Run) -> Ahead {
        let Some(mapping) = self.mapping.get_or_init(|| self.source.source_mapping()) else {
            return Ahead::NOWHERE;
        };
        let block_size = self.params.data_block_size();
        let offset = run.blocks.end * u64::from(block_size);
        mapping.ahead(offset, block_size.buffer_len(to_len(run.len())))
    }

    /// Puts a run's blocks to `bytes` and their digests to `digests`. The blocks of a hole are not
    /// read: they are zeros.
    pub(crate) fn hash_into(
        &self,
        run: &Run,
        bytes: &mut [u8],
        digests: &mut [u8],
    ) -> Result<(), Error> {
        if run.hole {
            bytes.fill(0);
            return self.hash_hole(run, digests);
        }
        self.read_into(run, bytes)?;
        self.hash_data(run, bytes, digests, Ahead::NOWHERE)
    }

    /// Puts the blocks of a run that is no hole to `bytes`, and hashes nothing.
    pub(crate) fn read_into(&self, run: &Run, bytes: &mut [u8]) -> Result<(), Error> {
        let offset = run.blocks.start * u64::from(self.params.data_block_size());
        let read = self.source.source_read_exact_at(bytes, offset);
        read.map_err(|error| self.first_unreadable(run, error))
    }

    /// Every run that is data comes by here, whichever way it was read.
    fn hash_data(
        &self,
        run: &Run,
        blocks: &[u8],
        digests: &mut [u8],
        next: Ahead,
    ) -> Result<(), Error> {
        let block_size = self.params.data_block_size().buffer_len(1);
        self.hasher.hash_before(blocks, block_size, digests, next);
        self.taps.iter().try_for_each(|tap| tap.data(run.blocks.start, blocks))
    }

    /// Every run that is a hole comes by here.
    fn hash_hole(&self, run: &Run, digests: &mut [u8]) -> Result<(), Error> {
        let zero = self.zero().as_bytes();
        digests.chunks_exact_mut(zero.len()).for_each(|digest| digest.copy_from_slice(zero));
        self.taps.iter().try_for_each(|tap| tap.hole(run.blocks.clone()))
    }

    fn read<'b>(&'b self, buffer: &'b mut ReadBuffer, run: &Run) -> Result<&'b [u8], Error> {
        let block_size = self.params.data_block_size();
        let offset = run.blocks.start * u64::from(block_size);
        let len = block_size.buffer_len(to_len(run.len()));
        match self.source.source_run(offset, buffer.sized(len)) {
            Ok(blocks) if blocks.len() == len => Ok(blocks),
            Ok(_) => Err(unreadable(run.blocks.start, ErrorKind::InvalidData.into())),
            Err(error) => Err(self.first_unreadable(run, error)),
        }
    }

    /// Which block of a run it was that could not be read.
    fn first_unreadable(&self, run: &Run, error: io::Error) -> Error {
        let block_size = self.params.data_block_size();
        let (len, offset) = (block_size.buffer_len(1), run.blocks.start * u64::from(block_size));
        let FailedBlock { index, error } =
            first_unreadable(self.source, error, run.len(), len, offset);
        unreadable(run.blocks.start + index, error)
    }
}

fn unreadable(block: u64, source: io::Error) -> Error {
    Error::Read { block: BlockRef::Data { block }, source }
}

/// The aim for one read of blocks, in bytes: it stays in a core's second-level cache between
/// reading and hashing, next to what else is needed there.
pub(crate) const RUN_SIZE: u64 = 256 * 1024;
