//! Where closed hash blocks go.

use crate::io::{WriteAt, first_failing};
use crate::{BlockRef, Error, HashArea, Params};

/// Takes hash blocks as the assembler closes them, from any thread.
pub(super) trait HashSink: Sync {
    /// Takes the hash blocks of `level` from number `first` on, back to back.
    fn hash_blocks(&self, level: u8, first: u64, bytes: &[u8]) -> Result<(), Error>;
}

/// Writes each hash block to its place in a hash area.
pub(super) struct AreaSink<'a, W: ?Sized> {
    hash: &'a W,
    tree_start: u64,
    params: &'a Params,
}

impl<'a, W: WriteAt + ?Sized> AreaSink<'a, W> {
    pub(super) fn new(hash: &'a W, area: &HashArea, params: &'a Params) -> Self {
        AreaSink { hash, tree_start: area.tree_range().start, params }
    }
}

impl<W: WriteAt + ?Sized> HashSink for AreaSink<'_, W> {
    fn hash_blocks(&self, level: u8, first: u64, bytes: &[u8]) -> Result<(), Error> {
        let start = self.params.geometry().levels()[usize::from(level)].start;
        let block_size = u64::from(self.params.hash_block_size());
        let offset = self.tree_start + (start + first) * block_size;
        self.hash.write_all_at(bytes, offset).map_err(|error| {
            let block_len = self.params.hash_block_size().buffer_len(1);
            let mut blocks = bytes.chunks_exact(block_len);
            let (index, source) =
                first_failing(error, u64::try_from(blocks.len()).unwrap_or(0), |index| {
                    let block = blocks.next().unwrap_or_default();
                    self.hash.write_all_at(block, offset + index * block_size)
                });
            Error::Write { block: BlockRef::Hash { level, block: first + index }, source }
        })
    }
}
