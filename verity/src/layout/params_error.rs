//! Why no hash tree can have some parameters. Numbers and texts only, so that every part of the
//! parameters can refuse what it does not take.

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
        /// The text, at most 64 characters of it.
        text: String,
    },
    /// Fewer than two digests fit a hash block, so that no tree can be built.
    #[error(
        "a hash block of {hash_block_size} bytes holds fewer than two digests \
         of {digest_size} bytes"
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
