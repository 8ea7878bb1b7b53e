//! Parameters of a hash tree, and the work of making one.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use verity::{Algorithm, BlockSize, HashType, Salt, Uuid};

use super::values::{FEC_HEADING, PARAMETERS_HEADING, fec_roots, hash_type, salt, threads, uuid};
use crate::making::Tail;
use crate::parameters::{Parameters, ParitySource};
use crate::sizes;

/// Parameters of the hash tree and place of the hash area
#[derive(Args, Debug)]
pub(super) struct ParameterArgs {
    /// Hash algorithm [a new tree: sha256]
    #[arg(short = 'h', long = "hash", value_name = "ALG", help_heading = PARAMETERS_HEADING)]
    algorithm: Option<Algorithm>,

    /// Hash type: 1, or 0 as Chrome OS had it (legacy) [a new tree: 1]
    #[arg(long, value_name = "0|1", value_parser = hash_type, help_heading = PARAMETERS_HEADING)]
    format: Option<HashType>,

    /// Size of a data block: a power of two from 512 to 512K [a new tree: 4096]
    #[arg(
        long,
        value_name = "BYTES",
        value_parser = sizes::block_size,
        help_heading = PARAMETERS_HEADING
    )]
    data_block_size: Option<BlockSize>,

    /// Size of a hash block: a power of two from 512 to 512K [a new tree: 4096]
    #[arg(
        long,
        value_name = "BYTES",
        value_parser = sizes::block_size,
        help_heading = PARAMETERS_HEADING
    )]
    hash_block_size: Option<BlockSize>,

    /// How many data blocks the tree covers [a new tree: all of them]
    #[arg(
        long,
        value_name = "BLOCKS",
        value_parser = sizes::count,
        help_heading = PARAMETERS_HEADING
    )]
    data_blocks: Option<u64>,

    /// Salt of up to 256 bytes in hex, or - for none [a new tree: 32 random bytes; no superblock to
    /// read: none]
    #[arg(
        short,
        long,
        value_name = "HEX|-",
        value_parser = salt,
        help_heading = PARAMETERS_HEADING
    )]
    salt: Option<Salt>,

    /// UUID in the superblock
    #[arg(long, value_parser = uuid, help_heading = PARAMETERS_HEADING)]
    uuid: Option<Uuid>,

    /// Where the hash area begins on the hash device; sizes in bytes take K, M, G and T (powers of
    /// 1024)
    #[arg(
        long,
        value_name = "BYTES",
        value_parser = sizes::bytes,
        help_heading = PARAMETERS_HEADING
    )]
    hash_offset: Option<u64>,

    /// The hash area has no superblock
    #[arg(long, help_heading = PARAMETERS_HEADING)]
    no_superblock: bool,
}

impl From<ParameterArgs> for Parameters {
    fn from(args: ParameterArgs) -> Parameters {
        Parameters {
            algorithm: args.algorithm,
            hash_type: args.format,
            data_block_size: args.data_block_size,
            hash_block_size: args.hash_block_size,
            data_blocks: args.data_blocks,
            salt: args.salt,
            uuid: args.uuid,
            hash_offset: args.hash_offset,
            no_superblock: args.no_superblock,
        }
    }
}

/// Options of commands that make a hash tree
#[derive(Args, Debug)]
pub(super) struct SeedArgs {
    /// Derive salt and UUID from this text, so that the same input gives the same output
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["salt", "uuid"])]
    pub(super) seed: Option<String>,
}

/// What becomes of data that does not end with a block
#[derive(Args, Debug)]
pub(super) struct PadArgs {
    /// Append zeros to data that does not end with a block, up to the end of the block, when
    /// everything else is ready; a failure cuts them off again
    #[arg(long, conflicts_with = "data_blocks")]
    pad: bool,
}

impl PadArgs {
    pub(super) fn tail(&self) -> Tail {
        if self.pad { Tail::Padded } else { Tail::Refused }
    }
}

/// Parity that is made with a tree
#[derive(Args, Debug)]
pub(super) struct NewParityArgs {
    /// Also make parity, by which lost blocks can be recovered, and write it to this file or
    /// device; it may be HASH or DATA
    #[arg(long, value_name = "FILE", help_heading = FEC_HEADING)]
    fec_device: Option<PathBuf>,

    /// Where the parity begins on its device; takes K, M, G and T
    #[arg(
        long,
        value_name = "BYTES",
        value_parser = sizes::bytes,
        default_value = "0",
        requires = "fec_device",
        help_heading = FEC_HEADING
    )]
    fec_offset: u64,

    /// Parity bytes in a codeword of 255, from 2 to 24: so many lost blocks of each 255 can be
    /// recovered
    #[arg(
        long,
        value_name = "N",
        value_parser = fec_roots,
        default_value = "2",
        requires = "fec_device",
        help_heading = FEC_HEADING
    )]
    fec_roots: u32,

    /// How many blocks the parity covers [default: as with veritysetup the data, and the hash
    /// device from the tree to its end, or to the parity on it]
    #[arg(
        long,
        value_name = "BLOCKS",
        value_parser = sizes::count,
        requires = "fec_device",
        help_heading = FEC_HEADING
    )]
    fec_blocks: Option<u64>,
}

impl From<NewParityArgs> for ParitySource {
    fn from(args: NewParityArgs) -> ParitySource {
        ParitySource {
            device: args.fec_device,
            offset: Some(args.fec_offset),
            roots: Some(args.fec_roots),
            blocks: args.fec_blocks,
        }
    }
}

#[derive(Args, Debug)]
pub(super) struct ThreadArgs {
    /// Threads to hash with [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = threads)]
    pub(super) threads: Option<NonZeroUsize>,
}
