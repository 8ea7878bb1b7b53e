//! The command line of `diff`.

use std::path::PathBuf;

use clap::Args;
use verity::BlockSize;

use super::parameters::ThreadArgs;
use crate::command::diff;
use crate::exit;
use crate::parameters::Parameters;
use crate::sizes;

/// Tell what a new image has that an old one has not, and what an update to it would fetch
///
/// Each is data, or a hash tree alone; a tree says how data beside it is hashed. Two trees are
/// compared if salt, algorithm and block size are the same. Nothing is verified against anything
/// that is trusted.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(super) struct DiffArgs {
    /// The old image: its data, or its hash tree
    old: PathBuf,
    /// The new one
    new: PathBuf,
    /// Gaps up to this size are bridged by a request; takes K, M, G and T. May be given several
    /// times [default: 0, 16K, 64K and 1M]
    #[arg(long, value_name = "SIZE", value_parser = sizes::bytes)]
    bridge: Vec<u64>,
    /// The size of the blocks that are compared, where no tree says it [default: 4096]
    #[arg(long, value_name = "BYTES", value_parser = sizes::block_size)]
    data_block_size: Option<BlockSize>,
    #[command(flatten)]
    threads: ThreadArgs,
}

/// Sizes of gaps at which requests are counted.
const BRIDGES: [u64; 4] = [0, 16 << 10, 64 << 10, 1 << 20];

impl From<DiffArgs> for diff::Options {
    fn from(args: DiffArgs) -> Self {
        let data_block_size = args.data_block_size;
        let bridges = if args.bridge.is_empty() { BRIDGES.to_vec() } else { args.bridge };
        diff::Options {
            old: args.old,
            new: args.new,
            parameters: Parameters { data_block_size, ..Parameters::default() },
            bridges,
            threads: args.threads.threads,
        }
    }
}
