//! The command line of `image create`, `image show` and `image grow`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};
use verity::disk::SectorSize;
use verity::disk::types::{Architecture, MountPoint};

use super::description::DescriptionArgs;
use super::parameters::ThreadArgs;
use super::signing::SigningArgs;
use super::values::{FEC_HEADING, architecture, fec_roots, uuid};
use crate::command::image_create::{self, Fill, LayoutName, NamedPartition};
use crate::command::image_grow;
use crate::command::image_show;
use crate::exit;
use crate::sizes;

/// Make a disk image with verified partitions, show what lies on a disk, or let its table grow
#[derive(Debug, Subcommand)]
#[command(after_help = exit::HELP, disable_help_subcommand = true)]
pub(super) enum ImageCommand {
    Create(Box<ImageCreateArgs>),
    Show(ImageShowArgs),
    Grow(ImageGrowArgs),
}

/// Show the partition table of DISK: both copies, partitions, what belongs together
///
/// Nothing is verified, and nothing vouches for a partition table.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(super) struct ImageShowArgs {
    /// The disk, or an image of one
    disk: PathBuf,
    /// A manifest of an image on it; may be given several times [default: those beside DISK]
    #[arg(long, value_name = "FILE")]
    manifest: Vec<PathBuf>,
}

impl From<ImageShowArgs> for image_show::Options {
    fn from(args: ImageShowArgs) -> Self {
        image_show::Options { disk: args.disk, manifests: args.manifest }
    }
}

/// Let the partition table of DISK take in all of it, after the disk has grown
///
/// An image on a larger disk has the backup of its table in the middle. It is moved to the end, and
/// partitions may lie behind the old one; no partition is moved or made larger. Only the table is
/// written: the backup first, so that one copy is whole at any moment. Where the backup is at the
/// end nothing is written.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(super) struct ImageGrowArgs {
    /// The disk, or an image of one
    disk: PathBuf,
    /// Say what would change, and write nothing
    #[arg(long)]
    dry_run: bool,
}

impl From<ImageGrowArgs> for image_grow::Options {
    fn from(args: ImageGrowArgs) -> Self {
        image_grow::Options { disk: args.disk, dry_run: args.dry_run }
    }
}

/// Make a disk image: data, hash tree, parity, signature and partition table in one pass
///
/// OUT is sparse, and appears whole or not at all. Beside it lie a manifest of each verified image
/// (NAME.root.manifest.json, NAME.usr.manifest.json) and, with a key, its signature; check OUT then
/// checks all of it. The same inputs and the same --seed give the same bytes.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(super) struct ImageCreateArgs {
    /// The disk image to make
    output: PathBuf,
    /// The root file system, only read
    #[arg(long, value_name = "FS")]
    root: Option<PathBuf>,
    /// The /usr file system, only read
    #[arg(long, value_name = "FS")]
    usr: Option<PathBuf>,
    /// Another partition: esp, xbootldr, linux, a name such as root-x86-64, or a GUID, with what
    /// goes into it; or a partition of --layout by its name. May be given several times
    #[arg(long, value_name = "TYPE[,label=L][,size=S][,uuid=U]=FILE")]
    partition: Vec<PartitionArg>,
    /// Which partitions there are: dps (as systemd finds them), bottlerocket, or a JSON file
    #[arg(long, value_name = "NAME|FILE", default_value = "dps")]
    layout: PathBuf,
    /// The architecture that the image is for [default: that of this machine]
    #[arg(long = "arch", value_name = "ARCH", value_parser = architecture)]
    architecture: Option<Architecture>,
    /// Size of a sector of the disk: 512 or 4096
    #[arg(long, value_name = "BYTES", default_value = "512", value_parser = sector_size)]
    sector_size: SectorSize,
    /// What partitions are aligned to [default: 1M]
    #[arg(long, value_name = "BYTES", value_parser = sizes::bytes)]
    align: Option<u64>,
    /// How many images of each kind there is room for; the second stays empty
    #[arg(
        long,
        value_name = "1|2",
        default_value = "1",
        value_parser = clap::value_parser!(u8).range(1..=2)
    )]
    slots: u8,
    #[command(flatten)]
    signing: SigningArgs,
    /// Name of the image in manifest and labels [default: OUT less a trailing .raw]
    #[arg(long, value_name = "NAME")]
    image_name: Option<String>,
    #[command(flatten)]
    description: DescriptionArgs,
    /// Derive salts and UUIDs from this text, so that the same input gives the same output
    #[arg(long, value_name = "TEXT")]
    seed: Option<String>,
    /// Take data that looks compressed as it is
    #[arg(long)]
    raw: bool,
    /// Put the root hash in place of MARKER, which has as many characters, in the file that goes
    /// into PARTITION: that of --root, unless it is named; each place is told. May be given several
    /// times
    #[arg(long, value_name = "PARTITION[,root|,usr]=MARKER")]
    fill: Vec<FillArg>,
    /// Fill the second slot with the same images: with UUIDs of their own, and hidden from
    /// discovery
    #[arg(long)]
    fill_both: bool,
    /// Also write each partition that holds something to a file, OUT less .raw with its name
    #[arg(long)]
    split: bool,
    /// Say what would be made, with root hashes, UUIDs and kernel parameters, and write nothing
    #[arg(long, requires = "seed", conflicts_with = "split")]
    plan: bool,
    /// Print nothing but the kernel parameters by which systemd finds the images
    #[arg(long, value_enum)]
    emit: Option<EmitArg>,
    #[command(flatten)]
    threads: ThreadArgs,

    /// Parity right behind the hash area, by which so many lost blocks of each 255 can be
    /// recovered: from 2 to 24 [default: none]
    #[arg(long, value_name = "N", value_parser = fec_roots, help_heading = FEC_HEADING)]
    fec_roots: Option<u32>,
}

impl From<ImageCreateArgs> for image_create::Options {
    fn from(args: ImageCreateArgs) -> Self {
        let layout = match args.layout.to_str() {
            Some("dps") => LayoutName::Dps,
            Some("bottlerocket") => LayoutName::Bottlerocket,
            _ => LayoutName::File(args.layout),
        };
        image_create::Options {
            output: args.output,
            root: args.root,
            usr: args.usr,
            partitions: args.partition.into_iter().map(|PartitionArg(named)| named).collect(),
            layout,
            architecture: args.architecture,
            sector_size: args.sector_size,
            align: args.align,
            slots: args.slots,
            parity_roots: args.fec_roots,
            signing: args.signing.options(true),
            image_name: args.image_name,
            image_version: args.description.image_version,
            label: args.description.label,
            not_after: args.description.not_after,
            seed: args.seed,
            raw: args.raw,
            fills: args.fill.into_iter().map(|FillArg(fill)| fill).collect(),
            fill_both: args.fill_both,
            split: args.split,
            plan: args.plan,
            emit: args.emit.is_some(),
            threads: args.threads.threads,
        }
    }
}

fn sector_size(text: &str) -> Result<SectorSize, anyhow::Error> {
    let size = text.parse().ok().and_then(SectorSize::new);
    size.ok_or_else(|| anyhow::anyhow!("a sector has 512 or 4096 bytes"))
}

/// What to print of an image that was made.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum EmitArg {
    /// The kernel parameters that systemd reads
    Systemd,
}

/// `PARTITION[,root|,usr]=MARKER`.
#[derive(Clone, Debug)]
struct FillArg(Fill);

impl FromStr for FillArg {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<FillArg, anyhow::Error> {
        let (name, marker) = text.split_once('=').unwrap_or((text, ""));
        let (partition, mount_point) = match name.rsplit_once(',') {
            Some((partition, "root")) => (partition, Some(MountPoint::Root)),
            Some((partition, "usr")) => (partition, Some(MountPoint::Usr)),
            _ => (name, None),
        };
        anyhow::ensure!(
            !partition.is_empty() && !marker.is_empty(),
            "a marker stands in a partition: PARTITION=MARKER"
        );
        let (partition, marker) = (partition.to_owned(), marker.to_owned());
        Ok(FillArg(Fill { partition, mount_point, marker }))
    }
}

/// `TYPE[,label=L][,size=S][,uuid=U]=FILE`.
#[derive(Clone, Debug)]
struct PartitionArg(NamedPartition);

impl FromStr for PartitionArg {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<PartitionArg, anyhow::Error> {
        let end = text.find([',', '=']).unwrap_or(text.len());
        let mut named = NamedPartition {
            kind: text[..end].to_owned(),
            label: None,
            size: None,
            uuid: None,
            file: None,
        };
        let mut rest = &text[end..];
        while let Some(option) = rest.strip_prefix(',') {
            let (key, value) = option.split_once('=').unwrap_or((option, ""));
            let end = value.find([',', '=']).unwrap_or(value.len());
            let (value, after) = value.split_at(end);
            match key {
                "label" => named.label = Some(value.to_owned()),
                "size" => named.size = Some(sizes::bytes(value)?),
                "uuid" => named.uuid = Some(uuid(value)?),
                _ => anyhow::bail!("{key:?} is no property: label, size or uuid"),
            }
            rest = after;
        }
        named.file = rest.strip_prefix('=').filter(|file| !file.is_empty()).map(PathBuf::from);
        anyhow::ensure!(!named.kind.is_empty(), "a partition has a type: TYPE=FILE");
        anyhow::ensure!(
            named.file.is_some() || named.size.is_some(),
            "a partition has a file or a size: TYPE=FILE or TYPE,size=S"
        );
        Ok(PartitionArg(named))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_stands_in_a_partition() {
        let of = |text: &str| text.parse::<FillArg>().map(|arg| arg.0);
        let fill = of("esp=a=b").unwrap();
        assert_eq!((fill.partition.as_str(), fill.marker.as_str()), ("esp", "a=b"));
        assert_eq!(of("boot-a,usr=x").unwrap().mount_point, Some(MountPoint::Usr));
        for wrong in ["", "esp", "esp=", "=x", ",usr=x"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_partition_is_a_type_its_properties_and_a_file() {
        let of = |text: &str| text.parse::<PartitionArg>().map(|arg| arg.0);
        let named = of("esp=a,b=c").unwrap();
        assert_eq!((named.kind.as_str(), named.file), ("esp", Some("a,b=c".into())));
        let named = of("linux,label=data,size=1M").unwrap();
        assert_eq!((named.label.as_deref(), named.size), (Some("data"), Some(1 << 20)));
        let named = of("esp,size=4K=file").unwrap();
        assert_eq!((named.size, named.file), (Some(4096), Some("file".into())));
        for wrong in ["", "=f", "esp", "esp,colour=red=f", "esp,size=x=f", "esp,uuid=1=f"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
