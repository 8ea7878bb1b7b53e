//! `verity build`: everything a verified boot of an image needs, made in one pass and published as
//! a set.
//!
//! Parity goes behind the tree, into the same file: whatever carries the hash area carries it too,
//! and it covers data and tree and nothing foreign.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use verity::internals::to_len;
use verity::partition::{Architecture, MountPoint};
use verity::publish::{InPlace, Input};
use verity::{RootHash, Superblock};
use verity_sign::{Fingerprint, Image, Manifest};

use crate::context::Context;
use crate::error::{Class, CommandError, OrFail};
use crate::inputs;
use crate::making::{
    self, Formatted, Identity, ParityPlan, PlannedTree, PublishedSet, SetContent, SetOutputs,
    SetParts, SetSignatures, SidecarSet, Tail, TreeMaker,
};
use crate::outputs::mode_of_copy;
use crate::parameters::Parameters;
use crate::signing::{OpenedKey, Signing};

/// What to build from what.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) image: PathBuf,
    pub(crate) signing: Option<Signing>,
    pub(crate) image_name: Option<String>,
    pub(crate) image_version: u64,
    pub(crate) label: String,
    /// In seconds since 1970.
    pub(crate) not_after: Option<u64>,
    pub(crate) output_dir: Option<PathBuf>,
    pub(crate) usr: bool,
    /// For a disk on which systemd finds the partitions.
    pub(crate) systemd: bool,
    /// The architectures whose partition types are told; all of them if none is named.
    pub(crate) architectures: Vec<Architecture>,
    pub(crate) parameters: Parameters,
    pub(crate) seed: Option<String>,
    /// The roots of the parity; without a number no parity is made.
    pub(crate) parity_roots: Option<u32>,
    pub(crate) tail: Tail,
    /// One file for data, hash area and parity; the others are named after it.
    pub(crate) single_file: Option<PathBuf>,
    pub(crate) threads: Option<NonZeroUsize>,
}

/// What was built.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) formatted: Formatted,
    pub(crate) image: Image,
    /// The certificate whose key signed.
    pub(crate) signed_by: Option<Fingerprint>,
    /// Where the file system is mounted, for a disk on which systemd finds the partitions.
    pub(crate) mount_point: Option<MountPoint>,
    /// The file with the data, of which the image is.
    pub(crate) image_file: PathBuf,
    /// Those whose partition types are told.
    pub(crate) architectures: Vec<Architecture>,
    pub(crate) published: PublishedSet,
}

/// Builds the set.
pub(crate) fn run(options: &Options, context: &Context) -> Result<Built, CommandError> {
    let prepared = Prepared::new(options, context)?;
    let content = prepared.make()?;
    prepared.publish(content)
}

/// A set whose every input and output is open, before the first byte is hashed.
struct Prepared<'a> {
    options: &'a Options,
    context: &'a Context,
    key: Option<OpenedKey<'a>>,
    data: Input,
    tree: PlannedTree,
    parity: Option<ParityPlan>,
    image: Image,
    outputs: SetOutputs,
    /// The data, locked, if it is to be padded.
    padded_data: Option<InPlace>,
}

impl<'a> Prepared<'a> {
    /// Opens the key and all files.
    fn new(options: &'a Options, context: &'a Context) -> Result<Prepared<'a>, CommandError> {
        options.parameters.check_uuid_has_a_place()?;
        let key = options.signing.as_ref().map(|signing| signing.open(context)).transpose()?;
        let data = inputs::open(&options.image)?;
        let identity = Identity::choose(&options.parameters, options.seed.as_deref())?;
        let parameters = parameters(options, &data)?;
        let tree = PlannedTree::new(&parameters, identity, &data, options.tail)?;
        let set = sidecars(options)?;
        let parity = match options.parity_roots {
            Some(roots) => Some(ParityPlan::behind_hash_area(&tree, roots, &set.hash)?),
            None => None,
        };
        let (padded_data, hash_mode) = match &options.single_file {
            Some(file) => {
                tree.area.check_behind_data(&tree.params).or_fail(Class::Metadata, file)?;
                (None, Some(mode_of_copy(Some(&data))))
            }
            None => (making::lock(&data, tree.padding)?, None),
        };
        let size = match &options.single_file {
            Some(_) => single_size(&tree, parity.as_ref(), &data),
            None => tree.padded_size(&data),
        };
        let image = describe(options, size)?;
        let parts = SetParts { signatures: key.is_some(), partition: options.systemd, hash_mode };
        let outputs = SetOutputs::create(&set, parts)?;
        Ok(Prepared { options, context, key, data, tree, parity, image, outputs, padded_data })
    }

    /// Hashes the image into the hash file, and signs.
    fn make(&self) -> Result<SetContent, CommandError> {
        let Prepared { options, context, data, tree, .. } = self;
        tree.warn(data, self.uncovered_bytes());
        let maker = TreeMaker { tree, data, threads: options.threads, context };
        let (hash, parity) = (self.outputs.hash(), self.parity.as_ref());
        let root_hash = match options.single_file {
            Some(_) => maker.build_single_file(hash, parity)?,
            None => maker.build_output(hash, parity)?,
        };
        let manifest = self.manifest(root_hash)?;
        let sign = |key: &OpenedKey<'_>| {
            key.sign(|signatory| {
                SetSignatures::make(signatory, &root_hash, &manifest, options.systemd)
            })
        };
        let signatures = self.key.as_ref().map(sign).transpose()?;
        Ok(SetContent { root_hash, manifest, signatures })
    }

    /// Writes the small files and makes the set appear.
    fn publish(self, content: SetContent) -> Result<Built, CommandError> {
        self.outputs.write(&content)?;
        self.context.signals.check()?;
        let uncovered_bytes = self.uncovered_bytes();
        let mut padded_data = self.padded_data;
        if let Some(data) = &mut padded_data {
            data.pad(self.tree.padded_size(&self.data))?;
        }
        let formatted = Formatted {
            hash: self.outputs.hash().path().to_owned(),
            root_hash: content.root_hash,
            uncovered_bytes,
            tree: self.tree,
            parity: self.parity.map(|parity| parity.area),
            is_parity_with_hash: true,
        };
        let architectures = match self.options.architectures.as_slice() {
            [] => Architecture::ALL.to_vec(),
            named => named.to_vec(),
        };
        let published = self.outputs.publish(padded_data)?;
        let mount_point = if self.options.usr { MountPoint::Usr } else { MountPoint::Root };
        Ok(Built {
            formatted,
            image: self.image,
            signed_by: self.key.map(|key| key.builder().certificate().fingerprint()),
            mount_point: self.options.systemd.then_some(mount_point),
            image_file: self.options.single_file.as_ref().unwrap_or(&self.options.image).clone(),
            architectures,
            published,
        })
    }

    fn uncovered_bytes(&self) -> u64 {
        self.tree.padded_size(&self.data) - self.tree.params.data_size()
    }

    fn manifest(&self, root_hash: RootHash) -> Result<Manifest, CommandError> {
        let (image, tree) = (self.image.clone(), &self.tree);
        let region = superblock_region(tree);
        let manifest =
            Manifest::new(image, tree.params.clone(), root_hash, tree.area, region.as_deref())
                .and_then(|manifest| match &self.parity {
                    Some(parity) => manifest.with_fec((&parity.area).into()),
                    None => Ok(manifest),
                })
                .map_err(|error| CommandError::new(Class::Metadata, error))?;
        Ok(match self.options.not_after {
            Some(seconds) => manifest.with_not_after(seconds),
            None => manifest,
        })
    }
}

/// What was given; in a single file the hash area follows the data.
fn parameters(options: &Options, data: &Input) -> Result<Parameters, CommandError> {
    let given = &options.parameters;
    if options.single_file.is_none() || given.hash_offset.is_some() {
        return Ok(given.clone());
    }
    // Where a hash area can begin, and a block of zeros can end before.
    let hash_block = given.hash_block_size.unwrap_or_default();
    let data_block = u64::from(given.block_size());
    let padded = match options.tail {
        Tail::Padded => data.size().checked_next_multiple_of(data_block),
        Tail::Refused => Some(data.size()),
    };
    let grid = if given.no_superblock { u64::from(hash_block) } else { Superblock::SIZE };
    let offset = padded.and_then(|size| size.checked_next_multiple_of(grid));
    let offset = offset.ok_or_else(|| {
        CommandError::message(Class::Metadata, "no hash area fits behind it").at(data.path())
    })?;
    Ok(Parameters { hash_offset: Some(offset), ..given.clone() })
}

fn sidecars(options: &Options) -> Result<SidecarSet, CommandError> {
    let directory = options.output_dir.as_deref();
    match &options.single_file {
        Some(file) => Ok(SidecarSet::new(file, directory, options.usr)?.in_one_file(file)),
        None => SidecarSet::new(&options.image, directory, options.usr),
    }
}

/// The size of a file that holds data, hash area and parity.
fn single_size(tree: &PlannedTree, parity: Option<&ParityPlan>, data: &Input) -> u64 {
    let end = parity.map_or(tree.area.file_size(), |parity| parity.area.range().end);
    end.max(tree.padded_size(data))
}

fn describe(options: &Options, size_bytes: u64) -> Result<Image, CommandError> {
    let name = match &options.image_name {
        Some(name) => name.clone(),
        None => SidecarSet::new(&options.image, None, false)?
            .stem
            .to_str()
            .map(str::to_owned)
            .ok_or_else(|| {
                CommandError::usage("the file name is not UTF-8: --image-name says another")
                    .at(&options.image)
            })?,
    };
    Image::new(name, options.image_version, options.label.as_str(), size_bytes)
        .map_err(|error| CommandError::new(Class::Usage, error))
}

/// The superblock with the zeros behind it, up to the tree: what the manifest binds.
fn superblock_region(tree: &PlannedTree) -> Option<Vec<u8>> {
    let superblock = tree.superblock()?;
    let range = tree.area.superblock_region();
    // At most one hash block.
    let mut region = vec![0; to_len(range.end - range.start)];
    region[..superblock.len()].copy_from_slice(&superblock);
    Some(region)
}
