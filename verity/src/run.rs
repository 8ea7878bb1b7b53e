//! Data blocks on their way from a source to their digests.
//!
//! A *run* is what is read with one call and hashed at once; or the part of a hole that would have been. A
//! *piece* is what one thread takes at a time: some runs, whose digests make whole hash blocks where that is
//! possible. What becomes of the digests is up to `build` and `verify`.

use std::io::{self, ErrorKind};
use std::ops::Range;
use std::sync::OnceLock;

use crate::hash::BlockHasher;
use crate::io::{Extent, KnownExtent, Source, first_failing};
use crate::parallel::Crew;
use crate::{BlockRef, Digest, Error, Params};

/// The aim for one read of blocks, in bytes: it stays in a core's second-level cache between reading and
/// hashing, next to what else is needed there.
pub(crate) const RUN_SIZE: u64 = 256 * 1024;

/// The smallest piece, in bytes of data: one hash block's worth at the usual parameters. Threads that have
/// run out of work wait no longer than others need for that.
const GRAIN_SIZE: u64 = 512 * 1024;

/// The largest piece, in bytes of data: 32 hash blocks' worth at the usual parameters, so that the widest
/// kernels are filled by hash blocks too.
const PIECE_SIZE: u64 = 16 * 1024 * 1024;

/// The aim for the hash blocks of a piece, in bytes, where digests are large beside the data.
const PIECE_HASH_SIZE: u64 = 256 * 1024;

/// The data blocks of a source, to be read and hashed; shared by all threads.
pub(crate) struct Reader<'a, S: ?Sized> {
    source: &'a S,
    params: &'a Params,
    hasher: &'a BlockHasher,
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
    bytes: Vec<u8>,
    extent: KnownExtent,
}

impl Run {
    /// How many blocks it has.
    pub(crate) fn len(&self) -> u64 {
        self.blocks.end - self.blocks.start
    }
}

impl<'a, S: Source + ?Sized> Reader<'a, S> {
    pub(crate) fn new(source: &'a S, params: &'a Params, hasher: &'a BlockHasher) -> Self {
        Reader { source, params, hasher, zero: OnceLock::new() }
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
    /// Where runs end does not depend on the pieces that they are taken from, as long as those begin and end
    /// on multiples of [`RUN_SIZE`]. A block that is partly in a hole is data.
    pub(crate) fn next_run(&self, buffer: &mut RunBuffer, blocks: &Range<u64>) -> Run {
        let block_size = u64::from(self.params.data_block_size());
        let most = self.params.data_block_size().blocks_in(RUN_SIZE);
        let start = blocks.start;
        let limit = (start - start % most).saturating_add(most).min(blocks.end);
        let mut end = start;
        while end < limit {
            let offset = end * block_size;
            match buffer.extent.at(self.source, offset) {
                Extent::Data { end: bytes } => end = bytes.div_ceil(block_size).min(limit),
                Extent::Hole { end: bytes } if bytes - offset < block_size => end += 1,
                Extent::Hole { end: bytes } if end == start => {
                    return Run { blocks: start..(bytes / block_size).min(limit), hole: true };
                }
                Extent::Hole { .. } => break,
            }
        }
        Run { blocks: start..end, hole: false }
    }

    /// Puts the digests of a run's blocks to `digests`, and returns the blocks, back to back. Those of a hole
    /// are not read, and there are none.
    pub(crate) fn hash<'b>(
        &'b self,
        buffer: &'b mut RunBuffer,
        run: &Run,
        digests: &mut [u8],
    ) -> Result<&'b [u8], Error> {
        if run.hole {
            self.put_zero_digests(digests);
            return Ok(&[]);
        }
        let blocks = self.read(&mut buffer.bytes, run)?;
        self.hasher.hash_many(blocks, self.params.data_block_size().buffer_len(1), digests);
        Ok(blocks)
    }

    fn read<'b>(&'b self, buffer: &'b mut Vec<u8>, run: &Run) -> Result<&'b [u8], Error> {
        let block_size = self.params.data_block_size();
        let offset = run.blocks.start * u64::from(block_size);
        let len = block_size.buffer_len(usize::try_from(run.len()).unwrap_or(usize::MAX));
        if buffer.len() < len {
            buffer.resize(len, 0);
        }
        match self.source.run(offset, &mut buffer[..len]) {
            Ok(blocks) if blocks.len() == len => Ok(blocks),
            Ok(_) => Err(unreadable(run.blocks.start, ErrorKind::InvalidData.into())),
            Err(error) => Err(self.first_unreadable(run, error)),
        }
    }

    /// Puts a run's blocks to `bytes` and their digests to `digests`. Those of a hole are not read: they are zeros.
    pub(crate) fn hash_into(
        &self,
        run: &Run,
        bytes: &mut [u8],
        digests: &mut [u8],
    ) -> Result<(), Error> {
        let block_size = self.params.data_block_size();
        if run.hole {
            bytes.fill(0);
            self.put_zero_digests(digests);
            return Ok(());
        }
        let offset = run.blocks.start * u64::from(block_size);
        let read = self.source.source_read_exact_at(bytes, offset);
        read.map_err(|error| self.first_unreadable(run, error))?;
        self.hasher.hash_many(bytes, block_size.buffer_len(1), digests);
        Ok(())
    }

    fn put_zero_digests(&self, digests: &mut [u8]) {
        let zero = self.zero().as_bytes();
        digests.chunks_exact_mut(zero.len()).for_each(|digest| digest.copy_from_slice(zero));
    }

    /// Which block of a run it was that could not be read.
    fn first_unreadable(&self, run: &Run, error: io::Error) -> Error {
        let block_size = self.params.data_block_size();
        let mut block = vec![0; block_size.buffer_len(1)];
        let (index, error) = first_failing(error, run.len(), |index| {
            let offset = (run.blocks.start + index) * u64::from(block_size);
            self.source.source_read_exact_at(&mut block, offset)
        });
        unreadable(run.blocks.start + index, error)
    }
}

fn unreadable(block: u64, source: io::Error) -> Error {
    Error::Read { block: BlockRef::Data { block }, source }
}

/// Data blocks, cut into pieces.
#[derive(Clone, Debug)]
pub(crate) struct Pieces {
    blocks: Range<u64>,
    /// The blocks in the smallest piece.
    grain: u64,
    /// The grains in the largest piece.
    most: u64,
}

impl Pieces {
    /// Pieces of these blocks, the first of which is a multiple of [`GRAIN_SIZE`].
    pub(crate) fn new(params: &Params, blocks: Range<u64>) -> Pieces {
        // All of these are powers of two, so that a piece is a part of a hash block, or whole ones.
        let hash_blocks = params.hash_block_size().blocks_in(PIECE_HASH_SIZE);
        let most_by_hashes = hash_blocks * params.geometry().hashes_per_block();
        let most = params.data_block_size().blocks_in(PIECE_SIZE).min(most_by_hashes);
        let grain = params.data_block_size().blocks_in(GRAIN_SIZE);
        Pieces { blocks, grain, most: (most / grain).max(1) }
    }

    /// Hands out the pieces in order, as [`Crew::in_order`].
    pub(crate) fn for_each<B, E: Send>(
        &self,
        crew: Crew,
        init: impl Fn() -> B + Sync,
        work: impl Fn(&mut B, Range<u64>) -> Result<(), E> + Sync,
    ) -> Result<(), E> {
        let grains = (self.blocks.end - self.blocks.start).div_ceil(self.grain);
        let block =
            |grain: u64| self.blocks.start.saturating_add(grain * self.grain).min(self.blocks.end);
        crew.in_order(grains, self.most, init, |buffer, grains| {
            work(buffer, block(grains.start)..block(grains.end))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Algorithm, BlockSize, HashType};

    /// Pieces of any geometry fit memory, and cut no hash block that one of them could make whole.
    #[test]
    fn pieces_are_bounded_and_end_where_hash_blocks_do() {
        let sizes = || (9..=19).map(|power| BlockSize::new(1 << power).unwrap());
        for (data_block_size, hash_block_size) in sizes().flat_map(|a| sizes().map(move |b| (a, b)))
        {
            for algorithm in Algorithm::ALL {
                for hash_type in [HashType::ChromeOs, HashType::Normal] {
                    let params = Params::builder()
                        .algorithm(*algorithm)
                        .hash_type(hash_type)
                        .data_block_size(data_block_size)
                        .hash_block_size(hash_block_size)
                        .data_blocks(1 << 40)
                        .build()
                        .unwrap();
                    check_pieces(&params);
                }
            }
        }
    }

    fn check_pieces(params: &Params) {
        let Pieces { grain, most, .. } = Pieces::new(params, 0..params.data_blocks());
        let per_block = params.geometry().hashes_per_block();
        let blocks = grain * most;
        let size = blocks * u64::from(params.data_block_size());
        let slots = blocks * u64::from(params.geometry().slot_size());
        assert!((GRAIN_SIZE..=PIECE_SIZE).contains(&size), "{params:?}");
        assert!(slots <= (1 << 20), "{params:?}");
        assert!(grain.is_multiple_of(per_block) || per_block.is_multiple_of(grain), "{params:?}");
        assert!(blocks.is_multiple_of(per_block) || per_block.is_multiple_of(blocks), "{params:?}");
        assert!(grain.is_multiple_of(params.data_block_size().blocks_in(RUN_SIZE)), "{params:?}");
    }
}
