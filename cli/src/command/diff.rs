//! `verity diff`: what a new image has that an old one has not, by the data of both or by their
//! hash trees alone.
//!
//! Nothing is verified against anything that a caller trusts: a tree is held against its own top
//! hash block, so that what is told follows from what is there.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use verity::internals::{to_len, unpoisoned};
use verity::io::ReadAt;
use verity::update::{Difference, DigestIndex, Settings, VerifiedTree};
use verity::{
    Builder, Error, HashArea, Params, ParamsBuilder, Superblock, SuperblockError, TrustedParams,
};

use crate::context::{Context, threads_or_all};
use crate::error::{Class, CommandError, OrFail};
use crate::image::Device;
use crate::library_error::from_library;
use crate::parameters::Parameters;
use crate::progress::{Meter, Step};

/// Which images to compare.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) old: PathBuf,
    pub(crate) new: PathBuf,
    /// How images are hashed, where there is no tree that says it.
    pub(crate) parameters: Parameters,
    /// Gaps that are bridged, in bytes.
    pub(crate) bridges: Vec<u64>,
    pub(crate) threads: Option<NonZeroUsize>,
}

/// How two images differ.
#[derive(Debug)]
pub(crate) struct Compared {
    pub(crate) old: PathBuf,
    pub(crate) new: PathBuf,
    /// Whether each is a hash tree, and not data.
    pub(crate) is_tree: [bool; 2],
    pub(crate) data_block_size: u32,
    pub(crate) difference: Difference,
}

/// Compares two images.
pub(crate) fn run(options: &Options, context: &Context) -> Result<Compared, CommandError> {
    let (old, new) = (Side::open(&options.old, context)?, Side::open(&options.new, context)?);
    let comparing = Comparing { options, context };
    let tree = match (&new, &old) {
        (Side { superblock: Some(superblock), .. }, _) => comparing.tree(&new, superblock)?,
        (_, Side { superblock: Some(superblock), .. }) => {
            comparing.tree_of_data(&new, superblock.params().to_builder())?
        }
        _ => comparing.tree_of_data(&new, options.parameters.builder())?,
    };
    let mut index = DigestIndex::new(&tree);
    match &old.superblock {
        Some(superblock) => {
            let old_tree = comparing.tree(&old, superblock)?;
            if !index.is_comparable(&old_tree) {
                let words = "the two trees hash in different ways (salt, algorithm or block size): \
                             give the data of one of them";
                return Err(CommandError::message(Class::Metadata, words).at(old.device.path()));
            }
            index.add_tree(&old_tree);
        }
        None => {
            let meter = Meter::new(Step::Indexing, old.device.size(), &context.signals);
            let settings = comparing.settings(tree.params()).progress(&meter);
            index
                .add_slot(&old.device, &settings)
                .map_err(|error| comparing.failed(error, &old))?;
        }
    }
    let difference = index.difference(&options.bridges);
    old.device.check()?;
    new.device.check()?;
    Ok(Compared {
        old: options.old.clone(),
        new: options.new.clone(),
        is_tree: [old.superblock.is_some(), new.superblock.is_some()],
        data_block_size: tree.params().data_block_size().bytes(),
        difference,
    })
}

/// The largest tree of a server, in bytes: nothing says that it is somebody's image, and a server
/// can make one up as it is read. A file is bounded by itself.
const MAX_FETCHED_TREE: u64 = 1 << 30;

/// The largest tree that is made of data alone, in bytes, which can be a hole of any size.
const MAX_MADE_TREE: u64 = 1 << 30;

/// One of the two.
struct Side {
    device: Device,
    /// Of a hash tree.
    superblock: Option<Superblock>,
}

impl Side {
    fn open(path: &Path, context: &Context) -> Result<Side, CommandError> {
        let device = Device::open(path)?;
        let superblock = match Superblock::read(&device, 0) {
            Ok(superblock) => Some(superblock),
            Err(Error::Superblock(SuperblockError::Magic | SuperblockError::Truncated { .. })) => {
                None
            }
            Err(error) => return Err(from_library(error, path, path, &context.signals)),
        };
        Ok(Side { device, superblock })
    }
}

struct Comparing<'a> {
    options: &'a Options,
    context: &'a Context,
}

impl<'a> Comparing<'a> {
    fn settings(&self, params: &Params) -> Settings<'a> {
        Settings::new()
            .threads(threads_or_all(self.options.threads))
            .kernels(self.context.kernels(params.algorithm()))
    }

    fn failed(&self, error: Error, side: &Side) -> CommandError {
        let path = side.device.path();
        match error {
            Error::Corrupt(report) => {
                let words = format!("{report}; the hash tree does not agree with itself");
                CommandError::message(Class::NotVerified, words).at(path)
            }
            error => from_library(error, path, path, &self.context.signals),
        }
    }

    /// Reads a tree, down from its own top hash block.
    fn tree(&self, side: &Side, superblock: &Superblock) -> Result<VerifiedTree, CommandError> {
        let (device, params) = (&side.device, superblock.params());
        let metadata = |error| CommandError::new(Class::Metadata, error).at(device.path());
        let area = HashArea::new(params, 0, true).map_err(metadata)?;
        if area.hash_blocks() == 0 {
            let words = "there is no hash block, as the image has a single data block: give the \
                         data";
            return Err(CommandError::message(Class::Metadata, words).at(device.path()));
        }
        let range = area.tree_range();
        if device.input().is_none() && range.end - range.start > MAX_FETCHED_TREE {
            let words = format!(
                "a server's hash tree of {} bytes is not held in memory, only up to \
                 {MAX_FETCHED_TREE}: fetch it first",
                range.end - range.start
            );
            return Err(CommandError::message(Class::Metadata, words).at(device.path()));
        }
        // What the hash of the top hash block is: the root hash of an image of that block alone.
        let mut top = vec![0; to_len(u64::from(params.hash_block_size()))];
        device.read_exact_at(&mut top, range.start).or_fail(Class::Io, device.path())?;
        let alone = params.to_builder().data_block_size(params.hash_block_size()).data_blocks(1);
        let alone = alone.build().or_fail(Class::Metadata, device.path())?;
        let nothing = HashArea::new(&alone, 0, false)
            .map_err(|error| CommandError::new(Class::Metadata, error).at(device.path()))?;
        let root_hash = Builder::new(&alone)
            .kernels(self.context.kernels(params.algorithm()))
            .build(&top, &Mutex::new(Vec::new()), &nothing)
            .map_err(|error| self.failed(error, side))?;
        let trusted = TrustedParams::pinned(params.clone(), root_hash, area)
            .or_fail(Class::Metadata, device.path())?;
        let meter = Meter::new(Step::Fetching, range.end - range.start, &self.context.signals);
        VerifiedTree::read(&trusted, device, &self.settings(params).progress(&meter))
            .map_err(|error| self.failed(error, side))
    }

    /// Hashes data as that says, in memory.
    fn tree_of_data(
        &self,
        side: &Side,
        builder: ParamsBuilder,
    ) -> Result<VerifiedTree, CommandError> {
        let device = &side.device;
        let params = builder.data_size(device.size()).build().map_err(|error| {
            let error = CommandError::new(Class::Metadata, error).adding(&device.packed_hint());
            error.at(device.path())
        })?;
        let area = HashArea::new(&params, 0, false)
            .map_err(|error| CommandError::new(Class::Metadata, error).at(device.path()))?;
        let range = area.tree_range();
        if range.end - range.start > MAX_MADE_TREE {
            let words = format!(
                "the hash tree of {} bytes of data is not made in memory: make it by verity format",
                device.size()
            );
            return Err(CommandError::message(Class::Metadata, words).at(device.path()));
        }
        let hash = Mutex::new(Vec::new());
        let meter = Meter::new(Step::Hashing, params.data_size(), &self.context.signals);
        let root_hash = Builder::new(&params)
            .threads(threads_or_all(self.options.threads))
            .kernels(self.context.kernels(params.algorithm()))
            .progress(&meter)
            .build(device, &hash, &area)
            .map_err(|error| self.failed(error, side))?;
        drop(meter);
        let trusted = TrustedParams::pinned(params.clone(), root_hash, area)
            .or_fail(Class::Metadata, device.path())?;
        let hash = unpoisoned(hash.into_inner());
        VerifiedTree::read(&trusted, &hash, &self.settings(&params))
            .map_err(|error| self.failed(error, side))
    }
}
