//! A copy of the data, written while it is hashed: what is read once is copy and tree.

use std::ops::Range;

use crate::io::WriteAt;
use crate::work::Tap;
use crate::{BlockRef, Error, Params};

/// What becomes of holes in a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopiedHoles {
    /// Nothing is written: the target has zeros there, as a new file does.
    Kept,
    /// Zeros are written.
    Written,
}

/// Writes every block to its place in a copy.
#[derive(Clone, Copy)]
pub(super) struct CopyTap<'a> {
    target: &'a dyn WriteAt,
    block_size: u64,
    holes: CopiedHoles,
}

impl<'a> CopyTap<'a> {
    pub(super) fn new(target: &'a dyn WriteAt, params: &Params, holes: CopiedHoles) -> Self {
        CopyTap { target, block_size: params.data_block_size().into(), holes }
    }

    fn write(&self, block: u64, bytes: &[u8]) -> Result<(), Error> {
        let written = self.target.write_all_at(bytes, block * self.block_size);
        written.map_err(|source| Error::Write { block: BlockRef::Data { block }, source })
    }
}

impl Tap for CopyTap<'_> {
    fn data(&self, first_block: u64, blocks: &[u8]) -> Result<(), Error> {
        self.write(first_block, blocks)
    }

    fn hole(&self, blocks: Range<u64>) -> Result<(), Error> {
        if self.holes == CopiedHoles::Kept {
            return Ok(());
        }
        // Runs are short: no more zeros are in memory than data would be.
        let zeros = vec![0; usize::try_from(self.block_size).unwrap_or(usize::MAX)];
        blocks.into_iter().try_for_each(|block| self.write(block, &zeros))
    }
}
