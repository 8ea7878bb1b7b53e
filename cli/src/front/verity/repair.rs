//! The command line of `repair`.

use std::path::PathBuf;

use clap::Args;

use super::image::ImageArgs;
use super::parameters::ThreadArgs;
use crate::command::repair::{self, RepairTarget};
use crate::exit;

/// Make a corrupt image right again by its parity, in place or in a copy
///
/// Every corrupt block of DATA and of the hash tree is looked for, from the root hash down, and
/// those that the parity gives back are written once they hash right. Nothing else is written. The
/// parity was made by format --fec-device, or by veritysetup; DATA, HASH, ROOT and the parameters
/// are as for verify.
///
/// In place, a run that was ended can be begun again. A copy appears as a whole, and only if all of
/// it is right.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
#[group(id = "target", required = true, multiple = true, args = ["in_place", "output", "dry_run"])]
pub(super) struct RepairArgs {
    #[command(flatten)]
    image: ImageArgs,
    /// Write repaired blocks to where they lie on DATA and HASH
    #[arg(long, conflicts_with = "output")]
    in_place: bool,
    /// Write a repaired copy of DATA to this file
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Also write a repaired copy of HASH to this file
    #[arg(long, value_name = "FILE", requires = "output", conflicts_with = "in_place")]
    hash_output: Option<PathBuf>,
    /// Write nothing, and tell what would be repaired
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    threads: ThreadArgs,
}

impl From<RepairArgs> for repair::Options {
    fn from(args: RepairArgs) -> Self {
        let target = match (args.dry_run, args.output) {
            (true, _) => RepairTarget::Nowhere,
            (false, None) => RepairTarget::InPlace,
            (false, Some(data)) => RepairTarget::Copy { data, hash: args.hash_output },
        };
        repair::Options { image: args.image.into(), target, threads: args.threads.threads }
    }
}
