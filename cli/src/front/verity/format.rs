//! The command line of `format`.

use std::path::PathBuf;

use clap::Args;

use super::guests::GuestArgs;
use super::parameters::{NewParityArgs, PadArgs, ParameterArgs, SeedArgs, ThreadArgs};
use crate::command::format::{self, Like};
use crate::{exit, sizes};

/// Make a hash tree over DATA and write it to HASH
///
/// Prints what it has made, with the root hash, in the words of veritysetup. HASH may be new, an
/// existing file (every byte outside the hash area is kept), a block device, or DATA itself with
/// --hash-offset.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(super) struct FormatArgs {
    /// The data to protect: a file or a block device, only read (but for --pad); - is standard
    /// input, of which --copy-to keeps what is read
    data: PathBuf,
    /// Where the hash area is written
    hash: PathBuf,
    #[command(flatten)]
    parameters: ParameterArgs,
    #[command(flatten)]
    seed: SeedArgs,
    #[command(flatten)]
    pad: PadArgs,
    /// Take algorithm, type, block sizes, salt and UUID from the superblock of this old hash
    /// device; what is given beside it comes first
    #[arg(long, value_name = "HASH")]
    like: Option<PathBuf>,
    /// Where that superblock lies [default: 0]
    #[arg(long, value_name = "BYTES", value_parser = sizes::bytes, requires = "like")]
    like_offset: Option<u64>,
    /// Also copy the data in the same pass: to this file, or with @OFFSET to that place in a file
    /// or device that is there
    #[arg(long, value_name = "FILE[@OFFSET]")]
    copy_to: Option<PathBuf>,
    #[command(flatten)]
    guests: GuestArgs,
    /// Also write the root hash to this file, in hex
    #[arg(long, value_name = "FILE")]
    root_hash_file: Option<PathBuf>,
    #[command(flatten)]
    threads: ThreadArgs,
    #[command(flatten)]
    parity: NewParityArgs,
}

impl From<FormatArgs> for format::Options {
    fn from(args: FormatArgs) -> Self {
        format::Options {
            data: args.data,
            hash: args.hash,
            parameters: args.parameters.into(),
            seed: args.seed.seed,
            root_hash_file: args.root_hash_file,
            parity: args.parity.into(),
            tail: args.pad.tail(),
            like: args.like.map(|hash| Like { hash, offset: args.like_offset.unwrap_or(0) }),
            guests: args.guests.options(args.copy_to),
            threads: args.threads.threads,
        }
    }
}
