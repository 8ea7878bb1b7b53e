//! The command line of `install`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{ArgGroup, Args};

use super::image::TrustArgs;
use super::parameters::ThreadArgs;
use super::values::{requests, slot};
use crate::command::install::{self, SlotName, TargetNames};
use crate::exit;
use crate::sizes;

/// Put a signed image into a slot, move only what changed, and prove that it is there
///
/// What the slot and --reuse have already is found by the hash tree of the new image and copied;
/// the rest is fetched. Nothing is written before its digest matched the signed tree. While the
/// slot is written it does not verify, and with --disk it does not boot; a run that was cut short
/// is done again and goes on. Success means that all of it was read back from the root hash.
#[derive(Args, Debug)]
#[command(
    after_help = exit::HELP,
    group = ArgGroup::new("where").args(["data_device", "disk"]).required(true),
    group = ArgGroup::new("which").args(["slot", "inactive"])
)]
pub(super) struct InstallArgs {
    /// The image that build has made, with or without .raw; a directory with one; a disk image that
    /// image create has made, or DISK#root; or the URL of any of these files. Its manifest lies
    /// beside it
    source: PathBuf,
    #[command(flatten)]
    trust: TrustArgs,

    /// Write the data to this file, device or DISK#PARTITION, which is large enough
    #[arg(long, value_name = "DEV", requires = "hash_device", help_heading = TARGET)]
    data_device: Option<PathBuf>,
    /// Write hash area and parity to this one
    #[arg(long, value_name = "DEV", requires = "data_device", help_heading = TARGET)]
    hash_device: Option<PathBuf>,
    /// Write what systemd's signature partition holds to this one
    #[arg(long, value_name = "DEV", requires = "data_device", help_heading = TARGET)]
    signature_device: Option<PathBuf>,
    /// Write to a slot of this disk, whose boot state is in its partition table
    #[arg(long, value_name = "DISK", requires = "which", help_heading = TARGET)]
    disk: Option<PathBuf>,
    /// The slot: a, b, ...
    #[arg(
        long,
        value_name = "SLOT",
        requires = "disk",
        value_parser = slot,
        help_heading = TARGET
    )]
    slot: Option<char>,
    /// The slot of two that the running system is not on
    #[arg(long, requires = "disk", help_heading = TARGET)]
    inactive: bool,
    /// Let the slot boot next, once it is proved
    #[arg(long, requires_all = ["disk", "tries"], help_heading = TARGET)]
    activate: bool,
    /// How many boots it has to show that it is good, from 1 to 15
    #[arg(
        long,
        value_name = "N",
        requires = "activate",
        value_parser = clap::value_parser!(u8).range(1..=15),
        help_heading = TARGET
    )]
    tries: Option<u8>,

    /// Copy blocks from this file or device where it has them: the other slot, an older image,
    /// whatever its salt and layout. May be given several times
    #[arg(long, value_name = "DEV")]
    reuse: Vec<PathBuf>,
    /// How many requests are under way at a time, from 1 to 64
    #[arg(long, value_name = "N", default_value = "8", value_parser = requests)]
    max_requests: NonZeroUsize,
    /// Fetch up to this much that is not wanted to save a request; takes K, M, G and T
    #[arg(long, value_name = "SIZE", default_value = "16K", value_parser = sizes::bytes)]
    bridge: u64,
    /// Say what would be copied and fetched, and write nothing
    #[arg(long, conflicts_with = "activate")]
    dry_run: bool,
    /// Refuse an image that is older than the newest one of its name that was accepted with this
    /// file, and remember this one in it when everything is done
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    #[command(flatten)]
    threads: ThreadArgs,
}

const TARGET: &str = "Target";

impl From<InstallArgs> for install::Options {
    fn from(args: InstallArgs) -> Self {
        let target = match (args.disk, args.data_device, args.hash_device) {
            (Some(disk), _, _) => {
                let slot = args.slot.map_or(SlotName::Inactive, SlotName::Letter);
                TargetNames::Slot { disk, slot }
            }
            (None, data, hash) => TargetNames::Devices {
                data: data.unwrap_or_default(),
                hash: hash.unwrap_or_default(),
                signature: args.signature_device,
            },
        };
        install::Options {
            source: args.source,
            trust: args.trust.into(),
            target,
            reuse: args.reuse,
            max_requests: args.max_requests,
            bridge: args.bridge,
            dry_run: args.dry_run,
            state: args.state,
            activate: args.tries.filter(|_| args.activate),
            threads: args.threads.threads,
        }
    }
}
