//! The whole command line: the options of every command, and the commands.

use clap::{ArgAction, Parser, Subcommand};
use verity::internals::{FecPlatform, Platform};

use super::attach_signature::AttachSignatureArgs;
use super::build::BuildArgs;
use super::check::CheckArgs;
use super::close::CloseArgs;
use super::diff::DiffArgs;
use super::disk_image::ImageCommand;
use super::dump::DumpArgs;
use super::format::FormatArgs;
use super::install::InstallArgs;
use super::lint_signature::LintSignatureArgs;
use super::open::OpenArgs;
use super::plan::PlanArgs;
use super::prepare_signature::PrepareSignatureArgs;
use super::read::ReadArgs;
use super::rehash::RehashArgs;
use super::repair::RepairArgs;
use super::serve::ServeArgs;
use super::sign::SignArgs;
use super::slots::SlotsArgs;
use super::status::StatusArgs;
use super::table::TableArgs;
use super::values::{fec_platform, platform};
use super::verify::VerifyArgs;
use crate::command::{
    attach_signature, build, check, close, diff, dump, format, image_create, image_grow,
    image_show, install, lint, open, plan, prepare_signature, read, rehash, repair, serve, sign,
    slots, status, table, verify,
};
use crate::context::Context;
use crate::error::CommandError;
use crate::exit;
use crate::report::Outcome;

/// Build, sign, verify and describe dm-verity images.
#[derive(Debug, Parser)]
#[command(
    name = "verity",
    version,
    propagate_version = true,
    disable_help_flag = true,
    disable_version_flag = true,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = after_help()
)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,

    /// Print one JSON object instead of text, also on failure
    #[arg(long, global = true, help_heading = "General")]
    pub(super) json: bool,

    /// Say more on standard error
    #[arg(short, long, global = true, help_heading = "General", conflicts_with = "quiet")]
    pub(super) verbose: bool,

    /// Print no report of a success and no progress: the exit code tells. Errors, refusals,
    /// warnings, data (read, table) and --json are printed
    #[arg(short, long, global = true, help_heading = "General")]
    pub(super) quiet: bool,

    /// Trust the authorities in this file (PEM) to say who an https server is, and not the system's
    #[cfg(feature = "https")]
    #[arg(long, global = true, value_name = "FILE", help_heading = "General")]
    pub(super) cacert: Option<std::path::PathBuf>,

    /// Hash by these kernels instead of the fastest ones; for tests
    #[arg(long, global = true, hide = true, value_name = "NAME", value_parser = platform)]
    pub(super) platform: Option<Platform>,

    /// Make parity by these kernels instead of the fastest ones; for tests
    #[arg(long, global = true, hide = true, value_name = "NAME", value_parser = fec_platform)]
    pub(super) fec_platform: Option<FecPlatform>,

    /// Print help
    #[arg(short = '?', long, global = true, action = ArgAction::Help, help_heading = "General")]
    help: Option<bool>,

    /// Print the version
    #[arg(short = 'V', long, global = true, action = ArgAction::Version, help_heading = "General")]
    version: Option<bool>,
}

/// What stands below the help of all commands, with the exit codes.
const NOTES: &str = "\
verity help COMMAND tells more of one command, verity version which version this is,\n\
and with --verbose by which kernels this machine hashes.

A file called - is standard input or output, where that can be; ./- is a file of this name.";

fn after_help() -> String {
    format!("{NOTES}\n\n{}", exit::TABLE)
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Format(FormatArgs),
    Verify(VerifyArgs),
    Dump(DumpArgs),
    Plan(PlanArgs),
    Read(ReadArgs),
    Repair(RepairArgs),
    Table(TableArgs),
    Build(BuildArgs),
    Check(CheckArgs),
    LintSignature(LintSignatureArgs),
    Sign(SignArgs),
    PrepareSignature(PrepareSignatureArgs),
    AttachSignature(AttachSignatureArgs),
    Serve(ServeArgs),
    Open(OpenArgs),
    Close(CloseArgs),
    Status(StatusArgs),
    #[command(subcommand)]
    Image(ImageCommand),
    Slots(SlotsArgs),
    Install(Box<InstallArgs>),
    Diff(DiffArgs),
    Rehash(RehashArgs),
}

impl Command {
    /// Runs the command.
    pub(super) fn run(self, context: &Context) -> Result<Outcome, CommandError> {
        match self {
            Command::Format(args) => format::run(&args.into(), context).map(Outcome::Formatted),
            Command::Verify(args) => verify::run(&args.into(), context).map(Outcome::Verified),
            Command::Dump(args) => dump::run(&args.into(), context).map(Outcome::Dumped),
            Command::Plan(args) => plan::run(&args.into()).map(Outcome::Planned),
            Command::Read(args) => read::run(&args.into(), context).map(Outcome::Read),
            Command::Repair(args) => repair::run(&args.into(), context).map(Outcome::Repaired),
            Command::Table(args) => table::run(&args.into(), context).map(Outcome::Table),
            Command::Build(args) => build::run(&args.into(), context).map(Outcome::Built),
            Command::Check(args) => match check::run(&args.into(), context)? {
                check::Found::Set(set) => Ok(Outcome::Checked(*set)),
                check::Found::Disk(disk) => Ok(Outcome::CheckedDisk(disk)),
            },
            Command::LintSignature(args) => lint::run(&args.into()).map(Outcome::Linted),
            Command::Sign(args) => sign::run(&args.into(), context).map(Outcome::Signed),
            Command::PrepareSignature(args) => {
                prepare_signature::run(&args.into()).map(Outcome::Prepared)
            }
            Command::AttachSignature(args) => {
                attach_signature::run(&args.into()).map(Outcome::Signed)
            }
            Command::Serve(args) => serve::run(&args.into(), context).map(Outcome::Served),
            Command::Open(args) => open::run(&args.into(), context).map(Outcome::Opened),
            Command::Close(args) => close::run(&args.into(), context).map(Outcome::Closed),
            Command::Status(args) => status::run(&args.into(), context).map(Outcome::Watched),
            Command::Image(ImageCommand::Create(args)) => {
                image_create::run(&(*args).into(), context).map(Outcome::Created)
            }
            Command::Image(ImageCommand::Show(args)) => {
                image_show::run(&args.into()).map(Outcome::Shown)
            }
            Command::Image(ImageCommand::Grow(args)) => {
                image_grow::run(&args.into()).map(Outcome::Grown)
            }
            Command::Slots(args) => slots::run(&args.into(), context).map(Outcome::Slots),
            Command::Install(args) => {
                install::run(&(*args).into(), context).map(Outcome::Installed)
            }
            Command::Diff(args) => diff::run(&args.into(), context).map(Outcome::Compared),
            Command::Rehash(args) => rehash::run(&args.into(), context).map(Outcome::Rehashed),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flag_table_is_consistent() {
        super::super::streams::refusing_streams(Cli::command()).debug_assert();
    }
}
