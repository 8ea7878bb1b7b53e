//! The command line of `close`.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;

use super::values::seconds;
use crate::command::close::{self, When};
use crate::exit;

/// Close a verity device
///
/// Other devices are never closed. Who has it open is waited for up to five seconds, and named
/// then; who has it mounted or mapped is named at once. Loop devices that open has made go with
/// it. Needs root.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(super) struct CloseArgs {
    /// The name of the device, or the path of its node
    name: OsString,
    /// If it is in use, close it once nobody uses it
    #[arg(long, conflicts_with = "cancel_deferred")]
    deferred: bool,
    /// Do not close it once nobody uses it, as was asked for by --deferred
    #[arg(long)]
    cancel_deferred: bool,
    /// Wait at most so long for udev, and then remove the node here
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    udev_timeout: Option<Duration>,
}

impl From<CloseArgs> for close::Options {
    fn from(args: CloseArgs) -> Self {
        let when = match (args.deferred, args.cancel_deferred) {
            (true, _) => When::Deferred,
            (false, true) => When::Never,
            (false, false) => When::Now,
        };
        close::Options { device: args.name, when, udev_timeout: args.udev_timeout }
    }
}
