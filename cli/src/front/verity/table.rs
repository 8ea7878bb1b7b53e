//! The command line of `table`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::image::TrustArgs;
use super::parameters::ParameterArgs;
use super::values::{FEC_HEADING, fec_roots};
use crate::command::table::{self, Emit, TableFec, TableSource};
use crate::trust::RootHashSource;
use crate::{exit, sizes};

/// Print the device-mapper table that activates an image
///
/// The parameters come from a manifest, or from the superblock of HASH for the root hash ROOT; what
/// is given must be what it states. With --no-superblock they are what is given. A
/// manifest without --certificate is not authenticated: it is accepted here alone, with a warning.
/// Parity that the manifest states goes into the table.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(super) struct TableArgs {
    /// The device or file with the hash area
    #[arg(required_unless_present = "manifest", conflicts_with = "manifest")]
    hash: Option<PathBuf>,
    /// The root hash in hex
    #[arg(conflicts_with = "manifest")]
    root: Option<String>,
    /// Take the root hash from this file
    #[arg(long, value_name = "FILE", conflicts_with = "manifest")]
    root_hash_file: Option<PathBuf>,
    /// Take everything from this manifest; its signature is in FILE.p7s
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["hash_offset", "no_superblock", "uuid"]
    )]
    manifest: Option<PathBuf>,
    #[command(flatten)]
    trust: TrustArgs,
    /// The data device as the table shall name it
    #[arg(long, value_name = "DEVICE")]
    data_dev: String,
    /// The hash device as the table shall name it
    #[arg(long, value_name = "DEVICE")]
    hash_dev: String,
    /// An optional parameter of the table, such as restart_on_corruption; one with a value is
    /// written NAME=VALUE, such as root_hash_sig_key_desc=KEY. May be given several times
    #[arg(long = "option", value_name = "NAME[=VALUE]")]
    options: Vec<String>,
    /// What to print: the table (dm), the kernel parameter dm-mod.create=, a GRUB command that sets
    /// dm_verity_NAME to the value of that, the kernel parameters that systemd reads, or a line of
    /// /etc/veritytab
    #[arg(long, value_enum, default_value_t = EmitArg::Dm)]
    emit: EmitArg,
    /// Name of the device, for all but dm; systemd knows root and usr [default: root]
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    parameters: ParameterArgs,

    /// The device with the parity as the table shall name it [default: the hash device if the
    /// manifest states parity, else none]
    #[arg(long, value_name = "DEVICE", alias = "fec-device", help_heading = FEC_HEADING)]
    fec_dev: Option<String>,
    /// Where the parity begins on that device; takes K, M, G and T [default: where the manifest
    /// says; without one 0]
    #[arg(
        long,
        value_name = "BYTES",
        value_parser = sizes::bytes,
        requires = "fec_dev",
        help_heading = FEC_HEADING
    )]
    fec_offset: Option<u64>,
    /// Parity bytes in a codeword of 255, from 2 to 24 [default: as in the manifest; without one 2]
    #[arg(
        long,
        value_name = "N",
        value_parser = fec_roots,
        help_heading = FEC_HEADING
    )]
    fec_roots: Option<u32>,
    /// How many blocks the parity covers [default: as in the manifest; without one, as with
    /// veritysetup: the data, and the hash device from the tree to its end, or to the parity on it]
    #[arg(
        long,
        value_name = "BLOCKS",
        value_parser = sizes::count,
        help_heading = FEC_HEADING
    )]
    fec_blocks: Option<u64>,
    /// Leave out the parity of the manifest, for a kernel without CONFIG_DM_VERITY_FEC, which would
    /// refuse the table
    #[arg(
        long,
        requires = "manifest",
        conflicts_with_all = ["fec_dev", "hash"],
        help_heading = FEC_HEADING
    )]
    no_fec: bool,
}

impl From<TableArgs> for table::Options {
    fn from(args: TableArgs) -> Self {
        let source = match (args.manifest, args.hash) {
            (Some(manifest), _) => TableSource::Manifest { manifest, trust: args.trust.into() },
            (None, hash) => TableSource::HashDevice {
                hash: hash.unwrap_or_default(),
                root: RootHashSource { text: args.root, file: args.root_hash_file },
                trust: args.trust.into(),
            },
        };
        table::Options {
            source,
            parameters: args.parameters.into(),
            data_device: args.data_dev,
            hash_device: args.hash_dev,
            fec: TableFec {
                none: args.no_fec,
                device: args.fec_dev,
                offset: args.fec_offset,
                roots: args.fec_roots,
                blocks: args.fec_blocks,
            },
            options: args.options,
            emit: args.emit.into(),
            name: args.name,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum EmitArg {
    Dm,
    DmModCreate,
    Grub,
    Systemd,
    Veritytab,
}

impl From<EmitArg> for Emit {
    fn from(emit: EmitArg) -> Emit {
        match emit {
            EmitArg::Dm => Emit::Dm,
            EmitArg::DmModCreate => Emit::DmModCreate,
            EmitArg::Grub => Emit::Grub,
            EmitArg::Systemd => Emit::Systemd,
            EmitArg::Veritytab => Emit::Veritytab,
        }
    }
}
