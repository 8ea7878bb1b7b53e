//! `verity format`: makes a hash tree and writes it, whole or not at all where that is possible.
//!
//! Everything that can be wrong with parameters and outputs is found before the first data byte is
//! hashed.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use verity::ImageDigest;
use verity::publish::{Input, OutputSet};

use crate::context::Context;
use crate::disks::PartitionName;
use crate::error::CommandError;
use crate::image::{Device, read_superblock};
use crate::inputs;
use crate::making::{
    self, FileDigest, Formatted, GuestOptions, Guests, HashTarget, Identity, ParityPlan,
    PlannedTree, Rest, StreamMaker, Tail, TreeMaker,
};
use crate::outputs::{self, OWNER_ONLY};
use crate::packed;
use crate::parameters::{Parameters, ParitySource};
use crate::places::uncovered_bytes;
use crate::roles::same_place;
use crate::storage::Relation;
use crate::streams::is_standard;

/// What to make of what.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) data: PathBuf,
    pub(crate) hash: PathBuf,
    pub(crate) parameters: Parameters,
    pub(crate) seed: Option<String>,
    pub(crate) root_hash_file: Option<PathBuf>,
    /// Where parity goes; without a device no parity is made.
    pub(crate) parity: ParitySource,
    pub(crate) tail: Tail,
    /// An old hash device, whose parameters the new one gets.
    pub(crate) like: Option<Like>,
    /// What else is made of the data in the same pass.
    pub(crate) guests: GuestOptions,
    pub(crate) threads: Option<NonZeroUsize>,
}

/// Where an old superblock lies.
#[derive(Debug)]
pub(crate) struct Like {
    pub(crate) hash: PathBuf,
    /// In bytes.
    pub(crate) offset: u64,
}

/// Makes the hash area.
pub(crate) fn run(options: &Options, context: &Context) -> Result<Formatted, CommandError> {
    options.parameters.check_uuid_has_a_place()?;
    if is_standard(&options.data) {
        return run_stream(options, context);
    }
    let data = inputs::open_device(&options.data)?;
    let parameters = parameters(options, context)?;
    let identity = Identity::choose(&parameters, options.seed.as_deref())?;
    let tree = PlannedTree::new(&parameters, identity, &data, options.tail)?;
    let target = HashTarget::open(&options.hash, &data, &tree)?;
    let parity = ParityPlan::open(&options.parity, &data, &target, &tree)?;
    let root_hash_file = making::root_hash_output(options.root_hash_file.as_deref())?;
    let uncovered_bytes = uncovered(&tree, &data, target.relation(&data)?, parity.as_ref())?;
    let guests = &options.guests;
    let digest = guests.image_digest.map(ImageDigest::new);
    // They see what is hashed; a hash area in the same file is no part of that.
    let hashed = tree.params.data_size();
    let guests = Guests::open(guests, &data, hashed, tree.padded_size(&data) - hashed)?;
    packed::warn(&data);
    tree.warn(&data, uncovered_bytes);
    let is_locked = target.relation(&data)? == Relation::Same
        || parity.as_ref().is_some_and(ParityPlan::locks_data);
    let padded_data = if is_locked { None } else { making::lock(&data, tree.padding)? };
    let area = parity.as_ref().map(|parity| parity.area);
    let is_parity_with_hash = parity.as_ref().is_some_and(ParityPlan::is_with_hash);
    let threads = options.threads;
    let maker = TreeMaker {
        tree: &tree,
        data: &data,
        threads,
        guests: None,
        digest: digest.as_ref(),
        old: None,
        context,
    };
    let rest = Rest { root_hash_file, guests, padded_data };
    let root_hash = making::write(target, &maker, parity, rest)?;
    making::print_root_hash(options.root_hash_file.as_deref(), root_hash)?;
    Ok(Formatted {
        hash: options.hash.clone(),
        tree,
        root_hash,
        uncovered_bytes,
        parity: area,
        is_parity_with_hash,
        image_digest: digest.as_ref().map(FileDigest::from),
    })
}

/// Makes the hash area of what comes from standard input, which is kept.
fn run_stream(options: &Options, context: &Context) -> Result<Formatted, CommandError> {
    if options.parameters.data_blocks.is_some() {
        let words = "--data-blocks is for data that stays: all of standard input is hashed";
        return Err(CommandError::usage(words));
    }
    let parameters = parameters(options, context)?;
    let identity = Identity::choose(&parameters, options.seed.as_deref())?;
    let guests = Guests::open_for_stream(&options.guests)?;
    let is_device = |path: &Path| {
        let is_there = path.metadata().is_ok_and(|it| !it.is_file());
        is_there || PartitionName::of(path).is_some()
    };
    let fec_path = options.parity.device.as_deref();
    for path in [Some(options.hash.as_path()), fec_path].into_iter().flatten() {
        if is_device(path) {
            let words = "with data from standard input, hash area and parity go to files";
            return Err(CommandError::usage(words).at(path));
        }
    }
    // What lies beside what is made stays, as with a file as data.
    let open = |path: &Path| match path.exists() {
        true => outputs::update(path),
        false => outputs::create_with_mode(path, OWNER_ONLY),
    };
    let hash = open(&options.hash)?;
    let is_parity_with_hash = fec_path.is_some_and(|path| same_place(&options.hash, path));
    let fec_path = fec_path.filter(|_| !is_parity_with_hash);
    let fec = fec_path.map(open).transpose()?;
    let root_hash_file = making::root_hash_output(options.root_hash_file.as_deref())?;
    let digest = options.guests.image_digest.map(ImageDigest::new);
    let maker = StreamMaker {
        parameters: &parameters,
        identity,
        tail: options.tail,
        hash: &hash,
        guests: &guests,
        digest: digest.as_ref(),
        refuses_packed: false,
        threads: options.threads,
        context,
    };
    let made = maker.make()?;
    let parity = match &options.parity.device {
        Some(_) => {
            let area = made.fec_area(&options.parity, &hash, is_parity_with_hash)?;
            maker.build_fec(&made, &area, fec.as_ref())?;
            Some(area)
        }
        None => None,
    };
    let root_hash = maker.finish(&made, parity.as_ref())?.root_hash();
    context.signals.check()?;
    let set = guests.finish(fec.into_iter().fold(OutputSet::new(), OutputSet::output))?;
    let set = making::with_root_hash(set.output(hash), root_hash_file, root_hash)?;
    set.commit()?;
    making::print_root_hash(options.root_hash_file.as_deref(), root_hash)?;
    Ok(Formatted {
        hash: options.hash.clone(),
        root_hash,
        tree: made.tree,
        uncovered_bytes: 0,
        parity,
        is_parity_with_hash,
        image_digest: digest.as_ref().map(FileDigest::from),
    })
}

/// What to say where --like finds no superblock.
const NO_OLD_SUPERBLOCK: &str =
    "; --like-offset says where it lies, and what has none has nothing to be like";

/// What was given, and the rest from the old hash device, if one is named. Salt and UUID of a seed
/// are given, too.
fn parameters(options: &Options, context: &Context) -> Result<Parameters, CommandError> {
    let given = &options.parameters;
    let Some(like) = &options.like else { return Ok(given.clone()) };
    let old = read_superblock(&Device::open(&like.hash)?, like.offset, NO_OLD_SUPERBLOCK, context)?;
    let parameters = given.or_of(&old);
    Ok(match options.seed {
        Some(_) => Parameters { salt: None, uuid: None, ..parameters },
        None => parameters,
    })
}

/// How many bytes of the data neither the tree covers nor this run makes.
fn uncovered(
    tree: &PlannedTree,
    data: &Input,
    hash: Relation,
    parity: Option<&ParityPlan>,
) -> Result<u64, CommandError> {
    let mut own = Vec::new();
    if hash == Relation::Same {
        own.push(tree.area.range());
    }
    if let Some(parity) = parity
        && parity.is_with_data(data, hash)?
    {
        own.push(parity.area.range());
    }
    Ok(uncovered_bytes(&tree.params, data.size(), &own))
}
