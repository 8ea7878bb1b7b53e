//! Forward error correction: parity that lets lost blocks be recovered.
//!
//! dm-verity's code is Reed-Solomon over bytes. Blocks that lie far apart make a round (`area`); the bytes at the
//! same place of each make a codeword (`code`). As the code is linear, parity is a sum of block times constant
//! (`map`, with a kernel for each instruction set), whatever the order in which blocks come.
//!
//! Encoding is in `encode`; rows that are known to be lost are recovered in `decode`, errors at unknown places are found
//! in `blind`. Both are bytes only: what they give is right if it hashes right, which is up to `crate::repair`.

#[cfg(target_arch = "aarch64")]
#[expect(unsafe_code, reason = "vector instructions, each behind the proof that the CPU has them")]
mod aarch64;
mod area;
mod blind;
mod code;
mod decode;
mod encode;
mod field;
mod map;
mod platform;
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "vector instructions, each behind the proof that the CPU has them")]
mod x86_64;

use crate::BlockSize;

pub use self::area::FecArea;
pub(crate) use self::decode::Decoder;
pub use self::encode::Encoder;
pub use self::platform::FecPlatform;

/// Parity that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FecError {
    /// Data and hash blocks share codewords, so they must have one size.
    #[error(
        "FEC needs equal block sizes, but data blocks have {data_block_size} bytes and hash blocks {hash_block_size}"
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
