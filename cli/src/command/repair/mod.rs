//! `verity repair`: makes a corrupt image right again by its parity, where it lies or in a copy.
//!
//! What may be written is decided by the root hash alone: a recovered block is written only once
//! it hashes right, and nothing else is written. So it does not matter where in place a run ends,
//! the next one goes on. A copy appears only if all of it is right.

mod copies;
mod device_copy;
mod in_place;
mod recovered;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use verity::TrustedParams;

use self::recovered::Repair;
use crate::context::Context;
use crate::error::CommandError;
use crate::findings::Recovery;
use crate::image::{ImageSource, OpenedImage, Recovering};
use crate::places::Places;
use crate::signer::Signer;

/// What to repair, and where to.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) image: ImageSource,
    pub(crate) target: RepairTarget,
    pub(crate) threads: Option<NonZeroUsize>,
}

/// Where repaired blocks go.
#[derive(Clone, Debug)]
pub(crate) enum RepairTarget {
    /// Nowhere: it is only told what would be done.
    Nowhere,
    /// To where they lie.
    InPlace,
    /// Into copies.
    Copy { data: PathBuf, hash: Option<PathBuf> },
}

/// An image that is whole, and what of it was repaired.
#[derive(Debug)]
pub(crate) struct RepairedImage {
    pub(crate) trusted: TrustedParams,
    pub(crate) places: Places,
    pub(crate) recovery: Recovery,
    pub(crate) output: Option<PathBuf>,
    pub(crate) hash_output: Option<PathBuf>,
    /// Who signed the manifest.
    pub(crate) signer: Option<Signer>,
}

/// Repairs.
pub(crate) fn run(options: &Options, context: &Context) -> Result<RepairedImage, CommandError> {
    let image = OpenedImage::open_for_repair(&options.image, context)?;
    let recovering = Recovering::new(&image, options.threads, context).ok_or_else(|| {
        CommandError::usage("nothing can be repaired without parity: --fec-device says where it is")
    })?;
    let repair = Repair { image: &image, recovering, context };
    let repaired = match &options.target {
        RepairTarget::Nowhere => repair.dry_run(),
        RepairTarget::InPlace => in_place::run(&repair),
        RepairTarget::Copy { data, hash } => copies::run(&repair, data, hash.as_deref()),
    }?;
    let (output, hash_output) = match options.target.clone() {
        RepairTarget::Copy { data, hash } => (Some(data), hash),
        _ => (None, None),
    };
    Ok(RepairedImage {
        trusted: image.trusted().clone(),
        places: image.places(),
        recovery: Recovery::of(&repaired, true),
        output,
        hash_output,
        signer: image.signer(),
    })
}
