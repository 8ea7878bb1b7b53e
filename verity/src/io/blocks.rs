//! Blocks in a row that are read or written with one call; and where that fails, which of them it
//! was.

use std::io;
use std::ops::Range;

use crate::number::to_u64;

use super::{ReadAt, Source, WriteAt};

/// The first of some blocks that could not be read or written, and why.
#[derive(Debug)]
pub(crate) struct FailedBlock {
    /// How many blocks come before it.
    pub(crate) index: u64,
    pub(crate) error: io::Error,
}

/// Reads blocks of `block_len` bytes from `offset` bytes on.
pub(crate) fn read_blocks<R: ReadAt + ?Sized>(
    source: &R,
    bytes: &mut [u8],
    block_len: usize,
    offset: u64,
) -> Result<(), FailedBlock> {
    let blocks = to_u64(bytes.len() / block_len);
    let read = source.read_exact_at(bytes, offset);
    read.map_err(|error| first_unreadable(source, error, blocks, block_len, offset))
}

/// Writes blocks of `block_len` bytes from `offset` bytes on.
pub(crate) fn write_blocks<W: WriteAt + ?Sized>(
    target: &W,
    bytes: &[u8],
    block_len: usize,
    offset: u64,
) -> Result<(), FailedBlock> {
    target.write_all_at(bytes, offset).map_err(|error| {
        let blocks = (0..).zip(bytes.chunks_exact(block_len));
        let alone = blocks
            .map(|(index, block)| target.write_all_at(block, offset + index * to_u64(block_len)));
        first_failing(error, alone)
    })
}

/// Which of some blocks it is that cannot be read, after all at once failed with `error`.
pub(crate) fn first_unreadable<S: Source + ?Sized>(
    source: &S,
    error: io::Error,
    blocks: u64,
    block_len: usize,
    offset: u64,
) -> FailedBlock {
    let mut block = vec![0; block_len];
    let offsets = (0..blocks).map(|index| offset + index * to_u64(block_len));
    first_failing(error, offsets.map(|offset| source.source_read_exact_at(&mut block, offset)))
}

/// Reads blocks at once or, where that fails, each by itself. `bytes` has `len` bytes for each of
/// them, which `read` fills; those that it cannot fill go to `failed`.
pub(crate) fn read_each<E>(
    blocks: Range<u64>,
    bytes: &mut [u8],
    len: usize,
    mut read: impl FnMut(Range<u64>, &mut [u8]) -> Result<(), E>,
    mut failed: impl FnMut(u64, &mut [u8], E),
) {
    if read(blocks.clone(), bytes).is_ok() {
        return;
    }
    for (block, bytes) in blocks.zip(bytes.chunks_exact_mut(len)) {
        if let Err(error) = read(block..block + 1, bytes) {
            failed(block, bytes, error);
        }
    }
}

/// The first failure of blocks that are tried one by one, so that a report names the right one
/// whatever went with it.
fn first_failing(error: io::Error, alone: impl Iterator<Item = io::Result<()>>) -> FailedBlock {
    let mut failures = (0..).zip(alone);
    let failed = failures.find_map(|(index, done)| Some(FailedBlock { index, error: done.err()? }));
    // This time every one went well; the failure happened all the same.
    failed.unwrap_or(FailedBlock { index: 0, error })
}
