//! The command line of `open`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::image::AgainstArgs;
use super::values::seconds;
use crate::command::open::{self, OpenSource, SignatureSource};
use crate::exit;

/// Open a device over an image: the kernel verifies each block that is read from /dev/mapper/NAME
///
/// With HASH, what vouches for the parameters is as with verify. Without it the image is one that
/// build has made: the manifest beside it says everything, and a certificate is needed.
///
/// Signature, parameters and the first block are checked here first, and the first block is then
/// read through the device; a device that shows corruption is closed again. A device of this name
/// that is open already is left as it is if it is the same, and refused otherwise. Files get loop
/// devices, which go with the device. Needs root.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(super) struct OpenArgs {
    /// The data: a file or a block device
    data: PathBuf,
    /// The name of the device
    name: OsString,
    /// The device or file with the hash area
    hash: Option<PathBuf>,
    /// The root hash in hex
    root: Option<String>,
    #[command(flatten)]
    against: AgainstArgs,
    /// Have the kernel check this signature of the root hash, which is checked here first if there
    /// is a certificate; auto takes the one that build has put beside the image
    #[arg(long, value_name = "FILE")]
    root_hash_signature: Option<PathBuf>,
    /// An optional parameter of the table, such as restart_on_corruption. May be given several
    /// times
    #[arg(long = "option", value_name = "NAME")]
    options: Vec<String>,
    /// Take data that another mapping or a mount has too
    #[arg(long)]
    shared: bool,
    /// Do not read the first block, neither before nor through the device
    #[arg(long)]
    no_probe: bool,
    /// Check signature, parameters and the first block, and open nothing; needs no root
    #[arg(long, conflicts_with = "no_probe")]
    dry_run: bool,
    /// Wait at most so long for udev, and then make the node here
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    udev_timeout: Option<Duration>,
    /// Where the files lie that build has made [default: beside DATA]
    #[arg(long, value_name = "DIR", conflicts_with = "hash")]
    output_dir: Option<PathBuf>,
    /// The image is a /usr file system: .usrhash.p7s instead of .roothash.p7s
    #[arg(long, conflicts_with = "hash")]
    usr: bool,
}

impl From<OpenArgs> for open::Options {
    fn from(args: OpenArgs) -> Self {
        let source = match args.hash {
            Some(hash) => {
                OpenSource::Devices(Box::new(args.against.of(args.data, hash, args.root)))
            }
            None => OpenSource::Sidecars {
                output_dir: args.output_dir,
                usr: args.usr,
                source: Box::new(args.against.of(args.data, PathBuf::new(), args.root)),
            },
        };
        open::Options {
            source,
            name: args.name,
            signature: args.root_hash_signature.map(signature),
            options: args.options,
            is_shared: args.shared,
            probes: !args.no_probe,
            udev_timeout: args.udev_timeout,
            is_dry_run: args.dry_run,
        }
    }
}

/// As veritytab has the word; a file of that name is `./auto`.
fn signature(path: PathBuf) -> SignatureSource {
    if path.as_os_str() == "auto" { SignatureSource::Auto } else { SignatureSource::File(path) }
}
