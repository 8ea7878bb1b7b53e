//! Where closed hash blocks go.

use crate::io::{FailedBlock, WriteAt, write_blocks};
use crate::{BlockRef, Error, HashArea, Params};

/// Takes hash blocks as the assembler closes them, from any thread.
pub(super) trait HashSink: Send + Sync {
    /// Takes the hash blocks of `level` from number `first` on, back to back.
    fn hash_blocks(&self, level: u8, first: u64, bytes: &[u8]) -> Result<(), Error>;
}

impl<S: HashSink + ?Sized> HashSink for &S {
    fn hash_blocks(&self, level: u8, first: u64, bytes: &[u8]) -> Result<(), Error> {
        (**self).hash_blocks(level, first, bytes)
    }
}

/// Writes each hash block to its place in a hash area.
pub(super) struct AreaSink<W> {
    hash: W,
    area: HashArea,
    params: Params,
}

impl<W: WriteAt> AreaSink<W> {
    pub(super) fn new(hash: W, area: &HashArea, params: &Params) -> Self {
        AreaSink { hash, area: *area, params: params.clone() }
    }
}

impl<W: WriteAt> HashSink for AreaSink<W> {
    fn hash_blocks(&self, level: u8, first: u64, bytes: &[u8]) -> Result<(), Error> {
        let offset = self.area.offset_of(&self.params, level, first);
        let block_len = self.params.hash_block_size().buffer_len(1);
        write_hash_blocks(&self.hash, level, first, bytes, (block_len, offset))
    }
}

/// Writes hash blocks of some length, one behind the other, to an offset.
pub(super) fn write_hash_blocks(
    hash: &impl WriteAt,
    level: u8,
    first: u64,
    bytes: &[u8],
    (block_len, offset): (usize, u64),
) -> Result<(), Error> {
    let written = write_blocks(hash, bytes, block_len, offset);
    written.map_err(|FailedBlock { index, error: source }| Error::Write {
        block: BlockRef::Hash { level, block: first + index },
        source,
    })
}
