//! `verity image create`: a whole disk image, in one pass over each input.
//!
//! Data is copied into the image and hashed in the same pass; tree, parity, signature and the
//! partition table follow. Everything appears together at the end, or nothing does.

mod draft;
mod image;
mod layout;
mod prepared;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use verity::disk::SectorSize;
use verity::disk::types::{Architecture, MountPoint};
use verity::{FecArea, RootHash, Uuid};
use verity_sign::Fingerprint;

use self::draft::Draft;
use self::prepared::Prepared;
use crate::context::Context;
use crate::error::CommandError;
use crate::making::PlannedTree;
use crate::signing::Signing;

/// What to make of what.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) output: PathBuf,
    pub(crate) root: Option<PathBuf>,
    pub(crate) usr: Option<PathBuf>,
    /// Other partitions, or contents of those of a layout.
    pub(crate) partitions: Vec<NamedPartition>,
    pub(crate) layout: LayoutName,
    pub(crate) architecture: Option<Architecture>,
    pub(crate) sector_size: SectorSize,
    /// In bytes.
    pub(crate) align: Option<u64>,
    pub(crate) slots: u8,
    pub(crate) parity_roots: Option<u32>,
    pub(crate) signing: Option<Signing>,
    pub(crate) image_name: Option<String>,
    pub(crate) image_version: u64,
    pub(crate) label: String,
    pub(crate) not_after: Option<u64>,
    pub(crate) seed: Option<String>,
    /// Take data that looks packed for what it is.
    pub(crate) raw: bool,
    /// What is replaced in the content of partitions.
    pub(crate) fills: Vec<Fill>,
    /// Fill the second slot with the same images.
    pub(crate) fill_both: bool,
    /// Each partition also as a file of its own.
    pub(crate) split: bool,
    /// Say what would be made, and write nothing.
    pub(crate) plan: bool,
    /// Print nothing but what the kernel is to be told.
    pub(crate) emit: bool,
    pub(crate) threads: Option<NonZeroUsize>,
}

/// Where the layout comes from.
#[derive(Clone, Debug)]
pub(crate) enum LayoutName {
    Dps,
    Bottlerocket,
    File(PathBuf),
}

/// A partition beside the verified images.
#[derive(Clone, Debug)]
pub(crate) struct NamedPartition {
    /// A type, or the name of a partition of the layout.
    pub(crate) kind: String,
    pub(crate) label: Option<String>,
    pub(crate) size: Option<u64>,
    pub(crate) uuid: Option<Uuid>,
    pub(crate) file: Option<PathBuf>,
}

/// A marker in the content of a partition, in place of a root hash.
#[derive(Clone, Debug)]
pub(crate) struct Fill {
    /// By its name in the layout.
    pub(crate) partition: String,
    /// Whose root hash it is; the only image's, or that of --root, unless given.
    pub(crate) mount_point: Option<MountPoint>,
    pub(crate) marker: String,
}

/// What was made.
#[derive(Debug)]
pub(crate) struct Created {
    pub(crate) output: PathBuf,
    pub(crate) size: u64,
    pub(crate) sector_size: SectorSize,
    pub(crate) disk_uuid: Uuid,
    pub(crate) partitions: Vec<verity::disk::Partition>,
    pub(crate) images: Vec<CreatedImage>,
    /// The certificate whose key signed.
    pub(crate) signed_by: Option<Fingerprint>,
    /// Files beside the image.
    pub(crate) files: Vec<PathBuf>,
    pub(crate) filled: Vec<Filled>,
    /// Whether nothing was written.
    pub(crate) is_planned: bool,
    /// Whether nothing but the kernel's parameters is asked for.
    pub(crate) is_emitted: bool,
}

/// Places of a marker that hold a root hash now.
#[derive(Debug)]
pub(crate) struct Filled {
    pub(crate) partition: String,
    pub(crate) mount_point: MountPoint,
    /// In bytes from the start of the partition.
    pub(crate) places: Vec<u64>,
}

/// A verified image in the disk image.
#[derive(Debug)]
pub(crate) struct CreatedImage {
    pub(crate) mount_point: MountPoint,
    pub(crate) root_hash: RootHash,
    pub(crate) tree: PlannedTree,
    pub(crate) parity: Option<FecArea>,
    /// By which systemd's generator finds it.
    pub(crate) kernel_parameters: String,
}

/// Makes the disk image, or says what would be made.
pub(crate) fn run(options: &Options, context: &Context) -> Result<Created, CommandError> {
    if options.plan {
        return Draft::new(options, options.signing.is_some())?.plan(context);
    }
    let prepared = Prepared::new(options, context)?;
    prepared.write()
}
