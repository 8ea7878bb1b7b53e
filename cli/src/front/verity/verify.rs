//! The command line of `verify`.

use std::path::PathBuf;

use clap::Args;

use super::image::ImageArgs;
use super::parameters::ThreadArgs;
use crate::command::verify;
use crate::exit;
use crate::image::{Effort, ImageSource};

/// Check DATA and HASH against a root hash or a signed manifest
///
/// The parameters come from the superblock; nothing authenticates them then, and the result says
/// so. Parameters that are given are pins: they must be what the superblock states. With
/// --no-superblock they are the parameters themselves. With --manifest everything comes from the
/// manifest, whose signature (FILE.p7s) must be by one of the certificates. --root-hash-signature
/// checks the signature of the root hash, as the kernel and systemd do, whoever has made it; it
/// says nothing of the parameters.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    image: ImageArgs,
    /// A signature of the root hash (.roothash.p7s), in PKCS#7, that must be by one of the
    /// certificates
    #[arg(long, value_name = "FILE")]
    root_hash_signature: Option<PathBuf>,
    /// List every block that is corrupt or cannot be read, not only the first; with --fec-device,
    /// compare the parity of an intact image too
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
            image: ImageSource {
                root_hash_signature: args.root_hash_signature,
                ..args.image.into()
            },
            effort: Effort {
                all: args.all,
                parity: args.all,
                ignore_zero_blocks: args.ignore_zero_blocks,
                threads: args.threads.threads,
            },
        }
    }
}
