//! What parity makes of an image that is not right: asked by `verify`, done by `repair`.

use std::num::NonZeroUsize;

use verity::io::ReadAt;
use verity::{Error, ParityReport, RepairSink, Repaired, Repairer};

use super::Image;
use crate::context::{Context, threads_or_all};
use crate::error::{Class, CommandError, Findings, Recovery};
use crate::image::parity::FecDevice;
use crate::library_error::is_change;
use crate::progress::Meter;

/// An image with parity, and how to go about it.
pub(crate) struct Recovering<'a> {
    image: &'a Image,
    fec: &'a FecDevice,
    threads: Option<NonZeroUsize>,
    context: &'a Context,
}

impl<'a> Recovering<'a> {
    /// None for an image without parity.
    pub(crate) fn new(
        image: &'a Image,
        threads: Option<NonZeroUsize>,
        context: &'a Context,
    ) -> Option<Recovering<'a>> {
        image.fec().map(|fec| Recovering { image, fec, threads, context })
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
        let meter = self.meter(trusted.params().data_size().saturating_add(tree.end - tree.start));
        self.repairer(&meter)?.repair(data, hash, &**self.fec.device(), sink)
    }

    /// Asks what could be recovered. Nothing is written.
    pub(crate) fn ask(&self) -> Result<Repaired, CommandError> {
        self.run(self.image.data(), self.image.hash(), &())
            .map_err(|error| self.image.error(error, self.context))
    }

    /// Compares the parity of an image that was verified.
    pub(crate) fn verify_parity(&self) -> Result<ParityReport, CommandError> {
        let covered = self.fec.area().blocks();
        let meter = self.meter(covered.saturating_mul(self.fec.area().block_size().into()));
        let (data, hash) = (self.image.data(), self.image.hash());
        self.repairer(&meter)
            .and_then(|repairer| repairer.verify_parity(data, hash, &**self.fec.device()))
            .map_err(|error| self.image.error(error, self.context))
    }

    fn meter(&self, bytes: u64) -> Meter {
        Meter::new(bytes, &self.context.signals)
    }

    fn repairer<'m>(&self, meter: &'m Meter) -> Result<Repairer<'m>, Error> {
        let trusted = self.image.trusted();
        let repairer = Repairer::new(trusted.clone(), *self.fec.area())?;
        Ok(repairer
            .threads(threads_or_all(self.threads))
            .platform(self.context.platform(trusted.params().algorithm()))
            .fec_platform(self.context.fec_platform())
            .progress(meter))
    }
}

/// Where recovered blocks went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recovered {
    /// Nowhere: it was only asked.
    Nowhere,
    /// Into a copy, which is worth nothing unless all of it is right.
    Copy,
    /// To where they lie.
    InPlace,
}

/// Whether a failed verification is about blocks that parity could give. A server that does not
/// answer is none of those: it would not answer for the other blocks either.
pub(crate) fn is_about_blocks(error: &Error, image: &Image) -> bool {
    match error {
        Error::Corrupt(_) => true,
        Error::Read { block, source } => {
            let device = if block.level().is_none() { image.data() } else { image.hash() };
            device.input().is_some() && !is_change(source)
        }
        _ => false,
    }
}

/// The failure that tells of corrupt blocks which were recovered, or could be: none, if there were
/// not any.
pub(crate) fn verdict(
    image: &Image,
    repaired: &Repaired,
    target: Recovered,
) -> Option<CommandError> {
    let written = target == Recovered::InPlace;
    let recovery = Recovery::of(repaired, written);
    let (places, blocks) = (image.places(), recovery.blocks);
    let (class, words, first) = match &repaired.beyond {
        None if target != Recovered::Nowhere || blocks == 0 => return None,
        None => {
            let words = match blocks {
                1 => "1 corrupt block, which can be repaired".to_owned(),
                _ => format!("{blocks} corrupt blocks, all of which can be repaired"),
            };
            (Class::Repairable, words, recovery.ranges.first().map(|range| range.first))
        }
        Some(report) => {
            let first = report.corruptions.first().map(|range| range.first);
            let or = match first.is_some_and(|block| places.is_top(block)) {
                true => " (or the root hash is that of another image)",
                false => "",
            };
            let could = match (blocks, written) {
                (0, _) => "",
                (_, true) => "; the others were repaired",
                (_, false) => "; the others can be repaired",
            };
            let words = format!("beyond repair: {report}{or}{could}");
            (Class::NotVerified, words, first)
        }
    };
    let error = CommandError::message(class, words);
    let error = match first {
        Some(block) => error.at(places.path(block)),
        None => error,
    };
    let (report, recovery) = (repaired.beyond.clone(), Some(recovery));
    Some(error.with_findings(Findings { report, recovery, ..image.findings() }))
}
