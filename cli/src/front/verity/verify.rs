//! The command line of `verify`.

use clap::Args;

use super::image::ImageArgs;
use super::parameters::ThreadArgs;
use crate::command::verify;
use crate::exit;
use crate::image::Effort;

/// Check DATA and HASH against a root hash or a signed manifest
///
/// The parameters come from the superblock; nothing authenticates them then, and the result says
/// so. Parameters that are given are pins: they must be what the superblock states. With
/// --no-superblock they are the parameters themselves. With --manifest everything comes from the
/// manifest, whose signature (FILE.p7s) must be by one of the certificates.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    image: ImageArgs,
    /// List every corrupt block, not only the first; with --fec-device, compare the parity of an
    /// intact image too
    #[arg(long)]
    all: bool,
    /// Do not read blocks that the tree says are all zeros, as the kernel's option of this name
    #[arg(long)]
    ignore_zero_blocks: bool,
    #[command(flatten)]
    threads: ThreadArgs,
}

impl From<VerifyArgs> for verify::Options {
    fn from(args: VerifyArgs) -> Self {
        verify::Options {
            image: args.image.into(),
            effort: Effort {
                all: args.all,
                parity: args.all,
                ignore_zero_blocks: args.ignore_zero_blocks,
                threads: args.threads.threads,
            },
        }
    }
}
