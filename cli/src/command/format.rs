//! `verity format`: makes a hash tree and writes it, whole or not at all where that is possible.
//!
//! Everything that can be wrong with parameters and outputs is found before the first data byte is
//! hashed.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use verity::publish::Input;

use crate::context::Context;
use crate::error::CommandError;
use crate::image::{Device, read_superblock};
use crate::inputs;
use crate::making::{
    self, Formatted, HashTarget, Identity, ParityPlan, PlannedTree, Rest, Tail, TreeMaker,
};
use crate::outputs::{self, OWNER_ONLY, check_stdout};
use crate::parameters::{Parameters, ParitySource};
use crate::places::uncovered_bytes;
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
    let data = inputs::open(&options.data)?;
    let parameters = parameters(options, context)?;
    let identity = Identity::choose(&parameters, options.seed.as_deref())?;
    let tree = PlannedTree::new(&parameters, identity, &data, options.tail)?;
    let target = HashTarget::open(&options.hash, &data, &tree)?;
    let parity = ParityPlan::open(&options.parity, &data, &target, &tree)?;
    let root_hash_file = match &options.root_hash_file {
        Some(path) if is_standard(path) => {
            check_stdout()?;
            None
        }
        Some(path) => Some(outputs::create_with_mode(path, OWNER_ONLY)?),
        None => None,
    };
    let uncovered_bytes = uncovered(&tree, &data, target.relation(&data)?, parity.as_ref())?;
    tree.warn(&data, uncovered_bytes);
    let is_locked = target.relation(&data)? == Relation::Same
        || parity.as_ref().is_some_and(ParityPlan::locks_data);
    let padded_data = if is_locked { None } else { making::lock(&data, tree.padding)? };
    let area = parity.as_ref().map(|parity| parity.area);
    let is_parity_with_hash = parity.as_ref().is_some_and(ParityPlan::is_with_hash);
    let maker = TreeMaker { tree: &tree, data: &data, threads: options.threads, context };
    let root_hash = making::write(target, &maker, parity, Rest { root_hash_file, padded_data })?;
    if options.root_hash_file.as_deref().is_some_and(is_standard) {
        outputs::print(root_hash.to_string().as_bytes())
            .map_err(|error| error.noting(format!("the new root hash is {root_hash}")))?;
    }
    Ok(Formatted {
        hash: options.hash.clone(),
        tree,
        root_hash,
        uncovered_bytes,
        parity: area,
        is_parity_with_hash,
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
