//! What parity covers, as it lies on the devices.

use std::io::{self, ErrorKind};
use std::ops::Range;

use crate::io::{ReadAt, read_each};
use crate::number::to_len;
use crate::{FecArea, HashArea, TrustedParams};

/// The covered blocks by number: the data, then the hash device from the first block of the tree
/// on.
pub(super) struct Covered<'a, D: ?Sized, H: ?Sized> {
    data: &'a D,
    hash: &'a H,
    area: FecArea,
    data_blocks: u64,
    hash_area: HashArea,
}

impl<'a, D: ReadAt + ?Sized, H: ReadAt + ?Sized> Covered<'a, D, H> {
    pub(super) fn new(
        trusted: &TrustedParams,
        area: FecArea,
        data: &'a D,
        hash: &'a H,
    ) -> Covered<'a, D, H> {
        let data_blocks = trusted.params().data_blocks();
        Covered { data, hash, area, data_blocks, hash_area: trusted.hash_area() }
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
    fn read(&self, blocks: &Range<u64>, bytes: &mut [u8]) -> io::Result<()> {
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

    /// Reads blocks in a row. Those that cannot be read are zeros and go to `failed`. A failure of
    /// a whole source is an error: see `is_about_source` of the module `io`.
    pub(super) fn read_each(
        &self,
        blocks: Range<u64>,
        bytes: &mut [u8],
        mut failed: impl FnMut(u64, io::Error),
    ) -> io::Result<()> {
        let one = self.area.block_size().buffer_len(1);
        let read = |blocks, bytes: &mut [u8]| self.read(&blocks, bytes);
        read_each(blocks, bytes, one, read, |block, bytes, error| {
            bytes.fill(0);
            failed(block, error);
        })
    }

    /// The bytes of those of the blocks that are below a limit, and the others.
    fn split<'b>(
        &self,
        blocks: &Range<u64>,
        limit: u64,
        bytes: &'b mut [u8],
    ) -> (&'b mut [u8], &'b mut [u8]) {
        let count = blocks.end.min(limit).saturating_sub(blocks.start);
        let len = self.area.block_size().buffer_len(to_len(count));
        bytes.split_at_mut(len)
    }

    /// Where a block of the hash device begins. Nobody vouches for what an area covers, so that it
    /// may lie beyond 64 bits.
    fn offset(&self, block: u64) -> io::Result<u64> {
        let offset = self.hash_area.covered_offset(block - self.data_blocks);
        offset.ok_or_else(|| ErrorKind::UnexpectedEof.into())
    }
}
