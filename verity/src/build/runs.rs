//! Reads data in runs: one buffer at a time, each read once, hashed, and handed on.

use crate::hash::BlockHasher;
use crate::io::{RUN_SIZE, Source};
use crate::run::{Run, RunBuffer};
use crate::{Error, Params, Progress, parallel, progress};

use super::assembler::Assembler;

/// A data source, to be read in runs.
pub(super) struct Runs<'a, S: ?Sized> {
    pub(super) source: &'a S,
    pub(super) params: &'a Params,
    pub(super) hasher: &'a BlockHasher,
    pub(super) progress: &'a dyn Progress,
}

/// Something that also wants every run: a copy, parity, a digest of the whole image. Called from many
/// threads, each run once, in no promised order.
pub(super) trait Tap: Sync {
    /// Takes one run.
    fn run(&self, run: &Run<'_>) -> Result<(), Error>;
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
        let per_run = self.params.data_block_size().blocks_in(RUN_SIZE);
        let data_blocks = self.params.data_blocks();
        parallel::in_order(data_blocks.div_ceil(per_run), RunBuffer::default, |buffer, run| {
            let first = run * per_run;
            let blocks = per_run.min(data_blocks - first);
            let run = buffer.fill(self.source, self.params, self.hasher, first, blocks)?;
            assembler.push(run.first_block, run.digests)?;
            for tap in taps {
                tap.run(&run)?;
            }
            progress::advance(self.progress, blocks * u64::from(self.params.data_block_size()))
        })
    }
}
