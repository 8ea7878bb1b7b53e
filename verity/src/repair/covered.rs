//! What parity covers, as it lies on the devices.

use std::io::{self, ErrorKind};
use std::ops::Range;

use crate::io::ReadAt;
use crate::{FecArea, TrustedParams};

/// The covered blocks by number: the data, then the hash device from the first block of the tree on.
pub(super) struct Covered<'a, D: ?Sized, H: ?Sized> {
    data: &'a D,
    hash: &'a H,
    area: FecArea,
    data_blocks: u64,
    tree_start: u64,
}

impl<'a, D: ReadAt + ?Sized, H: ReadAt + ?Sized> Covered<'a, D, H> {
    pub(super) fn new(
        trusted: &TrustedParams,
        area: FecArea,
        data: &'a D,
        hash: &'a H,
    ) -> Covered<'a, D, H> {
        let data_blocks = trusted.params().data_blocks();
        let tree_start = trusted.hash_area().tree_range().start;
        Covered { data, hash, area, data_blocks, tree_start }
    }

    /// The covered blocks of a round: those of its rows from the first on that have any.
    pub(super) fn rows(&self, round: u64) -> u64 {
        self.area.blocks().saturating_sub(round).div_ceil(self.area.rounds())
    }

    /// The block of a round in a row.
    pub(super) fn block(&self, round: u64, row: u64) -> u64 {
        row * self.area.rounds() + round
    }

    /// Reads blocks in a row; what is behind the last covered one is zeros.
    pub(super) fn read(&self, blocks: &Range<u64>, bytes: &mut [u8]) -> io::Result<()> {
        let (data, rest) = self.split(blocks, self.data_blocks, bytes);
        let behind = blocks.start.max(self.data_blocks)..blocks.end;
        let (hash, rest) = self.split(&behind, self.area.blocks(), rest);
        rest.fill(0);
        if !data.is_empty() {
            self.data.read_exact_at(data, blocks.start * u64::from(self.area.block_size()))?;
        }
        if !hash.is_empty() {
            self.hash.read_exact_at(hash, self.offset(behind.start)?)?;
        }
        Ok(())
    }

    /// Reads blocks in a row. Those that cannot be read are zeros and go to `failed`.
    pub(super) fn read_each(
        &self,
        blocks: Range<u64>,
        bytes: &mut [u8],
        mut failed: impl FnMut(u64, io::Error),
    ) {
        if self.read(&blocks, bytes).is_ok() {
            return;
        }
        let one = self.area.block_size().buffer_len(1);
        for (block, bytes) in blocks.zip(bytes.chunks_exact_mut(one)) {
            if let Err(error) = self.read(&(block..block + 1), bytes) {
                bytes.fill(0);
                failed(block, error);
            }
        }
    }

    /// The bytes of those of the blocks that are below a limit, and the others.
    fn split<'b>(
        &self,
        blocks: &Range<u64>,
        limit: u64,
        bytes: &'b mut [u8],
    ) -> (&'b mut [u8], &'b mut [u8]) {
        let count = blocks.end.min(limit).saturating_sub(blocks.start);
        let len = self.area.block_size().buffer_len(usize::try_from(count).unwrap_or(usize::MAX));
        bytes.split_at_mut(len)
    }

    /// Where a block of the hash device begins. What an area that nobody vouches for covers may lie beyond 64 bits.
    fn offset(&self, block: u64) -> io::Result<u64> {
        let bytes = (block - self.data_blocks).checked_mul(u64::from(self.area.block_size()));
        let offset = bytes.and_then(|bytes| self.tree_start.checked_add(bytes));
        offset.ok_or_else(|| ErrorKind::UnexpectedEof.into())
    }
}
