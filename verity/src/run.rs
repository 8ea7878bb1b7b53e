//! A run of data blocks: read with one call, hashed at once.

use std::io::{self, ErrorKind};

use crate::hash::BlockHasher;
use crate::io::{Source, first_unreadable};
use crate::{BlockRef, Error, Params};

/// Some data blocks in a row, read and hashed.
pub(crate) struct Run<'a> {
    /// The number of the first data block.
    pub(crate) first_block: u64,
    /// The data blocks, back to back.
    #[expect(dead_code, reason = "for the builder's taps, of which there are none yet")]
    pub(crate) data: &'a [u8],
    /// Their digests, back to back.
    pub(crate) digests: &'a [u8],
}

/// What a thread reuses from run to run.
#[derive(Default)]
pub(crate) struct RunBuffer {
    data: Vec<u8>,
    digests: Vec<u8>,
}

impl RunBuffer {
    /// Reads and hashes `blocks` data blocks, as many as fit memory, from number `first_block` on.
    pub(crate) fn fill<'b, S: Source + ?Sized>(
        &'b mut self,
        source: &'b S,
        params: &Params,
        hasher: &BlockHasher,
        first_block: u64,
        blocks: u64,
    ) -> Result<Run<'b>, Error> {
        let block_size = params.data_block_size();
        let blocks = usize::try_from(blocks).unwrap_or(usize::MAX);
        self.data.resize(block_size.buffer_len(blocks), 0);
        self.digests.resize(blocks * hasher.digest_size(), 0);
        let offset = first_block * u64::from(block_size);
        let len = self.data.len();
        let data = match source.run(offset, &mut self.data) {
            Ok(data) if data.len() == len => data,
            Ok(_) => return Err(unreadable(first_block, ErrorKind::InvalidData.into())),
            Err(error) => {
                let read = |buf: &mut [u8], at| source.run(at, buf).map(drop);
                let block_len = block_size.buffer_len(1);
                let (index, error) = first_unreadable(error, blocks, block_len, offset, read);
                return Err(unreadable(first_block + index, error));
            }
        };
        hasher.hash_many(data, block_size.buffer_len(1), &mut self.digests);
        Ok(Run { first_block, data, digests: &self.digests })
    }
}

fn unreadable(block: u64, source: io::Error) -> Error {
    Error::Read { block: BlockRef::Data { block }, source }
}
