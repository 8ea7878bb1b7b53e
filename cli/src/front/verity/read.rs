//! The command line of `read`.

use std::path::PathBuf;

use clap::Args;

use super::image::{ImageArgs, ReadingArgs};
use super::parameters::ThreadArgs;
use crate::command::read::{self, Destination};
use crate::streams::is_standard;
use crate::{exit, sizes};

/// Write verified bytes of DATA to standard output or to a file
///
/// Each block is checked against the root hash before its bytes are written; what vouches for the
/// parameters is as with verify. DATA and HASH may also be http:// URLs: only what is needed is
/// fetched.
///
/// Whoever reads from a pipe must look at the exit code: only 0 means that all bytes came. When a
/// block is corrupt, everything before it has been written and nothing after it. A file (--output)
/// is written whole or not at all, and has holes where DATA has them.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(super) struct ReadArgs {
    #[command(flatten)]
    image: ImageArgs,
    /// Where to begin, in bytes of the data; takes K, M, G and T
    #[arg(long, value_name = "BYTES", value_parser = sizes::bytes, default_value = "0")]
    offset: u64,
    /// How many bytes to write; takes K, M, G and T [default: all up to the last data block]
    #[arg(long, value_name = "BYTES", value_parser = sizes::bytes)]
    length: Option<u64>,
    /// Write to this file instead of standard output. With - write to standard output even if it is
    /// a terminal
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    threads: ThreadArgs,
}

impl From<ReadArgs> for read::Options {
    fn from(args: ReadArgs) -> Self {
        let destination = match args.output {
            None => Destination::Stdout { even_a_terminal: false },
            Some(file) if is_standard(&file) => Destination::Stdout { even_a_terminal: true },
            Some(file) => Destination::File(file),
        };
        read::Options {
            image: args.image.into(),
            reading: args.reading.into(),
            offset: args.offset,
            length: args.length,
            destination,
            threads: args.threads.threads,
        }
    }
}
