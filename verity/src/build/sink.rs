//! Where closed hash blocks go.

use crate::io::{FailedBlock, WriteAt, write_blocks};
use crate::{BlockRef, Error, HashArea, Params};

/// Takes hash blocks as the assembler closes them, from any thread.
pub(super) trait HashSink: Sync {
    /// Takes the hash blocks of `level` from number `first` on, back to back.
    fn hash_blocks(&self, level: u8, first: u64, bytes: &[u8]) -> Result<(), Error>;
}

/// Writes each hash block to its place in a hash area.
pub(super) struct AreaSink<'a, W: ?Sized> {
    hash: &'a W,
    area: HashArea,
    params: &'a Params,
}

impl<'a, W: WriteAt + ?Sized> AreaSink<'a, W> {
    pub(super) fn new(hash: &'a W, area: &HashArea, params: &'a Params) -> Self {
        AreaSink { hash, area: *area, params }
    }
}

impl<W: WriteAt + ?Sized> HashSink for AreaSink<'_, W> {
    fn hash_blocks(&self, level: u8, first: u64, bytes: &[u8]) -> Result<(), Error> {
        let offset = self.area.offset_of(self.params, level, first);
        let block_len = self.params.hash_block_size().buffer_len(1);
        let written = write_blocks(self.hash, bytes, block_len, offset);
        written.map_err(|FailedBlock { index, error: source }| Error::Write {
            block: BlockRef::Hash { level, block: first + index },
            source,
        })
    }
}
