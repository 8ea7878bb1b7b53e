//! Where parity lies, and what it covers.
//!
//! Arithmetic only. Source: the kernel's verity.rst and dm-verity-fec.c, and what `veritysetup`
//! writes.
//!
//! ```text
//!  covered blocks   |data 0 ... n-1|tree, from its first block on|what follows it|zeros|
//!                   block 0 ... `fec_blocks` - 1; zeros up to rounds · (255 - roots)
//!  round r          blocks r, r + rounds, r + 2·rounds, ...: 255 - roots of them, a row each
//!  codeword (r, b)  byte b of each of them, and `roots` bytes of parity
//!  parity           codeword (0, 0), (0, 1), ... (1, 0), ...: `roots` bytes each
//! ```

use std::ops::{Range, RangeInclusive};

use crate::number::to_u64;

use super::{BlockSize, HashArea, Params};

/// The bytes of a codeword.
pub(crate) const CODEWORD: usize = 255;

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

    /// The parity at `offset` bytes of the FEC device, `roots` bytes a codeword, over `blocks`
    /// blocks: the data, the tree, and as many blocks behind the tree as remain.
    ///
    /// # Errors
    /// When data and hash blocks differ in size, there are not 2 to 24 roots, the blocks are fewer
    /// than data and tree have, the offset is not a multiple of the block size, or the parity would
    /// end beyond 2^64 bytes.
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
        let size = area.rounds.checked_mul(area.round_size());
        let end = size.and_then(|size| offset.checked_add(size));
        end.map(|_| area).ok_or(FecError::TooLarge { offset })
    }

    /// The parity right behind the hash area, on the hash device: it covers data and tree, and
    /// nothing else.
    ///
    /// ```
    /// use verity::{FecArea, HashArea, Params};
    ///
    /// let params = Params::builder().data_blocks(300).build()?;
    /// let hash_area = HashArea::new(&params, 0, true)?;
    /// let fec_area = FecArea::behind_hash_area(&params, &hash_area, 2)?;
    /// assert_eq!((fec_area.blocks(), fec_area.range()), (304, 20480..36864));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`FecArea::new`].
    pub fn behind_hash_area(
        params: &Params,
        hash_area: &HashArea,
        roots: u32,
    ) -> Result<FecArea, FecError> {
        let blocks = params.data_blocks().saturating_add(hash_area.hash_blocks());
        FecArea::new(params, hash_area, roots, blocks, hash_area.end())
    }

    /// The parity at `offset` bytes of the FEC device over the data and everything from the first
    /// block of the tree up to `end` bytes of the hash device, a block that is not whole left out.
    ///
    /// That is what veritysetup has parity cover: on the hash device up to the parity (`end` is
    /// `offset`), on another one up to the end of the hash device (`end` is its size).
    ///
    /// # Errors
    /// As [`FecArea::new`]; the blocks are too few if the tree ends behind `end`.
    pub fn covering(
        params: &Params,
        hash_area: &HashArea,
        roots: u32,
        end: u64,
        offset: u64,
    ) -> Result<FecArea, FecError> {
        let on_hash_device = params.hash_block_size().whole_blocks(end);
        let behind = on_hash_device.saturating_sub(hash_area.hash_start());
        FecArea::new(params, hash_area, roots, params.data_blocks().saturating_add(behind), offset)
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

    /// How many blocks a round has, those of zeros behind the last covered one included: 255 less
    /// the roots.
    pub fn rows(&self) -> u64 {
        rows(self.roots)
    }

    /// The size of a block.
    pub fn block_size(&self) -> BlockSize {
        self.block_size
    }

    /// The first block of the parity, counted from the start of the FEC device, `fec_start`.
    pub fn start(&self) -> u64 {
        self.block_size.whole_blocks(self.offset)
    }

    /// The bytes of the parity on the FEC device.
    pub fn range(&self) -> Range<u64> {
        self.offset..self.offset.saturating_add(self.size())
    }

    /// The bytes of the parity of some rounds on the FEC device.
    pub(crate) fn range_of(&self, rounds: &Range<u64>) -> Range<u64> {
        let at = |round: u64| self.offset.saturating_add(round.saturating_mul(self.round_size()));
        at(rounds.start)..at(rounds.end)
    }

    /// How many bytes the parity has.
    pub fn size(&self) -> u64 {
        self.rounds.saturating_mul(self.round_size())
    }

    /// Where the covered blocks end on the hash device, in bytes.
    pub fn covered_end(&self, params: &Params, hash_area: &HashArea) -> u64 {
        let on_hash_device = self.blocks.saturating_sub(params.data_blocks());
        on_hash_device
            .checked_mul(u64::from(self.block_size))
            .and_then(|size| hash_area.tree_range().start.checked_add(size))
            .unwrap_or(u64::MAX)
    }

    /// Refuses parity that lies in the data, where both are on one device.
    ///
    /// # Errors
    /// When any byte of the parity lies before the end of the data.
    pub fn check_behind_data(&self, params: &Params) -> Result<(), FecError> {
        let (offset, data_size) = (self.offset, params.data_size());
        match offset < data_size {
            true => Err(FecError::OverlapsData { offset, data_size }),
            false => Ok(()),
        }
    }

    /// Refuses parity that lies in the hash area or in the covered blocks behind it, where both
    /// are on one device.
    ///
    /// # Errors
    /// When any byte of the parity lies before the end of the hash area, or before that of the
    /// covered blocks.
    pub fn check_behind_hash_area(
        &self,
        params: &Params,
        hash_area: &HashArea,
    ) -> Result<(), FecError> {
        let (offset, end) = (self.offset, hash_area.end());
        if offset < end {
            return Err(FecError::OverlapsHashArea { offset, end });
        }
        let end = self.covered_end(params, hash_area);
        match offset < end {
            true => Err(FecError::CoversItself { offset, end }),
            false => Ok(()),
        }
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

    /// How many bytes the parity of a round has.
    pub(crate) fn round_size(&self) -> u64 {
        u64::from(self.roots).saturating_mul(u64::from(self.block_size))
    }
}

fn rows(roots: u32) -> u64 {
    to_u64(CODEWORD).saturating_sub(u64::from(roots))
}

/// Parity that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FecError {
    /// Data and hash blocks share codewords, so they must have one size.
    #[error(
        "FEC needs equal block sizes, but data blocks have {data_block_size} bytes \
         and hash blocks {hash_block_size}"
    )]
    BlockSizes {
        /// The size of a data block.
        data_block_size: BlockSize,
        /// The size of a hash block.
        hash_block_size: BlockSize,
    },
    /// Less would be covered than there is.
    #[error("FEC is to cover {blocks} blocks, but data and tree have {least}")]
    Blocks {
        /// The blocks to be covered.
        blocks: u64,
        /// How many there are.
        least: u64,
    },
    /// The parity would overwrite what it is made of, or be made of itself.
    #[error("the parity at {offset} bytes lies in what it covers, which ends at {end} bytes")]
    CoversItself {
        /// Where the parity begins, in bytes.
        offset: u64,
        /// Where the covered blocks end on the same device, in bytes.
        end: u64,
    },
    /// The FEC area was made for blocks of another size.
    #[error("the FEC area was made for other parameters")]
    OtherParams,
    /// The parity would overwrite data.
    #[error(
        "the parity at {offset} bytes must lie behind the data, which ends at {data_size} bytes"
    )]
    OverlapsData {
        /// Where the parity begins, in bytes.
        offset: u64,
        /// Where the data ends, in bytes.
        data_size: u64,
    },
    /// The parity would overwrite superblock or tree.
    #[error(
        "the parity at {offset} bytes must lie behind the hash area, which ends at {end} bytes"
    )]
    OverlapsHashArea {
        /// Where the parity begins, in bytes.
        offset: u64,
        /// Where the hash area ends, in bytes.
        end: u64,
    },
    /// No such code.
    #[error("FEC has from 2 to 24 roots, not {roots}")]
    Roots {
        /// How many were asked for.
        roots: u32,
    },
    /// The FEC device shares some bytes with another one, but not their places.
    #[error("the FEC device lies on the same storage as the {other}, at another offset")]
    Shifted {
        /// The other one: `data` or `hash device`.
        other: &'static str,
    },
    /// The parity would end beyond 64 bits.
    #[error("parity at {offset} bytes would end beyond 2^64 bytes")]
    TooLarge {
        /// Where it was to begin, in bytes.
        offset: u64,
    },
    /// The kernel counts blocks from the start of the device.
    #[error("the FEC offset {offset} is not a multiple of {block_size} bytes")]
    Unaligned {
        /// Where the parity was to begin, in bytes.
        offset: u64,
        /// What that must be a multiple of.
        block_size: BlockSize,
    },
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
    fn rounds_behind_the_parity_are_at_no_offset_of_another_round() {
        let area = area(2, 304, 8192).unwrap();
        assert_eq!(area.range_of(&(1..2)), 16384..24576);
        assert_eq!(area.range_of(&(u64::MAX / 8192..u64::MAX)), u64::MAX..u64::MAX);
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

    /// veritysetup 2.6.1 accepts parity in the last block of the tree, as it forgets the
    /// superblock.
    #[test]
    fn g04_adjacent_is_allowed_and_one_block_less_is_not() {
        let params = Params::builder().data_blocks(300).build().unwrap();
        let hash_area = HashArea::new(&params, 300 * 4096, true).unwrap();
        let at = |block: u64, blocks| {
            FecArea::new(&params, &hash_area, 2, blocks, block * 4096).unwrap()
        };
        let check = |block, blocks| at(block, blocks).check_behind_hash_area(&params, &hash_area);
        check(305, 304).unwrap();
        let (offset, end) = (304 * 4096, 305 * 4096);
        assert_eq!(check(304, 304), Err(FecError::OverlapsHashArea { offset, end }));
        assert!(check(0, 304).is_err());
        check(306, 305).unwrap();
        let (offset, end) = (305 * 4096, 306 * 4096);
        assert_eq!(check(305, 305), Err(FecError::CoversItself { offset, end }));
        at(300, 304).check_behind_data(&params).unwrap();
        let (offset, data_size) = (299 * 4096, 300 * 4096);
        let overlaps = Err(FecError::OverlapsData { offset, data_size });
        assert_eq!(at(299, 304).check_behind_data(&params), overlaps);
    }

    #[test]
    fn what_is_covered_follows_from_where_the_hash_device_ends() {
        let params = Params::builder().data_blocks(300).build().unwrap();
        let hash_area = HashArea::new(&params, 0, true).unwrap();
        let covering = |end| FecArea::covering(&params, &hash_area, 2, end, 0);
        for (end, blocks) in [(20480, 304), (24575, 304), (24576, 305), (409_600, 399)] {
            let area = covering(end).unwrap();
            assert_eq!(area.blocks(), blocks);
            assert_eq!(area.covered_end(&params, &hash_area), end / 4096 * 4096);
        }
        for end in [0, 4096, 20479] {
            assert!(matches!(covering(end), Err(FecError::Blocks { least: 304, .. })));
        }
        assert!(matches!(covering(u64::MAX), Ok(area) if area.blocks() == (1 << 52) + 298));
        let behind = FecArea::behind_hash_area(&params, &hash_area, 24).unwrap();
        assert_eq!(behind, FecArea::covering(&params, &hash_area, 24, 20480, 20480).unwrap());
        behind.check_behind_hash_area(&params, &hash_area).unwrap();
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
