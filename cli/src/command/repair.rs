//! `verity repair`: makes a corrupt image right again by its parity, where it lies or in a copy.
//!
//! What may be written is decided by the root hash alone: a recovered block is written only once it
//! hashes right, and nothing else is written. So it does not matter where in place a run ends, the
//! next one goes on. A copy appears only if all of it is right.

mod copy;
mod in_place;

use std::io;
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use verity::io::{ReadAt, WriteAt};
use verity::publish::{Output, OutputSet};
use verity::{BlockRef, RepairSink};

use crate::context::Context;
use crate::error::{Class, CommandError, Findings, OrFail, Recovery};
use crate::image::Device;
use crate::image::recovery::{Recovered, Recovering, verdict};
use crate::image::{Image, ImageSource};
use crate::places::Places;
use crate::quoted::Quoted;
use crate::report::Outcome;
use crate::report::RangeFacts;
use crate::storage::Relation;

/// What to repair, and where to.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) image: ImageSource,
    pub(crate) target: Target,
    pub(crate) threads: Option<NonZeroUsize>,
}

/// Where repaired blocks go.
#[derive(Debug)]
pub(crate) enum Target {
    /// Nowhere: it is only told what would be done.
    Nowhere,
    /// To where they lie.
    InPlace,
    /// Into copies.
    Copy { data: PathBuf, hash: Option<PathBuf> },
}

/// What was repaired. The order of the fields is the order of the keys.
#[derive(Debug, Serialize)]
pub(crate) struct Repaired {
    pub(crate) whole: bool,
    pub(crate) geometry: String,
    pub(crate) root_hash: String,
    pub(crate) algorithm: &'static str,
    pub(crate) data_blocks: u64,
    pub(crate) data_block_size: u32,
    pub(crate) hash_blocks: u64,
    pub(crate) hash_block_size: u32,
    pub(crate) repaired_blocks: u64,
    pub(crate) repaired: Vec<RangeFacts>,
    pub(crate) truncated: bool,
    pub(crate) output: Option<String>,
    pub(crate) hash_output: Option<String>,
    /// Who signed the manifest.
    pub(crate) signer: Option<String>,
}

/// Repairs.
pub(crate) fn run(options: &Options, context: &Context) -> Result<Outcome, CommandError> {
    let image = Image::open_for_repair(&options.image, context)?;
    let recovering = Recovering::new(&image, options.threads, context).ok_or_else(|| {
        CommandError::usage("nothing can be repaired without parity: --fec-device says where it is")
    })?;
    let job = Job { image: &image, recovering, context };
    let repaired = match &options.target {
        Target::Nowhere => job.ask(),
        Target::InPlace => in_place::run(&job),
        Target::Copy { data, hash } => job.copy(data, hash.as_deref()),
    }?;
    Ok(Outcome::Repaired(facts(options, &image, repaired)))
}

/// An image that is to be repaired.
struct Job<'a> {
    image: &'a Image,
    recovering: Recovering<'a>,
    context: &'a Context,
}

impl Job<'_> {
    fn ask(&self) -> Result<verity::Repaired, CommandError> {
        let repaired = self.image.unless_changed(self.recovering.ask())?;
        self.judge(repaired, Recovered::Nowhere)
    }

    /// The verdict on what was recovered: an error unless the image is whole, superblock and all.
    fn judge(
        &self,
        repaired: verity::Repaired,
        target: Recovered,
    ) -> Result<verity::Repaired, CommandError> {
        let fault = self.image.superblock_fault();
        let failure = match (verdict(self.image, &repaired, target), fault) {
            (None, None) => return Ok(repaired),
            (Some(failure), None) => failure,
            (Some(failure), Some(fault)) if repaired.beyond.is_some() => {
                failure.noting(fault.words())
            }
            (_, Some(fault)) => {
                let words =
                    format!("{}; parity does not cover it, all else is right", fault.words());
                let recovery = Some(Recovery::of(&repaired, target == Recovered::InPlace));
                CommandError::message(Class::NotVerified, words)
                    .at(self.image.hash().path())
                    .with_findings(Findings { recovery, ..self.image.findings() })
            }
        };
        Err(failure)
    }

    /// Copies the data, and the hash device if that is asked for, and repairs the copies, which
    /// nobody else sees before all of them is right.
    fn copy(&self, data: &Path, hash: Option<&Path>) -> Result<verity::Repaired, CommandError> {
        let (image, places) = (self.image, self.image.places());
        let with_data = image.data().relation(image.hash());
        let with_data = with_data.or_fail(Class::Io, image.hash().path())? == Relation::Same;
        if let Some(path) = hash.filter(|_| with_data) {
            let words = "HASH is on DATA, so the copy of DATA holds it too: no --hash-output then";
            return Err(CommandError::usage(words).at(path));
        }
        let data_copy = self.copy_of(image.data(), data)?;
        let hash_copy = hash.map(|path| self.copy_of(image.hash(), path)).transpose()?;
        self.fill(&data_copy, image.data(), true, with_data)?;
        if let Some(copy) = &hash_copy {
            self.fill(copy, image.hash(), false, true)?;
        }
        let hash_target = match &hash_copy {
            Some(copy) => Some(copy),
            None => with_data.then_some(&data_copy),
        };
        let sink = Copies {
            places: &places,
            data: &data_copy,
            hash: hash_target,
            lost: AtomicU64::new(0),
        };
        let hash_source: &dyn ReadAt = match hash_target {
            Some(copy) => copy.file(),
            None => image.hash(),
        };
        let repaired = self
            .recovering
            .run(data_copy.file(), hash_source, &sink)
            .map_err(|error| sink.explain(error, image, self.context));
        let repaired = image.unless_changed(repaired)?;
        let repaired = self.judge(repaired, Recovered::Copy).map_err(not_written)?;
        self.check_nothing_is_lost(&sink, &repaired)?;
        self.context.signals.check()?;
        let set = hash_copy.into_iter().fold(OutputSet::new(), OutputSet::output);
        set.output(data_copy).commit()?;
        Ok(repaired)
    }

    /// Begins a copy, which must be none of the inputs, and is nobody else's to read than the
    /// original is.
    fn copy_of(&self, device: &Device, path: &Path) -> Result<Output, CommandError> {
        let metadata = device.input().and_then(|input| input.file().metadata().ok());
        let mode =
            metadata.filter(std::fs::Metadata::is_file).map(|file| file.permissions().mode());
        let output = Output::create_with_mode(path, mode.unwrap_or(0o600))?;
        for input in self.image.devices().filter_map(Device::input) {
            output.check_distinct(input)?;
        }
        Ok(output)
    }

    /// Copies a device. Where it cannot be read, zeros stand for blocks that are then found
    /// corrupt.
    fn fill(
        &self,
        output: &Output,
        device: &Device,
        has_data: bool,
        has_hash: bool,
    ) -> Result<(), CommandError> {
        let trusted = self.image.trusted();
        let data = 0..trusted.params().data_size();
        let covered = [(has_data, data), (has_hash, trusted.hash_area().tree_range())];
        let covered: Vec<_> =
            covered.into_iter().filter_map(|(has, range)| has.then_some(range)).collect();
        let block_size = trusted.params().data_block_size();
        copy::fill(output, device, &covered, block_size.into(), &self.context.signals)
    }

    /// Refuses a copy whose hash blocks stay corrupt.
    fn check_nothing_is_lost(
        &self,
        sink: &Copies<'_>,
        repaired: &verity::Repaired,
    ) -> Result<(), CommandError> {
        let lost = sink.lost.load(Ordering::Relaxed);
        if lost == 0 {
            return Ok(());
        }
        let words = format!(
            "{lost} hash blocks are corrupt, without which the copy would not verify: --hash-output FILE makes a \
             repaired copy of HASH too"
        );
        let recovery = Some(Recovery::of(repaired, false));
        Err(CommandError::usage(words)
            .at(self.image.hash().path())
            .with_findings(Findings { recovery, ..self.image.findings() }))
    }
}

/// Says of a failure that there is no copy.
fn not_written(error: CommandError) -> CommandError {
    error.noting("no copy is made".to_owned())
}

/// Copies that repaired blocks go into.
struct Copies<'a> {
    places: &'a Places,
    data: &'a Output,
    hash: Option<&'a Output>,
    /// Hash blocks that have nowhere to go.
    lost: AtomicU64,
}

impl Copies<'_> {
    fn target(&self, block: BlockRef) -> Option<&Output> {
        if block.level().is_none() { Some(self.data) } else { self.hash }
    }

    /// A library error, about the copy if it is the copy that failed.
    fn explain(&self, error: verity::Error, image: &Image, context: &Context) -> CommandError {
        let target = match &error {
            verity::Error::Write { block, .. } => self.target(*block),
            _ => None,
        };
        let failure = image.error(error, context);
        match target {
            Some(output) => failure.at(output.path()),
            None => failure,
        }
    }
}

impl RepairSink for Copies<'_> {
    fn put(&self, block: BlockRef, bytes: &[u8]) -> io::Result<()> {
        match self.target(block) {
            Some(output) => output.file().write_all_at(bytes, self.places.offset(block)),
            None => {
                self.lost.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
        }
    }
}

fn facts(options: &Options, image: &Image, repaired: verity::Repaired) -> Repaired {
    let (trusted, params) = (image.trusted(), image.trusted().params());
    let (output, hash_output) = match &options.target {
        Target::Copy { data, hash } => (Some(data), hash.as_ref()),
        _ => (None, None),
    };
    let quoted = |path: &PathBuf| Quoted(path).to_string();
    let recovery = Recovery::of(&repaired, true);
    Repaired {
        whole: true,
        geometry: trusted.origin().to_string(),
        root_hash: trusted.root_hash().to_string(),
        algorithm: params.algorithm().name(),
        data_blocks: params.data_blocks(),
        data_block_size: params.data_block_size().bytes(),
        hash_blocks: trusted.hash_area().hash_blocks(),
        hash_block_size: params.hash_block_size().bytes(),
        repaired_blocks: recovery.blocks,
        repaired: recovery.facts(&image.places()),
        truncated: recovery.truncated,
        output: output.map(quoted),
        hash_output: hash_output.map(quoted),
        signer: image.signer().map(str::to_owned),
    }
}
