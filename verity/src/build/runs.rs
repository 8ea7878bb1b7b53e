//! Reads data in runs: one buffer at a time, each read once, hashed, and handed on.

use crate::hash::BlockHasher;
use crate::io::{RUN_SIZE, Source};
use crate::{BlockRef, Error, Params, Progress, parallel, progress};

use super::assembler::Assembler;

/// A data source, to be read in runs.
pub(super) struct Runs<'a, S: ?Sized> {
    pub(super) source: &'a S,
    pub(super) params: &'a Params,
    pub(super) hasher: &'a BlockHasher,
    pub(super) progress: &'a dyn Progress,
}

/// Some data blocks in a row, read and hashed.
#[expect(dead_code, reason = "what taps take; the assembler needs only the digests")]
pub(super) struct Run<'a> {
    /// The number of the first data block.
    pub(super) first_block: u64,
    /// The data blocks, back to back.
    pub(super) data: &'a [u8],
    /// Their digests, back to back.
    pub(super) digests: &'a [u8],
}

/// Something that also wants every run: a copy, parity, a digest of the whole image. Called from many
/// threads, each run once, in no promised order.
pub(super) trait Tap: Sync {
    /// Takes one run.
    fn run(&self, run: &Run<'_>) -> Result<(), Error>;
}

/// What a thread keeps from run to run.
struct Buffers {
    data: Vec<u8>,
    digests: Vec<u8>,
}

impl<S: Source + ?Sized> Runs<'_, S> {
    /// Reads and hashes every data block, and hands each run to the assembler and to the taps.
    pub(super) fn for_each(
        &self,
        assembler: &Assembler<'_>,
        taps: &[&dyn Tap],
    ) -> Result<(), Error> {
        progress::advance(self.progress, 0)?;
        // Digests in a hash block and blocks in `RUN_SIZE` are powers of two, so that a run fills a part of a
        // hash block, or whole ones: those the assembler closes at once.
        let run_blocks = self.params.data_block_size().blocks_in(RUN_SIZE);
        let runs = self.params.data_blocks().div_ceil(run_blocks);
        parallel::in_order(
            runs,
            || Buffers { data: Vec::new(), digests: Vec::new() },
            |buffers, run| {
                let first_block = run * run_blocks;
                let blocks = run_blocks.min(self.params.data_blocks() - first_block);
                let run = self.read(first_block, blocks, buffers)?;
                assembler.push(first_block, run.digests)?;
                for tap in taps {
                    tap.run(&run)?;
                }
                progress::advance(self.progress, blocks * u64::from(self.params.data_block_size()))
            },
        )
    }

    fn read<'b>(
        &'b self,
        first_block: u64,
        blocks: u64,
        buffers: &'b mut Buffers,
    ) -> Result<Run<'b>, Error> {
        let block_size = self.params.data_block_size();
        // A run has at most `RUN_SIZE` / 512 blocks.
        let blocks = usize::try_from(blocks).unwrap_or(usize::MAX);
        buffers.data.resize(block_size.buffer_len(blocks), 0);
        buffers.digests.resize(blocks * self.hasher.digest_size(), 0);
        let offset = first_block * u64::from(block_size);
        let data = self.source.run(offset, &mut buffers.data).map_err(|source| Error::Read {
            block: BlockRef::Data { block: first_block },
            source,
        })?;
        self.hasher.hash_many(data, block_size.buffer_len(1), &mut buffers.digests);
        Ok(Run { first_block, data, digests: &buffers.digests })
    }
}
