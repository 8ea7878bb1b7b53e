//! The command line of `slots`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use verity::disk::slots::Action;

use super::image::TrustArgs;
use super::parameters::ThreadArgs;
use crate::command::slots;
use crate::exit;
use crate::trust::RootHashSource;

/// Show which system of DISK boots next, or change it
///
/// For disks whose boot state is in attribute bits of their partition table, as Bottlerocket,
/// ChromeOS and Flatcar have them. The rule is that of GRUB; where Bottlerocket's signpost would
/// say something else, that is told. A change is written so that one copy of the table is whole at
/// any moment. A slot that is mounted, or under a device, is refused where it would lose that it
/// boots, or that it has booted well.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(super) struct SlotsArgs {
    /// The disk, or an image of one
    disk: PathBuf,
    /// What to do with SLOT
    #[arg(requires = "slot")]
    action: Option<ActionName>,
    /// The slot: its letter, the number of its partition, or its label
    slot: Option<String>,
    /// How many boots activate leaves it to show that it is good, from 1 to 15 [default: 1]
    #[arg(long, value_name = "N", requires = "action")]
    tries: Option<u8>,
    /// Also leave no slot that boots
    #[arg(long, requires = "action")]
    force: bool,
    /// Say what would change, and write nothing
    #[arg(long, requires = "action")]
    dry_run: bool,
    /// Before SLOT may boot, read its whole image against its tree: for what --manifest states, or
    /// for the root hash that is given
    #[arg(long, requires = "action")]
    verify: bool,
    /// What the slot should hold: this manifest; its signature is in FILE.p7s
    #[arg(long, value_name = "FILE", requires = "verify")]
    manifest: Option<PathBuf>,
    /// The root hash of what the slot should hold, in hex
    #[arg(long, value_name = "HEX", requires = "verify")]
    root_hash: Option<String>,
    /// Take it from this file
    #[arg(long, value_name = "FILE", requires = "verify")]
    root_hash_file: Option<PathBuf>,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    threads: ThreadArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ActionName {
    /// It boots next, and has --tries to show that it is good
    Activate,
    /// It has booted well
    MarkGood,
    /// It does not boot any more
    Retire,
    /// It boots next, as it is
    Rollback,
}

impl From<SlotsArgs> for slots::Options {
    fn from(args: SlotsArgs) -> Self {
        let action = |name| match name {
            ActionName::Activate => Action::Activate { tries: args.tries.unwrap_or(1) },
            ActionName::MarkGood => Action::MarkGood,
            ActionName::Retire => Action::Retire,
            ActionName::Rollback => Action::Rollback,
        };
        let change = args.action.zip(args.slot).map(|(name, slot)| slots::Change {
            action: action(name),
            slot,
            tries: args.tries,
            force: args.force,
            dry_run: args.dry_run,
            verify: args.verify.then(|| slots::SlotImage {
                manifest: args.manifest,
                root: RootHashSource { text: args.root_hash, file: args.root_hash_file },
                trust: args.trust.clone().into(),
                threads: args.threads.threads,
            }),
        });
        let unused_trust = if args.verify { None } else { Some(args.trust.into()) };
        slots::Options { disk: args.disk, change, unused_trust: unused_trust.unwrap_or_default() }
    }
}
