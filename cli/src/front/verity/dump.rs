//! The command line of `dump`.

use std::path::PathBuf;

use clap::Args;

use super::parameters::ParameterArgs;
use super::values::{FEC_HEADING, fec_roots};
use crate::command::dump;
use crate::parameters::ParitySource;
use crate::{exit, sizes};

/// Print what the superblock of HASH states
///
/// Parameters that are given must be what it states. With --fec-device also what the parity is.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(super) struct DumpArgs {
    /// The device or file with the hash area
    hash: PathBuf,
    #[command(flatten)]
    parameters: ParameterArgs,

    /// Also tell of the parity in this file or device, which may be HASH
    #[arg(long, value_name = "FILE", help_heading = FEC_HEADING)]
    fec_device: Option<PathBuf>,

    /// Where the parity begins on its device; takes K, M, G and T [default: 0]
    #[arg(long, value_name = "BYTES", value_parser = sizes::bytes, help_heading = FEC_HEADING)]
    fec_offset: Option<u64>,

    /// Parity bytes in a codeword of 255, from 2 to 24 [default: 2]
    #[arg(long, value_name = "N", value_parser = fec_roots, help_heading = FEC_HEADING)]
    fec_roots: Option<u32>,

    /// How many blocks the parity covers [default: as with veritysetup the data, and the hash
    /// device from the tree to its end, or to the parity on it]
    #[arg(long, value_name = "BLOCKS", value_parser = sizes::count, help_heading = FEC_HEADING)]
    fec_blocks: Option<u64>,
}

impl From<DumpArgs> for dump::Options {
    fn from(args: DumpArgs) -> Self {
        dump::Options {
            hash: args.hash,
            parameters: args.parameters.into(),
            parity: ParitySource {
                device: args.fec_device,
                offset: args.fec_offset,
                roots: args.fec_roots,
                blocks: args.fec_blocks,
            },
        }
    }
}
