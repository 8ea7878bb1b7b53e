//! The index by which RAUC finds blocks that a device has already: the SHA-256 of each 4 KiB of an
//! image, without salt, one after the other. RAUC's name for it is `block-hash-index`.

use std::ops::Range;

use crate::hash::BlockHasher;
use crate::io::WriteAt;
use crate::number::{to_len, to_u64};
use crate::work::{Kernels, Tap};
use crate::{Algorithm, BlockRef, BlockSize, Error, Params};

/// An index of blocks that is made beside a tree.
///
/// ```
/// use verity::io::MemoryFile;
/// use verity::{BlockIndex, Builder, HashArea, Params};
///
/// let image = vec![0x5a; 1 << 20];
/// let params = Params::builder().data_size(1 << 20).build()?;
/// let area = HashArea::new(&params, 0, false)?;
/// let (hash, index) = (MemoryFile::new(), MemoryFile::new());
/// let indexed = BlockIndex::new(&params, &index)?;
/// Builder::new(&params).block_index(&indexed).build(&image, &hash, &area)?;
/// assert_eq!(index.into_bytes().len(), 256 * 32);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct BlockIndex<'a> {
    target: &'a dyn WriteAt,
    hasher: BlockHasher,
    data_block_size: u64,
}

/// Why there is no index of the blocks of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockIndexError {
    /// Its data blocks are smaller than those of the index.
    #[error(
        "a block index has blocks of 4096 bytes, and the data blocks of {data_block_size} bytes \
         are smaller"
    )]
    SmallBlocks {
        /// The size of a data block.
        data_block_size: BlockSize,
    },
}

impl<'a> BlockIndex<'a> {
    /// An index that goes to the start of `target`; nothing is synced.
    ///
    /// # Errors
    /// When data blocks have less than 4096 bytes.
    pub fn new(
        params: &Params,
        target: &'a dyn WriteAt,
    ) -> Result<BlockIndex<'a>, BlockIndexError> {
        let data_block_size = params.data_block_size();
        let unsalted = Params::builder().data_blocks(1).build();
        match unsalted {
            Ok(unsalted) if u64::from(data_block_size) >= BLOCK => Ok(BlockIndex {
                target,
                hasher: Kernels::detect(Algorithm::Sha256).hasher(&unsalted),
                data_block_size: data_block_size.into(),
            }),
            _ => Err(BlockIndexError::SmallBlocks { data_block_size }),
        }
    }

    /// Takes data blocks from number `first_block` on.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub fn add(&self, first_block: u64, blocks: &[u8]) -> Result<(), Error> {
        let mut digests = vec![0; blocks.len() / to_len(BLOCK) * DIGEST];
        self.hasher.hash_many(blocks, to_len(BLOCK), &mut digests);
        self.write(first_block, &digests)
    }

    fn write(&self, first_block: u64, digests: &[u8]) -> Result<(), Error> {
        let offset = first_block * (self.data_block_size / BLOCK) * to_u64(DIGEST);
        let written = self.target.write_all_at(digests, offset);
        let block = BlockRef::Data { block: first_block };
        written.map_err(|source| Error::Write { block, source })
    }
}

impl Tap for BlockIndex<'_> {
    fn data(&self, first_block: u64, blocks: &[u8]) -> Result<(), Error> {
        self.add(first_block, blocks)
    }

    fn hole(&self, blocks: Range<u64>) -> Result<(), Error> {
        let zero = self.hasher.hash_one(&vec![0; to_len(BLOCK)]);
        let count = (blocks.end - blocks.start) * (self.data_block_size / BLOCK);
        self.write(blocks.start, &zero.as_bytes().repeat(to_len(count)))
    }
}

/// The size of a block of the index, in bytes.
const BLOCK: u64 = 4096;
/// The size of a digest in it, in bytes.
const DIGEST: usize = 32;
