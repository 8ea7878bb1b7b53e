//! The command line of `status`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::image::TrustArgs;
use crate::command::status;

/// Show what the kernel knows of a verity device, or of all
///
/// No corruption seen means that what was read so far was right; it says nothing of other blocks.
/// With --check the live table is held against a manifest. Needs root.
#[derive(Args, Debug)]
#[command(after_help = EXIT_CODES)]
pub(super) struct StatusArgs {
    /// The name of the device, or the path of its node [default: a list of all verity devices]
    name: Option<OsString>,
    /// Refuse a device whose root hash, parameters or parity are not those of this manifest, or
    /// that lets corrupt blocks through; the signature of the manifest is in FILE.p7s
    #[arg(long, value_name = "FILE", requires = "name")]
    check: Option<PathBuf>,
    #[command(flatten)]
    trust: TrustArgs,
}

const EXIT_CODES: &str = "\
Exit codes: 0 no corruption seen, 1 corrupt (a list: any is) or not what the manifest states,
3 no verity device or no table, 4 no such device, no device-mapper or not root;
for others verity help exit-codes";

impl From<StatusArgs> for status::Options {
    fn from(args: StatusArgs) -> Self {
        status::Options { device: args.name, check: args.check, trust: args.trust.into() }
    }
}
