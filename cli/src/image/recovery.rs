//! What parity makes of an image that is not right: asked by `verify`, done by `repair`.

use std::num::NonZeroUsize;

use verity::io::{ReadAt, is_about_source};
use verity::{Error, ParityReport, RepairSink, Repaired, Repairer};

use super::opened::OpenedImage;
use super::parity::ParityDevice;
use crate::context::{Context, threads_or_all};
use crate::error::{Class, CommandError};
use crate::findings::{Findings, Recovery};
use crate::progress::{Meter, Step};

/// An image with parity, and how to go about its recovery.
pub(crate) struct Recovering<'a> {
    image: &'a OpenedImage,
    parity: &'a ParityDevice,
    threads: Option<NonZeroUsize>,
    context: &'a Context,
}

impl<'a> Recovering<'a> {
    /// Returns `None` for an image without parity.
    pub(crate) fn new(
        image: &'a OpenedImage,
        threads: Option<NonZeroUsize>,
        context: &'a Context,
    ) -> Option<Recovering<'a>> {
        image.parity().map(|parity| Recovering { image, parity, threads, context })
    }

    /// Looks for every corrupt block and gives what is recovered to `sink`. Data and hash blocks
    /// are read from what is given, which may be another place than the image's own.
    pub(crate) fn run(
        &self,
        data: &dyn ReadAt,
        hash: &dyn ReadAt,
        sink: &dyn RepairSink,
    ) -> Result<Repaired, Error> {
        let trusted = self.image.trusted();
        let tree = trusted.hash_area().tree_range();
        let meter = self.meter(
            Step::Recovering,
            trusted.params().data_size().saturating_add(tree.end - tree.start),
        );
        self.repairer(&meter)?.repair(data, hash, &**self.parity.device(), sink)
    }

    /// Finds out what could be recovered. Nothing is written.
    pub(crate) fn dry_run(&self) -> Result<Repaired, CommandError> {
        self.run(self.image.data(), self.image.hash(), &())
            .map_err(|error| self.image.error(error, self.context))
    }

    /// Compares the parity of an image that was verified.
    pub(crate) fn verify_parity(&self) -> Result<ParityReport, CommandError> {
        let covered = self.parity.area().blocks();
        let bytes = covered.saturating_mul(self.parity.area().block_size().into());
        let meter = self.meter(Step::Parity, bytes);
        let (data, hash) = (self.image.data(), self.image.hash());
        self.repairer(&meter)
            .and_then(|repairer| repairer.verify_parity(data, hash, &**self.parity.device()))
            .map_err(|error| self.image.error(error, self.context))
    }

    fn meter(&self, step: Step, bytes: u64) -> Meter {
        Meter::new(step, bytes, &self.context.signals)
    }

    fn repairer<'m>(&self, meter: &'m Meter) -> Result<Repairer<'m>, Error> {
        let trusted = self.image.trusted();
        let repairer = Repairer::new(trusted.clone(), *self.parity.area())?;
        let kernels = self.context.kernels(trusted.params().algorithm());
        Ok(repairer.threads(threads_or_all(self.threads)).kernels(kernels).progress(meter))
    }
}

/// Where recovered blocks went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WrittenTo {
    /// Nowhere: it was only found out what could be recovered.
    Nowhere,
    /// Into a copy, which is worth nothing unless all of it is right.
    Copy,
    /// To where they lie.
    InPlace,
}

/// Whether a failed verification is about blocks that parity could give. A source that fails as a
/// whole, such as a server that does not answer, is not such a failure.
pub(crate) fn is_about_blocks(error: &Error) -> bool {
    match error {
        Error::Corrupt(_) | Error::Unreadable(_) => true,
        Error::Read { source, .. } => !is_about_source(source),
        _ => false,
    }
}

/// The failure that tells of corrupt blocks which were recovered, or could be. Returns `None` if
/// nothing is left to be done.
pub(crate) fn failure_after(
    image: &OpenedImage,
    repaired: &Repaired,
    written_to: WrittenTo,
) -> Option<CommandError> {
    let written = written_to == WrittenTo::InPlace;
    let recovery = Recovery::of(repaired, written);
    let blocks = recovery.blocks;
    let (class, words) = match &repaired.beyond {
        None if written_to != WrittenTo::Nowhere || blocks == 0 => return None,
        None => {
            let words = match blocks {
                1 => "1 corrupt block, which can be repaired: verity repair does it".to_owned(),
                _ => format!(
                    "{blocks} corrupt blocks, all of which can be repaired: verity repair does it"
                ),
            };
            let hint = match recovery.ranges.as_slice() {
                [only] => image.mount_hint_of(only.first, only.blocks, true),
                _ => "",
            };
            (Class::Repairable, format!("{words}{hint}"))
        }
        Some(report) => {
            let others = match (blocks, written) {
                (0, _) => "",
                (_, true) => "; the others were repaired",
                (_, false) => "; the others can be repaired",
            };
            let or = image.other_cause(report);
            let untried = untried(repaired.untried_rounds);
            (Class::NotVerified, format!("beyond repair: {report}{or}{others}{untried}"))
        }
    };
    let (report, recovery) = (repaired.beyond.clone(), Some(recovery));
    Some(image.failure(class, words, Findings { report, recovery, ..image.findings() }))
}

/// What was not tried, as the end of a message.
fn untried(rounds: u64) -> String {
    match rounds {
        0 => String::new(),
        _ => format!(
            "; a sample of the rounds gave nothing, so that {rounds} others were not tried: with \
             parameters from a manifest, or every one of them stated, all are"
        ),
    }
}
