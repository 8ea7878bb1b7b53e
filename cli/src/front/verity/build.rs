//! The command line of `build`.

use std::path::PathBuf;

use clap::Args;
use verity::disk::types::Architecture;

use super::description::DescriptionArgs;
use super::guests::GuestArgs;
use super::parameters::{PadArgs, ParameterArgs, SeedArgs, ThreadArgs};
use super::signing::SigningArgs;
use super::values::{FEC_HEADING, architecture, fec_roots};
use crate::command::build;
use crate::exit;

/// Make everything that a verified boot of IMAGE needs, and sign it
///
/// Beside IMAGE, or in --output-dir, named as IMAGE less a trailing .raw: the hash area (.verity),
/// the root hash (.roothash) and its signature (.roothash.p7s), a manifest (.manifest.json) and its
/// signature (.manifest.json.p7s). Without a key nothing is signed. With --systemd and a key, also
/// what systemd's signature partition holds (.verity-sig). With --fec-roots parity goes behind the
/// hash tree, into the same file. With --single-file one file holds data, hash area and parity.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(super) struct BuildArgs {
    /// The image to protect, only read (but for --pad); - is standard input, of which --copy-to
    /// keeps what is read, and after which the set is named
    image: PathBuf,
    #[command(flatten)]
    signing: SigningArgs,
    /// Name of the image in the manifest [default: its file name less a trailing .raw]
    #[arg(long, value_name = "NAME")]
    image_name: Option<String>,
    #[command(flatten)]
    description: DescriptionArgs,
    /// Where the files are written [default: beside IMAGE]
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// The image is a /usr file system: .usrhash instead of .roothash
    #[arg(long)]
    usr: bool,
    /// Also print the types and UUIDs by which systemd finds the partitions of the image; with a
    /// key, also make what its signature partition holds, and embed the certificate in signatures
    #[arg(long, conflicts_with_all = ["no_superblock", "hash_offset"])]
    systemd: bool,
    /// With --systemd, print partition types for this architecture only, such as x86-64, arm64 or
    /// riscv64; may be given several times [default: every architecture that has some]
    #[arg(long, value_name = "ARCH", value_parser = architecture, requires = "systemd")]
    architecture: Vec<Architecture>,
    #[command(flatten)]
    parameters: ParameterArgs,
    #[command(flatten)]
    seed: SeedArgs,
    #[command(flatten)]
    pad: PadArgs,
    /// Copy IMAGE into this file, write the hash area behind it there, and the parity behind that;
    /// the other files are named after FILE and lie beside it
    #[arg(long, value_name = "FILE", conflicts_with = "systemd")]
    single_file: Option<PathBuf>,
    /// Also copy the data in the same pass: to this file, or with @OFFSET to that place in a file
    /// or device that is there
    #[arg(long, value_name = "FILE[@OFFSET]", conflicts_with = "single_file")]
    copy_to: Option<PathBuf>,
    #[command(flatten)]
    guests: GuestArgs,
    /// Take data that looks compressed as it is
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    threads: ThreadArgs,

    /// Parity right behind the hash area, by which so many lost blocks of each 255 can be
    /// recovered: from 2 to 24 [default: none]
    #[arg(long, value_name = "N", value_parser = fec_roots, help_heading = FEC_HEADING)]
    fec_roots: Option<u32>,
}

impl From<BuildArgs> for build::Options {
    fn from(args: BuildArgs) -> Self {
        build::Options {
            image: args.image,
            signing: args.signing.options(args.systemd),
            image_name: args.image_name,
            image_version: args.description.image_version,
            label: args.description.label,
            not_after: args.description.not_after,
            output_dir: args.output_dir,
            usr: args.usr,
            systemd: args.systemd,
            architectures: args.architecture,
            parameters: args.parameters.into(),
            seed: args.seed.seed,
            parity_roots: args.fec_roots,
            tail: args.pad.tail(),
            single_file: args.single_file,
            guests: args.guests.options(args.copy_to),
            raw: args.raw,
            threads: args.threads.threads,
        }
    }
}
