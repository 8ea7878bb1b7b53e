//! The command line of `plan`.

use std::path::PathBuf;

use clap::Args;

use super::parameters::ParameterArgs;
use super::values::{FEC_HEADING, fec_roots};
use crate::command::plan::{self, Sizing};
use crate::exit;

/// Tell every size before anything is written
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
#[group(id = "what", required = true, multiple = false, args = ["image", "partition"])]
pub(super) struct PlanArgs {
    /// The hash area of an image of this size, or of this file or device, in a file of its own, and
    /// the parity with it; sizes take K, M, G and T
    #[arg(long, value_name = "SIZE|FILE")]
    image: Option<PathBuf>,
    /// The largest image that fits a partition of this size, or this device, together with its hash
    /// area, and its parity, behind it
    #[arg(
        long,
        value_name = "SIZE|FILE",
        conflicts_with_all = ["data_blocks", "hash_offset"]
    )]
    partition: Option<PathBuf>,
    #[command(flatten)]
    parameters: ParameterArgs,

    /// Parity right behind the hash area, by which so many lost blocks of each 255 can be
    /// recovered: from 2 to 24 [default: none]
    #[arg(long, value_name = "N", value_parser = fec_roots, help_heading = FEC_HEADING)]
    fec_roots: Option<u32>,
}

impl From<PlanArgs> for plan::Options {
    fn from(args: PlanArgs) -> Self {
        let sizing = match (args.image, args.partition) {
            (_, Some(size)) => Sizing::ByPartition(size),
            (size, None) => Sizing::ByImage(size.unwrap_or_default()),
        };
        let parity_roots = args.fec_roots;
        plan::Options { sizing, parity_roots, parameters: args.parameters.into() }
    }
}
