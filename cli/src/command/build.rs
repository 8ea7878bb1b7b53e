//! `verity build`: everything a verified boot of an image needs, made in one pass and published as
//! a set.
//!
//! Parity goes behind the tree, into the same file: whatever carries the hash area carries it too,
//! and it covers data and tree and nothing foreign.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use verity::RootHash;
use verity::internals::to_len;
use verity::partition::{Architecture, MountPoint};
use verity::publish::Input;
use verity_sign::{Fingerprint, Image, Manifest};

use crate::context::Context;
use crate::error::{Class, CommandError};
use crate::inputs;
use crate::making::{
    Formatted, Identity, ParityPlan, PlannedTree, SetContent, SetOutputs, SetParts, SetSignatures,
    SidecarSet, TreeMaker,
};
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
    /// Those whose partition types are told.
    pub(crate) architectures: Vec<Architecture>,
    pub(crate) files: Vec<PathBuf>,
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
}

impl<'a> Prepared<'a> {
    /// Opens the key and all files.
    fn new(options: &'a Options, context: &'a Context) -> Result<Prepared<'a>, CommandError> {
        options.parameters.check_uuid_has_a_place()?;
        let key = options.signing.as_ref().map(|signing| signing.open(context)).transpose()?;
        let data = inputs::open(&options.image)?;
        let identity = Identity::choose(&options.parameters, options.seed.as_deref())?;
        let tree = PlannedTree::new(&options.parameters, identity, &data)?;
        let set = SidecarSet::new(&options.image, options.output_dir.as_deref(), options.usr)?;
        let parity = match options.parity_roots {
            Some(roots) => Some(ParityPlan::behind_hash_area(&tree, roots, &set.hash)?),
            None => None,
        };
        let image = describe(options, &set, &data)?;
        let parts = SetParts { signatures: key.is_some(), partition: options.systemd };
        let outputs = SetOutputs::create(&set, parts)?;
        Ok(Prepared { options, context, key, data, tree, parity, image, outputs })
    }

    /// Hashes the image into the hash file, and signs.
    fn make(&self) -> Result<SetContent, CommandError> {
        let Prepared { options, context, data, tree, .. } = self;
        tree.warn(data, self.uncovered_bytes());
        let maker = TreeMaker { tree, data, threads: options.threads, context };
        let root_hash = maker.build_output(self.outputs.hash(), self.parity.as_ref())?;
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
        let formatted = Formatted {
            hash: self.outputs.hash().path().to_owned(),
            root_hash: content.root_hash,
            uncovered_bytes: self.uncovered_bytes(),
            tree: self.tree,
            parity: self.parity.map(|parity| parity.area),
            is_parity_with_hash: true,
        };
        let architectures = match self.options.architectures.as_slice() {
            [] => Architecture::ALL.to_vec(),
            named => named.to_vec(),
        };
        let mount_point = if self.options.usr { MountPoint::Usr } else { MountPoint::Root };
        Ok(Built {
            formatted,
            image: self.image,
            signed_by: self.key.map(|key| key.builder().certificate().fingerprint()),
            mount_point: self.options.systemd.then_some(mount_point),
            architectures,
            files: self.outputs.publish()?,
        })
    }

    fn uncovered_bytes(&self) -> u64 {
        self.data.size() - self.tree.params.data_size()
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

fn describe(options: &Options, set: &SidecarSet, data: &Input) -> Result<Image, CommandError> {
    let name = match &options.image_name {
        Some(name) => name.clone(),
        None => set.stem.to_str().map(str::to_owned).ok_or_else(|| {
            CommandError::usage("the file name is not UTF-8: --image-name says another")
                .at(&options.image)
        })?,
    };
    Image::new(name, options.image_version, options.label.as_str(), data.size())
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
