//! The command line of `dump`.

use std::path::PathBuf;

use clap::Args;

use super::image::ParityArgs;
use super::parameters::ParameterArgs;
use crate::command::dump;
use crate::exit;

/// Print what the superblock of HASH states
///
/// Parameters that are given must be what it states. With --fec-device also what the parity is.
#[derive(Args, Debug)]
#[command(
    after_help = exit::HELP,
    mut_arg("fec_device", |arg| arg.help("Also tell of the parity in this file or device, which \
                                          may be HASH"))
)]
pub(super) struct DumpArgs {
    /// The device or file with the hash area
    hash: PathBuf,
    #[command(flatten)]
    parameters: ParameterArgs,
    #[command(flatten)]
    parity: ParityArgs,
}

impl From<DumpArgs> for dump::Options {
    fn from(args: DumpArgs) -> Self {
        dump::Options {
            hash: args.hash,
            parameters: args.parameters.into(),
            parity: args.parity.into(),
        }
    }
}
