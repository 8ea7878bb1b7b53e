//! Where superblock and tree lie on the hash device.
//!
//! Arithmetic only: offsets in bytes, `hash_start` in hash blocks, and the overlaps that must not
//! be. Source: cryptsetup's on-disk format (the tree begins at the first whole hash block after the
//! superblock).

use std::ops::Range;

use super::Params;

/// The size of a superblock, in bytes.
pub(super) const SUPERBLOCK_SIZE: u64 = 512;

/// The place of the hash area on the hash device: an optional superblock, then the tree from its
/// highest level down.
///
/// ```
/// use verity::{HashArea, Params};
///
/// let params = Params::builder().data_blocks(300).build()?;
/// let area = HashArea::new(&params, 0, true)?;
/// assert_eq!(area.hash_start(), 1);
/// assert_eq!(area.tree_range(), 4096..20480);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashArea {
    offset: u64,
    superblock: bool,
    hash_start: u64,
    hash_blocks: u64,
    hash_block_size: u64,
}

impl HashArea {
    /// The hash area that begins at `offset` bytes of the hash device, with a superblock there or
    /// without.
    ///
    /// # Errors
    /// When the offset is not a multiple of 512 bytes (with a superblock) or of the hash block size
    /// (without: the kernel counts hash blocks), or the area would end beyond 2^64 bytes.
    pub fn new(params: &Params, offset: u64, superblock: bool) -> Result<HashArea, HashAreaError> {
        let hash_block_size = u64::from(params.hash_block_size());
        let alignment = if superblock { SUPERBLOCK_SIZE } else { hash_block_size };
        if !offset.is_multiple_of(alignment) {
            return Err(HashAreaError::Unaligned { offset, alignment });
        }
        let header = if superblock { SUPERBLOCK_SIZE } else { 0 };
        let too_large = HashAreaError::TooLarge { offset };
        let first_free = offset.checked_add(header).ok_or_else(|| too_large.clone())?;
        let hash_start = first_free.div_ceil(hash_block_size);
        let hash_blocks = params.geometry().hash_blocks();
        hash_start
            .checked_add(hash_blocks)
            .and_then(|end| end.checked_mul(hash_block_size))
            .ok_or(too_large)?;
        Ok(HashArea { offset, superblock, hash_start, hash_blocks, hash_block_size })
    }

    /// Where the hash area begins, in bytes: the superblock if there is one, else the tree.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether a superblock is part of it.
    pub fn has_superblock(&self) -> bool {
        self.superblock
    }

    /// The first hash block of the tree, counted in hash blocks from the start of the hash device.
    pub fn hash_start(&self) -> u64 {
        self.hash_start
    }

    /// How many hash blocks the tree has.
    pub fn hash_blocks(&self) -> u64 {
        self.hash_blocks
    }

    /// The bytes of the superblock: 512 of them, or none.
    pub fn superblock_range(&self) -> Range<u64> {
        let size = if self.superblock { SUPERBLOCK_SIZE } else { 0 };
        self.offset..self.offset.saturating_add(size)
    }

    /// The bytes of the superblock and of the padding behind it, up to the tree: at most one hash
    /// block. Empty without a superblock. It is what a manifest binds.
    pub fn superblock_region(&self) -> Range<u64> {
        let end = if self.superblock { self.tree_range().start } else { self.offset };
        self.offset..end
    }

    /// The bytes between the superblock and the tree, which belong to neither.
    pub fn padding_range(&self) -> Range<u64> {
        self.superblock_range().end..self.tree_range().start
    }

    /// The bytes of the tree; empty for one data block.
    pub fn tree_range(&self) -> Range<u64> {
        let start = self.hash_start.saturating_mul(self.hash_block_size);
        start..start.saturating_add(self.hash_blocks.saturating_mul(self.hash_block_size))
    }

    /// Where a hash block begins on the hash device, in bytes. The area must be that of these
    /// parameters.
    ///
    /// ```
    /// use verity::{HashArea, Params};
    ///
    /// // Three blocks of level 0, and one of level 1, which comes first.
    /// let params = Params::builder().data_blocks(300).build()?;
    /// let area = HashArea::new(&params, 0, true)?;
    /// assert_eq!((area.offset_of(&params, 1, 0), area.offset_of(&params, 0, 2)), (4096, 16384));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    /// If the tree has no such level.
    pub fn offset_of(&self, params: &Params, level: u8, block: u64) -> u64 {
        // `new` has checked that the end of the tree is below 2^64. What lies behind it lies at an
        // offset at which nothing can be read.
        let number = params.geometry().number_of(level, block);
        self.tree_range().start.saturating_add(number.saturating_mul(self.hash_block_size))
    }

    /// Where a block begins on the hash device that is counted from the first block of the tree,
    /// as parity covers them: in the tree or behind it. `None` beyond 2^64 bytes.
    pub(crate) fn covered_offset(&self, block: u64) -> Option<u64> {
        self.hash_start.checked_add(block)?.checked_mul(self.hash_block_size)
    }

    /// Where the hash area ends, in bytes.
    ///
    /// A superblock counts as a whole hash block even if no tree follows it.
    pub fn end(&self) -> u64 {
        self.tree_range().end
    }

    /// How long a file is at least that holds the hash area, in bytes: to its end, or nothing if
    /// there is neither a tree (one data block) nor a superblock.
    pub fn file_size(&self) -> u64 {
        if self.hash_blocks == 0 && !self.superblock { 0 } else { self.end() }
    }

    /// The bytes from the start of the hash area to its end.
    pub fn range(&self) -> Range<u64> {
        self.offset..self.end()
    }

    /// Refuses parameters whose tree is not the one this area was made for.
    pub(crate) fn check_belongs_to(&self, params: &Params) -> Result<(), HashAreaError> {
        let same = self.hash_blocks == params.geometry().hash_blocks()
            && self.hash_block_size == u64::from(params.hash_block_size());
        if same { Ok(()) } else { Err(HashAreaError::OtherParams) }
    }

    /// Refuses an area that lies in the data, where both are on one device.
    ///
    /// # Errors
    /// When any byte of the hash area lies before the end of the data.
    pub fn check_behind_data(&self, params: &Params) -> Result<(), HashAreaError> {
        let data_size = params.data_size();
        if self.offset < data_size {
            return Err(HashAreaError::OverlapsData { offset: self.offset, data_size });
        }
        Ok(())
    }
}

/// A place where no hash area can lie.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HashAreaError {
    /// The hash area was made for a tree of another size.
    #[error("the hash area was made for other parameters")]
    OtherParams,
    /// The hash area would overwrite data.
    #[error(
        "data and hash area overlap: the hash area at {offset} bytes lies in the data, \
         which ends at {data_size} bytes"
    )]
    OverlapsData {
        /// Where the hash area begins, in bytes.
        offset: u64,
        /// Where the data ends, in bytes.
        data_size: u64,
    },
    /// Data and hash device share some bytes, but not their places.
    #[error("the hash device lies on the same storage as the data, at another offset")]
    Shifted,
    /// The hash area would end beyond 64 bits.
    #[error("a hash area at {offset} bytes would end beyond 2^64 bytes")]
    TooLarge {
        /// Where the hash area begins, in bytes.
        offset: u64,
    },
    /// The offset is not on the grid.
    #[error("the hash area offset {offset} is not a multiple of {alignment} bytes")]
    Unaligned {
        /// Where the hash area was to begin, in bytes.
        offset: u64,
        /// What it must be a multiple of, in bytes.
        alignment: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(data_blocks: u64) -> Params {
        Params::builder().data_blocks(data_blocks).build().unwrap()
    }

    #[test]
    fn the_tree_begins_at_the_next_whole_hash_block() {
        let starts = [0, 512, 3584, 4096, 4608]
            .map(|offset| HashArea::new(&params(300), offset, true).unwrap().hash_start());
        assert_eq!(starts, [1, 1, 1, 2, 2]);
        assert_eq!(HashArea::new(&params(300), 8192, false).unwrap().hash_start(), 2);
    }

    #[test]
    fn s10_offsets_off_the_grid_or_beyond_64_bits_are_refused() {
        assert_eq!(
            HashArea::new(&params(300), 4607, true),
            Err(HashAreaError::Unaligned { offset: 4607, alignment: 512 })
        );
        assert_eq!(
            HashArea::new(&params(300), 4608, false),
            Err(HashAreaError::Unaligned { offset: 4608, alignment: 4096 })
        );
        let offset = u64::MAX - 511;
        assert_eq!(
            HashArea::new(&params(300), offset, true),
            Err(HashAreaError::TooLarge { offset })
        );
        let offset = u64::MAX - 4095;
        assert_eq!(
            HashArea::new(&params(300), offset, false),
            Err(HashAreaError::TooLarge { offset })
        );
    }

    #[test]
    fn a_block_behind_the_tree_is_at_no_offset_of_another_block() {
        let params = params(300);
        let area = HashArea::new(&params, 0, true).unwrap();
        for block in [u64::MAX / 4096, u64::MAX / 4096 + 1, u64::MAX - 1, u64::MAX] {
            assert_eq!(area.offset_of(&params, 0, block), u64::MAX, "{block}");
        }
    }

    #[test]
    fn hash_blocks_follow_one_another_from_the_highest_level_down() {
        let params = params(16_385);
        let area = HashArea::new(&params, 0, true).unwrap();
        let levels = [(2, 1), (1, 2), (0, 129)];
        let blocks = levels
            .into_iter()
            .flat_map(|(level, blocks)| (0..blocks).map(move |block| (level, block)));
        for (number, (level, block)) in (0..).zip(blocks) {
            let offset = area.offset_of(&params, level, block);
            assert_eq!(offset, 4096 + number * 4096);
            assert_eq!(area.covered_offset(number), Some(offset));
        }
        assert_eq!(area.covered_offset((1 << 52) - 2), Some(u64::MAX - 4095));
        assert_eq!(area.covered_offset((1 << 52) - 1), None);
        assert_eq!(area.covered_offset(u64::MAX), None);
    }

    #[test]
    fn g04_adjacent_is_allowed_and_one_sector_less_is_not() {
        let params = params(8);
        HashArea::new(&params, 8 * 4096, true).unwrap().check_behind_data(&params).unwrap();
        let overlapping = HashArea::new(&params, 8 * 4096 - 512, true).unwrap();
        assert!(overlapping.check_behind_data(&params).is_err());
    }
}
