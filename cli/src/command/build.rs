//! `verity build`: everything a verified boot of an image needs, made in one pass and published as
//! a set.
//!
//! Parity goes behind the tree, into the same file: whatever carries the hash area carries it too,
//! and it covers data and tree and nothing foreign.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use verity::disk::types::{Architecture, MountPoint};
use verity::publish::{InPlace, Input};
use verity::{BuiltImage, FecArea, ImageDigest, Superblock};
use verity_sign::{Fingerprint, Image, Sidecars};

use crate::context::Context;
use crate::error::{Class, CommandError, OrFail};
use crate::inputs;
use crate::making::{
    self, CopyPlace, FileDigest, Formatted, GuestOptions, Guests, Identity, ParityPlan,
    PlannedTree, PublishedSet, SetOutputs, SetParts, SidecarSet, StreamMaker, Tail, TreeMaker,
};
use crate::outputs::mode_of_copy;
use crate::packed;
use crate::parameters::Parameters;
use crate::signing::{OpenedKey, Signing, Vouching};
use crate::streams::is_standard;

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
    /// What else is made of the data in the same pass.
    pub(crate) guests: GuestOptions,
    /// Take data that looks compressed for what it is.
    pub(crate) raw: bool,
    pub(crate) threads: Option<NonZeroUsize>,
}

impl Options {
    /// The file that holds the data in the end, after which the set is named.
    fn named_after(&self) -> &Path {
        match &self.guests.copy_to {
            Some(place) if is_standard(&self.image) => place.path(),
            _ => &self.image,
        }
    }

    /// Says of the image what was built, and has it signed.
    fn vouch(
        &self,
        key: Option<&OpenedKey<'_>>,
        image: &Image,
        built: &BuiltImage,
    ) -> Result<Sidecars, CommandError> {
        let vouching = Vouching { key, not_after: self.not_after, partition: self.systemd };
        vouching.of(image.clone(), built)
    }

    fn built(
        &self,
        formatted: Formatted,
        image: Image,
        signed_by: Option<Fingerprint>,
        published: PublishedSet,
    ) -> Built {
        let architectures = match self.architectures.as_slice() {
            [] => Architecture::ALL.to_vec(),
            named => named.to_vec(),
        };
        let mount_point = if self.usr { MountPoint::Usr } else { MountPoint::Root };
        Built {
            formatted,
            image,
            signed_by,
            mount_point: self.systemd.then_some(mount_point),
            image_file: self.single_file.as_deref().unwrap_or(self.named_after()).to_owned(),
            architectures,
            published,
        }
    }
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
    if is_standard(&options.image) {
        return run_stream(options, context);
    }
    let prepared = Prepared::new(options, context)?;
    let sidecars = prepared.make()?;
    prepared.publish(sidecars)
}

/// Builds the set of what comes from standard input, which is kept; the set is named after that.
fn run_stream(options: &Options, context: &Context) -> Result<Built, CommandError> {
    if options.parameters.data_blocks.is_some() || options.single_file.is_some() {
        let words = "--data-blocks and --single-file are for data that stays: all of standard \
                     input is hashed, and --copy-to says where it is kept";
        return Err(CommandError::usage(words));
    }
    if options.guests.copy_to.as_ref().is_some_and(CopyPlace::is_in_something)
        && options.output_dir.is_none()
    {
        let words = "the data goes into a device or a place in a file, after which no set is \
                     named: --output-dir says where that goes";
        return Err(CommandError::usage(words));
    }
    options.parameters.check_uuid_has_a_place()?;
    let key = options.signing.as_ref().map(|signing| signing.open(context)).transpose()?;
    let identity = Identity::choose(&options.parameters, options.seed.as_deref())?;
    let guests = Guests::open_for_stream(&options.guests)?;
    let parts = SetParts { signatures: key.is_some(), partition: options.systemd, hash_mode: None };
    // Before the work, so that a bad name is.
    describe(options, 0)?;
    let outputs = SetOutputs::create(&sidecars(options)?, parts)?;
    let digest = options.guests.image_digest.map(ImageDigest::new);
    let maker = StreamMaker {
        parameters: &options.parameters,
        identity,
        tail: options.tail,
        hash: outputs.hash(),
        guests: &guests,
        digest: digest.as_ref(),
        refuses_packed: !options.raw,
        threads: options.threads,
        context,
    };
    let made = maker.make()?;
    let parity = match options.parity_roots {
        Some(roots) => {
            let area = FecArea::behind_hash_area(&made.tree.params, &made.tree.area, roots)
                .map_err(|error| CommandError::new(Class::Metadata, error))?;
            maker.build_fec(&made, &area, None)?;
            Some(area)
        }
        None => None,
    };
    let built = maker.finish(&made, parity.as_ref())?;
    let image = describe(options, made.tree.params.data_size())?;
    let content = options.vouch(key.as_ref(), &image, &built)?;
    outputs.write(&content)?;
    context.signals.check()?;
    let formatted = Formatted {
        hash: outputs.hash().path().to_owned(),
        root_hash: built.root_hash(),
        uncovered_bytes: 0,
        tree: made.tree,
        parity,
        is_parity_with_hash: true,
        image_digest: digest.as_ref().map(FileDigest::from),
    };
    let signed_by = key.map(|key| key.builder().certificate().fingerprint());
    let published = outputs.publish(None, guests)?;
    Ok(options.built(formatted, image, signed_by, published))
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
    guests: Guests,
    digest: Option<ImageDigest>,
    /// The data, locked, if it is to be padded.
    padded_data: Option<InPlace>,
}

impl<'a> Prepared<'a> {
    /// Opens the key and all files.
    fn new(options: &'a Options, context: &'a Context) -> Result<Prepared<'a>, CommandError> {
        options.parameters.check_uuid_has_a_place()?;
        let key = options.signing.as_ref().map(|signing| signing.open(context)).transpose()?;
        let data = inputs::open_device(&options.image)?;
        if !options.raw {
            packed::refuse(&data, &options.image)?;
        }
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
        let size = tree.padded_size(&data);
        let uncovered = size - tree.params.data_size();
        let guests = Guests::open(&options.guests, &data, size, uncovered)?;
        let digest = options.guests.image_digest.map(ImageDigest::new);
        Ok(Prepared {
            options,
            context,
            key,
            data,
            tree,
            parity,
            image,
            outputs,
            guests,
            digest,
            padded_data,
        })
    }

    /// Hashes the image into the hash file, and signs.
    fn make(&self) -> Result<Sidecars, CommandError> {
        let Prepared { options, context, data, tree, .. } = self;
        tree.warn(data, self.uncovered_bytes());
        let (guests, digest) = (Some(&self.guests), self.digest.as_ref());
        let threads = options.threads;
        let maker = TreeMaker { tree, data, threads, guests, digest, old: None, context };
        let (hash, parity) = (self.outputs.hash(), self.parity.as_ref());
        let built = match options.single_file {
            Some(_) => maker.build_single_file(hash, parity)?,
            None => maker.build_output(hash, parity)?,
        };
        options.vouch(self.key.as_ref(), &self.image, &built)
    }

    /// Writes the small files and makes the set appear.
    fn publish(self, sidecars: Sidecars) -> Result<Built, CommandError> {
        self.outputs.write(&sidecars)?;
        // Whoever signs may take minutes.
        self.data.check_path()?;
        self.context.signals.check()?;
        let uncovered_bytes = self.uncovered_bytes();
        let mut padded_data = self.padded_data;
        if let Some(data) = &mut padded_data {
            data.pad(self.tree.padded_size(&self.data))?;
        }
        let formatted = Formatted {
            hash: self.outputs.hash().path().to_owned(),
            root_hash: sidecars.root_hash(),
            uncovered_bytes,
            tree: self.tree,
            parity: self.parity.map(|parity| parity.area),
            is_parity_with_hash: true,
            image_digest: self.digest.as_ref().map(FileDigest::from),
        };
        let signed_by = self.key.map(|key| key.builder().certificate().fingerprint());
        let published = self.outputs.publish(padded_data, self.guests)?;
        Ok(self.options.built(formatted, self.image, signed_by, published))
    }

    fn uncovered_bytes(&self) -> u64 {
        self.tree.padded_size(&self.data) - self.tree.params.data_size()
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
        None => SidecarSet::new(options.named_after(), directory, options.usr),
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
        None => SidecarSet::new(options.named_after(), None, false)?
            .stem
            .to_str()
            .map(str::to_owned)
            .ok_or_else(|| {
                CommandError::usage("the file name is not UTF-8: --image-name says another")
                    .at(options.named_after())
            })?,
    };
    Image::new(name, options.image_version, options.label.as_str(), size_bytes)
        .map_err(|error| CommandError::new(Class::Usage, error))
}
