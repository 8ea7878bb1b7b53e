//! `verity install`: a signed image into a slot, block by block as its tree says, and the proof
//! that it is there.
//!
//! ```text
//!  source: manifest, signature -> who is trusted, which version follows which
//!  target: locked, large enough, not in use
//!  tree, index, plan -> nothing was written so far
//!  slot not bootable -> data, hash blocks, parity, zeros, signature -> what lets it verify
//!  read back from the root hash -> slot bootable, if that was asked for -> state
//! ```

mod read_back;
mod slot;
mod source;
mod target;
mod written;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use verity::io::ReadAt;
use verity::publish::Input;
use verity::update::{Applied, Counts, DigestIndex, Plan, Settings, VerifiedTree};
use verity::{Error, RootHash};

use crate::context::{Context, threads_or_all};
use crate::error::{Class, CommandError};
use crate::image::{Fetched, ReadBack};
use crate::inputs;
use crate::library_error::{class_of, from_library};
use crate::progress::{Meter, Step};
use crate::signer::Signer;
use crate::trust::{Acceptance, StateFile, TrustSource};

pub(crate) use self::slot::SlotName;
use self::source::Source;
use self::target::Target;
pub(crate) use self::target::TargetNames;
use self::written::Writing;

/// What to install, from where, and where to.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) source: PathBuf,
    pub(crate) trust: TrustSource,
    pub(crate) target: TargetNames,
    /// Old content, which blocks may be copied from.
    pub(crate) reuse: Vec<PathBuf>,
    pub(crate) max_requests: NonZeroUsize,
    /// In bytes.
    pub(crate) bridge: u64,
    pub(crate) dry_run: bool,
    pub(crate) state: Option<PathBuf>,
    /// How many boots the slot has to show that it is good.
    pub(crate) activate: Option<u8>,
    pub(crate) threads: Option<NonZeroUsize>,
}

/// An image that is in a slot, or what would be done.
#[derive(Debug)]
pub(crate) struct Installed {
    pub(crate) image_name: String,
    pub(crate) image_version: u64,
    pub(crate) root_hash: RootHash,
    pub(crate) signer: Signer,
    pub(crate) source: PathBuf,
    pub(crate) data_device: PathBuf,
    pub(crate) hash_device: PathBuf,
    pub(crate) signature_device: Option<PathBuf>,
    /// The letter of the slot.
    pub(crate) slot: Option<char>,
    pub(crate) data_block_size: u32,
    pub(crate) counts: Counts,
    pub(crate) tree_bytes: u64,
    pub(crate) fetched_tree_bytes: u64,
    /// What was done, unless nothing was to be.
    pub(crate) applied: Option<Applied>,
    /// Bytes written in all.
    pub(crate) written_bytes: u64,
    /// What was asked of a server, and got.
    pub(crate) fetched: Option<Fetched>,
    /// How it was read back; nothing for a dry run.
    pub(crate) read_back: Option<ReadBack>,
    pub(crate) parity_rounds: Option<u64>,
    pub(crate) activated: Option<u8>,
    pub(crate) state: Option<Acceptance>,
}

/// Installs an image, and proves that it is there.
pub(crate) fn run(options: &Options, context: &Context) -> Result<Installed, CommandError> {
    let trusted = options.trust.read()?;
    // Held to the end: no other run can accept an image meanwhile.
    let state = options.state.as_deref().map(StateFile::open).transpose()?;
    let source = Source::open(&options.source, &trusted, options.target.has_signature())?;
    let manifest = source.verified.manifest();
    if let Some(state) = &state {
        state.check(manifest, trusted.image_name())?;
    }
    let seeds: Vec<_> = options
        .reuse
        .iter()
        .map(|path| inputs::open_device(path))
        .collect::<Result<Vec<Input>, CommandError>>()?;
    let mut target = Target::open(&options.target)?;
    target.check(&source)?;

    let tree = read_tree(options, &source, &target, context)?;
    let settings = || settings(options, &source, context);
    let mut index = DigestIndex::new(&tree);
    let sizes = seeds.iter().map(Input::size).fold(0, u64::saturating_add);
    let meter =
        Meter::new(Step::Indexing, sizes.saturating_add(target.data.size()), &context.signals);
    let indexed =
        |error| from_library(error, target.data.name(), target.hash.name(), &context.signals);
    index.add_slot(&target.data, &settings().progress(&meter)).map_err(indexed)?;
    for seed in &seeds {
        index.add_seed(seed, &settings().progress(&meter)).map_err(indexed)?;
    }
    drop(meter);
    let plan = Plan::new(index, &settings());
    let mut installed = Installed {
        image_name: manifest.image().name().to_owned(),
        image_version: manifest.image().version(),
        root_hash: manifest.root_hash(),
        signer: source.verified.signer().into(),
        source: options.source.clone(),
        data_device: target.data.name().to_owned(),
        hash_device: target.hash.name().to_owned(),
        signature_device: target.signature.as_ref().map(|device| device.name().to_owned()),
        slot: target.slot.as_ref().map(slot::Slot::letter),
        data_block_size: manifest.params().data_block_size().bytes(),
        counts: plan.counts(),
        tree_bytes: tree.size(),
        fetched_tree_bytes: tree.fetched_bytes(),
        applied: None,
        written_bytes: 0,
        fetched: None,
        read_back: None,
        parity_rounds: None,
        activated: None,
        state: None,
    };
    if options.dry_run {
        installed.fetched = source.image.fetched();
        return Ok(installed);
    }

    let writing = Writing { source: &source, target: &target, plan: &plan, options, context };
    let mut proof = match writing.is_all_there()? {
        true => writing.proved_already()?,
        false => None,
    };
    if proof.is_none() {
        context.signals.check()?;
        if let Some(slot) = &mut target.slot {
            slot.retire()?;
        }
        let writing = Writing { source: &source, target: &target, plan: &plan, options, context };
        let seeds: Vec<&dyn ReadAt> = seeds.iter().map(|seed| seed as &dyn ReadAt).collect();
        let (applied, written_bytes) = writing.write(&seeds)?;
        installed.applied = Some(applied);
        installed.written_bytes = written_bytes;
        let read_back = read_back::read_back(&source, &target, options.threads, context);
        if read_back.as_ref().is_err_and(|error| error.class() == Class::NotVerified) {
            writing.take_back()?;
        }
        proof = Some(read_back?);
    }
    if let Some(proof) = proof {
        installed.read_back = Some(proof.how);
        installed.parity_rounds = proof.parity_rounds;
    }
    installed.fetched = source.image.fetched();
    if let (Some(slot), Some(tries)) = (&mut target.slot, options.activate) {
        slot.activate(tries)?;
        installed.activated = Some(tries);
    }
    let accept = |state: StateFile| state.accept(&source.verified, trusted.image_name());
    installed.state = state.map(accept).transpose()?;
    Ok(installed)
}

fn settings<'a>(options: &Options, source: &Source, context: &Context) -> Settings<'a> {
    Settings::new()
        .threads(threads_or_all(options.threads))
        .kernels(context.kernels(source.verified.manifest().params().algorithm()))
        .max_requests(options.max_requests)
        .bridge(options.bridge)
}

/// Reads the tree of the new image, from the slot where it has hash blocks of it.
fn read_tree(
    options: &Options,
    source: &Source,
    target: &Target,
    context: &Context,
) -> Result<VerifiedTree, CommandError> {
    let trusted = source.verified.trusted_params();
    let tree = trusted.hash_area().tree_range();
    let meter = Meter::new(Step::Fetching, tree.end - tree.start, &context.signals);
    let settings = settings(options, source, context).progress(&meter);
    VerifiedTree::read_beside(trusted, source.image.hash(), Some(&target.hash), &settings)
        .map_err(|error| of_source(error, source, context))
}

/// A failure of the source.
fn of_source(error: Error, source: &Source, context: &Context) -> CommandError {
    let (data, hash) = (source.image.data().path(), source.image.hash().path());
    match error {
        Error::Corrupt(report) => {
            let words = format!("{report}; the source is not the image of its manifest");
            let is_data = report.corruptions.first().is_some_and(|it| it.first.level().is_none());
            let path = if is_data { data } else { hash };
            CommandError::message(Class::NotVerified, words).at(path)
        }
        error => from_library(error, data, hash, &context.signals),
    }
}

/// A failure while the slot was written.
fn of_writing(error: Error, source: &Source, target: &Target, context: &Context) -> CommandError {
    match error {
        Error::Write { .. } | Error::WriteParity { .. } | Error::ReadParity { .. } => {
            let level = error.block().and_then(verity::BlockRef::level);
            let is_data = matches!(error, Error::Write { .. }) && level.is_none();
            let device = if is_data { &target.data } else { &target.hash };
            CommandError::new(class_of(&error), error).at(device.name())
        }
        Error::Io(_) => CommandError::new(class_of(&error), error).at(target.data.name()),
        error => of_source(error, source, context),
    }
}
