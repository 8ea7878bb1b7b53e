//! Blocks: their size, and which one is meant.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::number::to_len;

use super::ParamsError;

/// The size of a data block or a hash block: a power of two from 512 to 524288 bytes.
///
/// The limits are those of cryptsetup's on-disk format. The kernel activates a device only if its
/// data blocks are no larger than a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockSize(u32);

impl BlockSize {
    /// The smallest block, in bytes.
    pub const MIN: BlockSize = BlockSize(512);
    /// The largest block, in bytes.
    pub const MAX: BlockSize = BlockSize(512 * 1024);

    /// A block size of that many bytes.
    ///
    /// # Errors
    /// When it is not a power of two from 512 to 524288.
    pub fn new(bytes: u32) -> Result<BlockSize, ParamsError> {
        let allowed = bytes.is_power_of_two() && (Self::MIN.0..=Self::MAX.0).contains(&bytes);
        if allowed { Ok(BlockSize(bytes)) } else { Err(ParamsError::BlockSize { bytes }) }
    }

    /// The size in bytes.
    pub fn bytes(self) -> u32 {
        self.0
    }

    /// How many whole blocks there are in `bytes` bytes.
    pub(crate) fn whole_blocks(self, bytes: u64) -> u64 {
        // Never of 0 bytes, which the compiler cannot know.
        bytes.checked_div(u64::from(self.0)).unwrap_or(0)
    }

    /// How many blocks fit `bytes` bytes, but at least one.
    pub(crate) fn blocks_in(self, bytes: u64) -> u64 {
        self.whole_blocks(bytes).max(1)
    }

    /// The length of a buffer that holds `blocks` blocks.
    pub(crate) fn buffer_len(self, blocks: usize) -> usize {
        blocks.saturating_mul(to_len(self.0.into()))
    }
}

impl Default for BlockSize {
    /// 4096 bytes.
    fn default() -> Self {
        BlockSize(4096)
    }
}

impl From<BlockSize> for u64 {
    fn from(size: BlockSize) -> u64 {
        u64::from(size.0)
    }
}

impl fmt::Display for BlockSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for BlockSize {
    type Err = ParamsError;

    /// Reads a number of bytes.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let bytes = if digits { text.parse().ok() } else { None };
        BlockSize::new(bytes.unwrap_or(0)).map_err(|error| match bytes {
            Some(_) => error,
            None => ParamsError::BlockSizeText { text: text.chars().take(64).collect() },
        })
    }
}

/// One block of the data or of the hash tree.
///
/// Ordered as verification reports: higher hash levels, lower hash levels, data, each by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BlockRef {
    /// A data block.
    Data {
        /// The number of the block, from 0.
        block: u64,
    },
    /// A hash block.
    Hash {
        /// The level; 0 is the lowest.
        level: u8,
        /// The number of the block within the level, from 0.
        block: u64,
    },
}

impl BlockRef {
    /// The block's number within the data or within its level.
    pub fn block(self) -> u64 {
        match self {
            BlockRef::Data { block } | BlockRef::Hash { block, .. } => block,
        }
    }

    /// The data or the level to which the block belongs.
    pub(crate) fn layer(self) -> Layer {
        self.level().map_or(Layer::Data, Layer::Level)
    }

    /// The hash level; `None` for data.
    pub fn level(self) -> Option<u8> {
        match self {
            BlockRef::Data { .. } => None,
            BlockRef::Hash { level, .. } => Some(level),
        }
    }
}

impl PartialOrd for BlockRef {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for BlockRef {
    fn cmp(&self, other: &Self) -> Ordering {
        // The data sorts below every level, so comparing the layers in reverse puts it last.
        other.layer().cmp(&self.layer()).then(self.block().cmp(&other.block()))
    }
}

impl fmt::Display for BlockRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BlockRef::Data { block } => write!(f, "data block {block}"),
            BlockRef::Hash { level, block } => write!(f, "hash level {level} block {block}"),
        }
    }
}

/// The data, or one level of the tree: blocks in a row whose digests lie one level above.
///
/// Ordered from the data up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Layer {
    /// The data blocks.
    Data,
    /// The hash blocks of one level; 0 is the lowest.
    Level(u8),
}

impl Layer {
    /// The level that holds the digests of its blocks; the root hash stands above the highest.
    pub(crate) fn above(self) -> u8 {
        match self {
            Layer::Data => 0,
            Layer::Level(level) => level.saturating_add(1),
        }
    }

    /// The block of this number.
    pub(crate) fn block(self, block: u64) -> BlockRef {
        match self {
            Layer::Data => BlockRef::Data { block },
            Layer::Level(level) => BlockRef::Hash { level, block },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s05_block_sizes_outside_the_limits_are_refused() {
        for bytes in [0, 1, 256, 511, 513, 3072, 1 << 20, 1 << 31, u32::MAX] {
            assert_eq!(BlockSize::new(bytes), Err(ParamsError::BlockSize { bytes }));
        }
        for power in 9..=19 {
            assert_eq!(BlockSize::new(1 << power).map(BlockSize::bytes), Ok(1 << power));
        }
        assert_eq!("4096".parse(), Ok(BlockSize::default()));
        for text in ["", "4k", "+4096", "0x1000", "99999999999999999999"] {
            assert!(text.parse::<BlockSize>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn higher_levels_come_first_and_data_last() {
        let ordered = [
            BlockRef::Hash { level: 2, block: 0 },
            BlockRef::Hash { level: 1, block: 0 },
            BlockRef::Hash { level: 1, block: 7 },
            BlockRef::Hash { level: 0, block: 0 },
            BlockRef::Data { block: 0 },
            BlockRef::Data { block: 1 },
        ];
        let mut sorted = ordered;
        sorted.reverse();
        sorted.sort();
        assert_eq!(sorted, ordered);
    }
}
