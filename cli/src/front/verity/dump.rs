//! The command line of `dump`.

use std::path::PathBuf;

use clap::Args;

use crate::command::dump;
use crate::{exit, sizes};

/// Print what the superblock of HASH states
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(super) struct DumpArgs {
    /// The device or file with the hash area
    hash: PathBuf,
    /// Where the superblock lies
    #[arg(long, value_name = "BYTES", value_parser = sizes::bytes)]
    hash_offset: Option<u64>,
}

impl From<DumpArgs> for dump::Options {
    fn from(args: DumpArgs) -> Self {
        dump::Options { hash: args.hash, hash_offset: args.hash_offset.unwrap_or(0) }
    }
}
