//! Where parity lies, and what it covers.
//!
//! Arithmetic only. Source: the kernel's verity.rst and dm-verity-fec.c, and what `veritysetup` writes.
//!
//! ```text
//!  covered blocks   |data block 0 ... n-1|tree, from its first block on, and what follows it ...|zeros|
//!                    message block 0                                       `fec_blocks` - 1 ^    ^ up to rounds · (255 - roots)
//!  round r          blocks r, r + rounds, r + 2·rounds, ...: 255 - roots of them, one in each row
//!  codeword (r, b)  byte b of each of them, and `roots` bytes of parity
//!  parity           codeword (0, 0), (0, 1), ... (1, 0), ...: `roots` bytes each
//! ```

use std::io::ErrorKind;
use std::ops::{Range, RangeInclusive};

use crate::io::ReadAt;
use crate::{BlockSize, Error, HashArea, Params};

use super::FecError;
use super::code::CODEWORD;

/// The place of the parity on the FEC device, and the blocks that it covers.
///
/// ```
/// use verity::{FecArea, HashArea, Params};
///
/// let params = Params::builder().data_blocks(300).build()?;
/// let hash_area = HashArea::new(&params, 0, true)?;
/// let fec_area = FecArea::new(&params, &hash_area, 2, 304, 0)?;
/// // 304 blocks in rows of two: two rounds of 253 rows, two parity blocks each.
/// assert_eq!((fec_area.rounds(), fec_area.range()), (2, 0..16384));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FecArea {
    roots: u32,
    blocks: u64,
    rounds: u64,
    offset: u64,
    block_size: BlockSize,
}

impl FecArea {
    /// How many roots there may be: 2 to 24.
    pub const ROOTS: RangeInclusive<u32> = 2..=24;

    /// The parity at `offset` bytes of the FEC device, `roots` bytes a codeword, over `blocks` blocks: the data, the
    /// tree, and as many blocks behind the tree as remain.
    ///
    /// # Errors
    /// When data and hash blocks differ in size, there are not 2 to 24 roots, the blocks are fewer than data and
    /// tree have, the offset is not a multiple of the block size, or the parity would end beyond 2^64 bytes.
    pub fn new(
        params: &Params,
        hash_area: &HashArea,
        roots: u32,
        blocks: u64,
        offset: u64,
    ) -> Result<FecArea, FecError> {
        let (data_block_size, hash_block_size) =
            (params.data_block_size(), params.hash_block_size());
        if data_block_size != hash_block_size {
            return Err(FecError::BlockSizes { data_block_size, hash_block_size });
        }
        if !FecArea::ROOTS.contains(&roots) {
            return Err(FecError::Roots { roots });
        }
        let least = params.data_blocks().saturating_add(hash_area.hash_blocks());
        if blocks < least {
            return Err(FecError::Blocks { blocks, least });
        }
        let block_size = data_block_size;
        if !offset.is_multiple_of(u64::from(block_size)) {
            return Err(FecError::Unaligned { offset, block_size });
        }
        let area =
            FecArea { roots, blocks, rounds: blocks.div_ceil(rows(roots)), offset, block_size };
        let size = area.rounds.checked_mul(u64::from(roots) * u64::from(block_size));
        let end = size.and_then(|size| offset.checked_add(size));
        end.map(|_| area).ok_or(FecError::TooLarge { offset })
    }

    /// Parity bytes a codeword, `fec_roots`.
    pub fn roots(&self) -> u32 {
        self.roots
    }

    /// How many blocks are covered, `fec_blocks`.
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// How many rounds there are: blocks that lie that far apart share their codewords.
    pub fn rounds(&self) -> u64 {
        self.rounds
    }

    /// How many blocks a round has, those of zeros behind the last covered one included: 255 less the roots.
    pub fn rows(&self) -> u64 {
        rows(self.roots)
    }

    /// The size of a block.
    pub fn block_size(&self) -> BlockSize {
        self.block_size
    }

    /// The first block of the parity, counted from the start of the FEC device, `fec_start`.
    pub fn start(&self) -> u64 {
        self.offset / u64::from(self.block_size)
    }

    /// The bytes of the parity on the FEC device.
    pub fn range(&self) -> Range<u64> {
        self.offset..self.offset + self.rounds * self.round_size()
    }

    /// The bytes of the parity of some rounds on the FEC device.
    pub(crate) fn range_of(&self, rounds: &Range<u64>) -> Range<u64> {
        self.offset + rounds.start * self.round_size()..self.offset + rounds.end * self.round_size()
    }

    /// Refuses an area that was made for other parameters.
    pub(crate) fn check_belongs_to(
        &self,
        params: &Params,
        hash_area: &HashArea,
    ) -> Result<(), FecError> {
        FecArea::new(params, hash_area, self.roots, self.blocks, self.offset).map(drop)?;
        match self.block_size == params.data_block_size() {
            true => Ok(()),
            false => Err(FecError::OtherParams),
        }
    }

    /// Refuses a FEC device that ends before the parity does.
    pub(crate) fn check_length(&self, fec: &(impl ReadAt + ?Sized)) -> Result<(), Error> {
        let (end, actual) = (self.range().end, fec.len()?);
        if actual < end {
            let round = actual.saturating_sub(self.offset) / self.round_size();
            return Err(Error::ReadParity { round, source: ErrorKind::UnexpectedEof.into() });
        }
        Ok(())
    }

    fn round_size(&self) -> u64 {
        u64::from(self.roots) * u64::from(self.block_size)
    }
}

fn rows(roots: u32) -> u64 {
    u64::try_from(CODEWORD).unwrap_or_default() - u64::from(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(roots: u32, blocks: u64, offset: u64) -> Result<FecArea, FecError> {
        let params = Params::builder().data_blocks(300).build().unwrap();
        let hash_area = HashArea::new(&params, 0, true).unwrap();
        FecArea::new(&params, &hash_area, roots, blocks, offset)
    }

    #[test]
    fn rounds_are_those_of_veritysetup() {
        assert_eq!(area(2, 304, 0).unwrap().rounds(), 2);
        assert_eq!(area(2, 506, 0).unwrap().rounds(), 2);
        assert_eq!(area(2, 507, 0).unwrap().rounds(), 3);
        assert_eq!(area(24, 462, 0).unwrap().rounds(), 2);
        assert_eq!(area(24, 463, 8192).unwrap().range(), 8192..8192 + 3 * 24 * 4096);
    }

    #[test]
    fn f04_what_cannot_be_is_refused() {
        for roots in [0, 1, 25, 255, u32::MAX] {
            assert_eq!(area(roots, 304, 0), Err(FecError::Roots { roots }));
        }
        assert_eq!(area(2, 303, 0), Err(FecError::Blocks { blocks: 303, least: 304 }));
        let block_size = BlockSize::default();
        assert_eq!(area(2, 304, 512), Err(FecError::Unaligned { offset: 512, block_size }));
        assert!(matches!(area(2, u64::MAX, 0), Err(FecError::TooLarge { .. })));
        let offset = u64::MAX - 4095;
        assert_eq!(area(2, 304, offset), Err(FecError::TooLarge { offset }));
    }

    #[test]
    fn f10_unequal_block_sizes_are_refused() {
        let params =
            Params::builder().data_blocks(300).data_block_size(BlockSize::MIN).build().unwrap();
        let hash_area = HashArea::new(&params, 0, true).unwrap();
        let refused = FecArea::new(&params, &hash_area, 2, 1000, 0);
        assert!(matches!(refused, Err(FecError::BlockSizes { .. })));
    }
}
