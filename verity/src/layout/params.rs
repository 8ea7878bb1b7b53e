//! The parameters of a hash tree, checked once.
//!
//! Everything else in the library takes a [`Params`]; having one means that its sizes are allowed and its
//! geometry fits. Where the hash area lies is not a parameter but a [`HashArea`](crate::HashArea).

use std::fmt;
use std::str::FromStr;

use super::{Algorithm, Geometry, Salt};

/// How blocks are salted and digests are packed: `version` in a device-mapper table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HashType {
    /// Type 0, Chrome OS: the salt follows the block, digests are packed back to back. Legacy.
    ChromeOs,
    /// Type 1: the salt precedes the block, digests are padded to a power of two.
    #[default]
    Normal,
}

impl HashType {
    /// 0 or 1, as superblocks and tables write it.
    pub fn number(self) -> u32 {
        match self {
            HashType::ChromeOs => 0,
            HashType::Normal => 1,
        }
    }

    /// Whether new images should avoid it.
    pub fn is_legacy(self) -> bool {
        self == HashType::ChromeOs
    }
}

impl TryFrom<u32> for HashType {
    type Error = ParamsError;

    fn try_from(number: u32) -> Result<Self, Self::Error> {
        match number {
            0 => Ok(HashType::ChromeOs),
            1 => Ok(HashType::Normal),
            number => Err(ParamsError::HashType { number }),
        }
    }
}

impl fmt::Display for HashType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.number(), f)
    }
}

/// The size of a data block or a hash block: a power of two from 512 to 524288 bytes.
///
/// The limits are those of cryptsetup's on-disk format. The kernel activates a device only if its data
/// blocks are no larger than a page.
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

    /// How many blocks fit `bytes` bytes, but at least one.
    pub(crate) fn blocks_in(self, bytes: u64) -> u64 {
        (bytes / u64::from(self.0)).max(1)
    }

    /// The length of a buffer that holds `blocks` blocks.
    pub(crate) fn buffer_len(self, blocks: usize) -> usize {
        // At most 2^19, so it fits the usize of every supported target.
        blocks * usize::try_from(self.0).unwrap_or(usize::MAX)
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

/// The parameters of one hash tree, known to be consistent.
///
/// ```
/// use verity::{Params, Salt};
///
/// let params = Params::builder().data_size(64 << 20).salt(Salt::new(&[7; 32])?).build()?;
/// assert_eq!(params.data_blocks(), 16384);
/// assert_eq!(params.geometry().hash_blocks(), 129);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params {
    algorithm: Algorithm,
    hash_type: HashType,
    data_block_size: BlockSize,
    hash_block_size: BlockSize,
    data_blocks: u64,
    salt: Salt,
    geometry: Geometry,
}

impl Params {
    /// Starts from sha256, hash type 1, blocks of 4096 bytes and no salt.
    pub fn builder() -> ParamsBuilder {
        ParamsBuilder::default()
    }

    /// The hash algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// How blocks are salted and digests packed.
    pub fn hash_type(&self) -> HashType {
        self.hash_type
    }

    /// The size of a data block.
    pub fn data_block_size(&self) -> BlockSize {
        self.data_block_size
    }

    /// The size of a hash block.
    pub fn hash_block_size(&self) -> BlockSize {
        self.hash_block_size
    }

    /// How many data blocks the tree covers; at least 1.
    pub fn data_blocks(&self) -> u64 {
        self.data_blocks
    }

    /// How many bytes of data the tree covers.
    pub fn data_size(&self) -> u64 {
        self.data_blocks * u64::from(self.data_block_size)
    }

    /// The salt.
    pub fn salt(&self) -> &Salt {
        &self.salt
    }

    /// The levels of the tree and where they lie.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }
}

/// Collects the parameters of a hash tree; see [`Params::builder`].
#[derive(Clone, Debug, Default)]
pub struct ParamsBuilder {
    algorithm: Algorithm,
    hash_type: HashType,
    data_block_size: BlockSize,
    hash_block_size: BlockSize,
    data: Option<Extent>,
    salt: Salt,
}

/// How much data there is, as the caller said it.
#[derive(Clone, Copy, Debug)]
enum Extent {
    Blocks(u64),
    Bytes(u64),
}

impl ParamsBuilder {
    /// The hash algorithm; sha256 unless said.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// The hash type; 1 unless said.
    pub fn hash_type(mut self, hash_type: HashType) -> Self {
        self.hash_type = hash_type;
        self
    }

    /// The size of a data block; 4096 bytes unless said.
    pub fn data_block_size(mut self, size: BlockSize) -> Self {
        self.data_block_size = size;
        self
    }

    /// The size of a hash block; 4096 bytes unless said.
    pub fn hash_block_size(mut self, size: BlockSize) -> Self {
        self.hash_block_size = size;
        self
    }

    /// The salt; none unless said.
    pub fn salt(mut self, salt: Salt) -> Self {
        self.salt = salt;
        self
    }

    /// How many data blocks the tree covers. Replaces an earlier size.
    pub fn data_blocks(mut self, blocks: u64) -> Self {
        self.data = Some(Extent::Blocks(blocks));
        self
    }

    /// How many bytes of data there are; all of them will be covered. Replaces an earlier count.
    pub fn data_size(mut self, bytes: u64) -> Self {
        self.data = Some(Extent::Bytes(bytes));
        self
    }

    /// Checks everything.
    ///
    /// # Errors
    /// When there is no data, a hash block holds fewer than two digests, the sizes do not fit 64 bits, or
    /// the data size is not a whole number of data blocks ([`ParamsError::UnprotectedTail`]).
    pub fn build(self) -> Result<Params, ParamsError> {
        let data_blocks = self.count_data_blocks()?;
        let too_large =
            ParamsError::TooLarge { data_blocks, data_block_size: self.data_block_size.bytes() };
        data_blocks.checked_mul(u64::from(self.data_block_size)).ok_or(too_large)?;
        let geometry = Geometry::new(
            data_blocks,
            self.algorithm.digest_size(),
            self.hash_type,
            self.hash_block_size,
        )?;
        Ok(Params {
            algorithm: self.algorithm,
            hash_type: self.hash_type,
            data_block_size: self.data_block_size,
            hash_block_size: self.hash_block_size,
            data_blocks,
            salt: self.salt,
            geometry,
        })
    }

    fn count_data_blocks(&self) -> Result<u64, ParamsError> {
        let block_size = u64::from(self.data_block_size);
        let blocks = match self.data {
            None => 0,
            Some(Extent::Blocks(blocks)) => blocks,
            Some(Extent::Bytes(data_size)) if data_size % block_size != 0 => {
                let tail = data_size % block_size;
                return Err(ParamsError::UnprotectedTail { data_size, tail, block_size });
            }
            Some(Extent::Bytes(data_size)) => data_size / block_size,
        };
        if blocks == 0 { Err(ParamsError::NoData) } else { Ok(blocks) }
    }
}

/// Parameters that no hash tree can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParamsError {
    /// A block size outside the limits.
    #[error("block size {bytes} is not a power of two from 512 to 524288 bytes")]
    BlockSize {
        /// The size, in bytes.
        bytes: u32,
    },
    /// A block size that is not a number.
    #[error("block size {text:?} is not a number of bytes")]
    BlockSizeText {
        /// What stood there, at most 64 characters of it.
        text: String,
    },
    /// Fewer than two digests fit a hash block, so that no tree can be built.
    #[error(
        "a hash block of {hash_block_size} bytes holds fewer than two digests of {digest_size} bytes"
    )]
    DigestTooLarge {
        /// The size of a hash block, in bytes.
        hash_block_size: u32,
        /// The size of a digest, in bytes.
        digest_size: u32,
    },
    /// A hash type other than 0 and 1.
    #[error("hash type {number} is not supported; known ones: 0, 1")]
    HashType {
        /// The number.
        number: u32,
    },
    /// No data block at all.
    #[error("there are no data blocks to protect")]
    NoData,
    /// Sizes beyond 64 bits.
    #[error("{data_blocks} data blocks of {data_block_size} bytes are beyond 2^64 bytes")]
    TooLarge {
        /// The number of data blocks.
        data_blocks: u64,
        /// The size of a data block, in bytes.
        data_block_size: u32,
    },
    /// The hash blocks would not fit 64 bits.
    #[error("the hash tree over {data_blocks} data blocks is beyond 2^64 bytes")]
    TreeTooLarge {
        /// The number of data blocks.
        data_blocks: u64,
    },
    /// The data does not end at a block: its last bytes would be unprotected.
    #[error(
        "the data size of {data_size} bytes is not a multiple of the data block size {block_size}: \
         the last {tail} bytes would be unprotected"
    )]
    UnprotectedTail {
        /// The size of the data, in bytes.
        data_size: u64,
        /// How many bytes at its end no block would cover.
        tail: u64,
        /// The size of a data block, in bytes.
        block_size: u64,
    },
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
    fn g06_a_tail_is_refused_with_its_length() {
        let error = Params::builder().data_size(5000).build().unwrap_err();
        assert_eq!(
            error,
            ParamsError::UnprotectedTail { data_size: 5000, tail: 904, block_size: 4096 }
        );
        assert!(error.to_string().contains("904 bytes would be unprotected"));
    }

    #[test]
    fn g01_sizes_beyond_64_bits_are_refused() {
        for blocks in [(1 << 52), 1 << 63, u64::MAX] {
            let error = Params::builder().data_blocks(blocks).build().unwrap_err();
            assert!(matches!(error, ParamsError::TooLarge { .. }), "{error}");
        }
        let largest = Params::builder().data_blocks((1 << 52) - 1).build().unwrap();
        assert_eq!(largest.data_size(), u64::MAX - 4095);
    }

    #[test]
    fn s11_no_data_is_refused() {
        assert_eq!(Params::builder().data_blocks(0).build(), Err(ParamsError::NoData));
        assert_eq!(Params::builder().data_size(0).build(), Err(ParamsError::NoData));
        assert_eq!(Params::builder().build(), Err(ParamsError::NoData));
    }
}
