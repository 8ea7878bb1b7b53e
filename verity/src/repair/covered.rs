//! What parity covers, as it lies on the devices.

use std::io::{self, ErrorKind};
use std::ops::Range;

use crate::io::{ReadAt, read_each};
use crate::number::to_len;
use crate::{Error, FecArea, HashArea, TrustedParams};

use super::blocks::Numbers;

/// The covered blocks by number: the data, then the hash device from the first block of the tree
/// on.
pub(super) struct Covered<'a, D: ?Sized, H: ?Sized> {
    data: &'a D,
    hash: &'a H,
    area: FecArea,
    numbers: Numbers<'a>,
    data_blocks: u64,
    hash_area: HashArea,
}

impl<'a, D: ReadAt + ?Sized, H: ReadAt + ?Sized> Covered<'a, D, H> {
    pub(super) fn new(
        trusted: &'a TrustedParams,
        area: FecArea,
        data: &'a D,
        hash: &'a H,
    ) -> Covered<'a, D, H> {
        let (numbers, hash_area) = (Numbers::new(trusted.params()), trusted.hash_area());
        let data_blocks = trusted.params().data_blocks();
        Covered { data, hash, area, numbers, data_blocks, hash_area }
    }

    /// The covered blocks of a round: those of its rows from the first on that have any.
    pub(super) fn rows(&self, round: u64) -> u64 {
        self.area.blocks().saturating_sub(round).div_ceil(self.area.rounds())
    }

    /// The block of a round in a row.
    pub(super) fn block(&self, round: u64, row: u64) -> u64 {
        row * self.area.rounds() + round
    }

    /// Reads blocks in a row; what is behind the last covered one is zeros. Those that cannot be
    /// read are zeros and go to `failed`.
    ///
    /// # Errors
    /// The failure of a whole source: see `is_about_source` of the module `io`.
    pub(super) fn read_each(
        &self,
        blocks: Range<u64>,
        bytes: &mut [u8],
        mut failed: impl FnMut(u64, io::Error),
    ) -> Result<(), Error> {
        let (data, rest) = self.split(&blocks, self.data_blocks, bytes);
        let behind = blocks.start.max(self.data_blocks)..blocks.end;
        let (hash, rest) = self.split(&behind, self.area.blocks(), rest);
        rest.fill(0);
        let block_size = u64::from(self.area.block_size());
        let read_data = |blocks: Range<u64>, bytes: &mut [u8]| {
            self.data.read_exact_at(bytes, blocks.start * block_size)
        };
        let read_hash = |blocks: Range<u64>, bytes: &mut [u8]| {
            self.hash.read_exact_at(bytes, self.offset(blocks.start)?)
        };
        let (on_data, on_hash) = (
            blocks.start..blocks.end.min(self.data_blocks),
            behind.start..behind.end.min(self.area.blocks()),
        );
        let mut failed = |block, bytes: &mut [u8], error| {
            bytes.fill(0);
            failed(block, error);
        };
        let one = self.area.block_size().buffer_len(1);
        if !data.is_empty() {
            read_each(on_data, data, one, read_data, &mut failed).map_err(|at| self.error(at))?;
        }
        if !hash.is_empty() {
            read_each(on_hash, hash, one, read_hash, &mut failed).map_err(|at| self.error(at))?;
        }
        Ok(())
    }

    /// The failure of a read of a block.
    pub(super) fn error(&self, (block, source): (u64, io::Error)) -> Error {
        match self.numbers.name(block) {
            Some(block) => Error::Read { block, source },
            // Behind the tree.
            None => Error::Io(source),
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
