//! The command line of `check`.

use std::path::PathBuf;

use clap::Args;

use super::image::TrustArgs;
use super::parameters::ThreadArgs;
use crate::command::check::{self, ImagePolicy};
use crate::exit;

/// Check everything that build has made: both signatures, the manifest, the whole image
///
/// And what systemd's signature partition holds, if that lies there too. With --no-manifest, a set
/// that others have made (mkosi, systemd-repart): the root hash (.roothash) and its signature
/// (.roothash.p7s), and every block against it. The geometry is then not authenticated, and nothing
/// says which image it is.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(super) struct CheckArgs {
    /// The image
    image: PathBuf,
    #[command(flatten)]
    trust: TrustArgs,
    /// Refuse an image that is older than the newest one of its name that was accepted with this
    /// file, and remember this one in it if all is good; the file is made at first use. A name that
    /// is not in the file yet is added by --image-name only
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Where the files lie that build has made [default: beside IMAGE]
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// The image is a /usr file system: .usrhash instead of .roothash
    #[arg(long)]
    usr: bool,
    /// There is no manifest: check the root hash signature and every block against the root hash,
    /// for the geometry that the superblock states
    #[arg(long)]
    no_manifest: bool,
    /// The manifest is this file, and its signature FILE.p7s; of a disk with several images given
    /// several times [default: beside IMAGE]
    #[arg(long, value_name = "FILE", conflicts_with = "no_manifest")]
    manifest: Vec<PathBuf>,
    /// What a disk must have and must not have, in the words of systemd's image policy, such as
    /// root=signed+absent:usr=signed+absent
    #[arg(long, value_name = "POLICY")]
    policy: Option<ImagePolicy>,
    #[command(flatten)]
    threads: ThreadArgs,
}

impl From<CheckArgs> for check::Options {
    fn from(args: CheckArgs) -> Self {
        check::Options {
            image: args.image,
            trust: args.trust.into(),
            state: args.state,
            output_dir: args.output_dir,
            usr: args.usr,
            no_manifest: args.no_manifest,
            manifests: args.manifest,
            policy: args.policy,
            threads: args.threads.threads,
        }
    }
}
