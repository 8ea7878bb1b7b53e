//! `verity format`: makes a hash tree and writes it, whole or not at all where that is possible.
//!
//! Everything that can be wrong with parameters and outputs is found before the first data byte is
//! hashed.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use verity::publish::{Input, Output};

use crate::context::Context;
use crate::error::CommandError;
use crate::image::verification::uncovered_bytes;
use crate::inputs;
use crate::making::{self, FecOptions, Job, Parity, Target, Tree};
use crate::outputs::{MODE, same_place};
use crate::parameters::{Identity, Parameters};
use crate::report::Outcome;
use crate::storage::Relation;

/// What to make of what.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) data: PathBuf,
    pub(crate) hash: PathBuf,
    pub(crate) parameters: Parameters,
    pub(crate) seed: Option<String>,
    pub(crate) root_hash_file: Option<PathBuf>,
    pub(crate) fec: Option<FecOptions>,
    pub(crate) threads: Option<NonZeroUsize>,
}

/// Makes the hash area.
pub(crate) fn run(options: &Options, context: &Context) -> Result<Outcome, CommandError> {
    options.parameters.check_uuid_has_a_place()?;
    let data = inputs::open(&options.data)?;
    let identity = Identity::choose(&options.parameters, options.seed.as_deref())?;
    let tree = Tree::new(&options.parameters, identity, &data)?;
    let target = Target::open(&options.hash, &data, &tree)?;
    let parity = match &options.fec {
        Some(fec) => Some(Parity::open(fec, &data, &target, &tree)?),
        None => None,
    };
    let root_hash_file = match &options.root_hash_file {
        Some(path) => Some(root_hash_output(path, options, &data)?),
        None => None,
    };
    let uncovered = uncovered(&tree, &data, target.relation(&data)?, parity.as_ref())?;
    tree.warn(&data, uncovered);
    let mut header = tree.header(&options.hash, uncovered);
    if let Some(parity) = &parity {
        header = header.with_fec(&parity.area, parity.is_with_hash());
    }
    let job = Job { tree: &tree, data: &data, threads: options.threads, context };
    let root_hash = making::write(target, &job, parity, root_hash_file)?;
    Ok(Outcome::Formatted(header.with_root_hash(root_hash)))
}

/// How many bytes of the data stay out of the tree and are not what is made here either.
fn uncovered(
    tree: &Tree,
    data: &Input,
    hash: Relation,
    parity: Option<&Parity>,
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

/// Opens the root hash file, which must be neither the data nor the hash device nor the FEC device.
fn root_hash_output(path: &Path, options: &Options, data: &Input) -> Result<Output, CommandError> {
    let fec = options.fec.as_ref().map(|fec| fec.device.as_path());
    let others = [(Some(options.hash.as_path()), "hash"), (fec, "FEC")];
    for (other, name) in others {
        if other.is_some_and(|other| same_place(path, other)) {
            return Err(CommandError::usage(format!("is also the {name} device")).at(path));
        }
    }
    let output = Output::create_with_mode(path, MODE)?;
    output.check_distinct(data)?;
    for (other, _) in others {
        if let Some(Ok(other)) = other.map(Input::open) {
            output.check_distinct(&other)?;
        }
    }
    Ok(output)
}
