//! An image that is to be repaired, and whether it is whole once that was done.

use verity::Repaired;

use crate::context::Context;
use crate::error::{Class, CommandError};
use crate::findings::{Findings, Recovery};
use crate::image::{OpenedImage, Recovering, WrittenTo, failure_after};

/// An image that is to be repaired.
pub(super) struct Repair<'a> {
    pub(super) image: &'a OpenedImage,
    pub(super) recovering: Recovering<'a>,
    pub(super) context: &'a Context,
}

impl Repair<'_> {
    /// Finds out what would be repaired, and writes nothing.
    pub(super) fn dry_run(&self) -> Result<Repaired, CommandError> {
        let repaired = self.image.unless_changed(self.recovering.dry_run())?;
        self.require_whole(repaired, WrittenTo::Nowhere)
    }

    /// Passes on what was recovered, if the image is whole with it, superblock and all.
    pub(super) fn require_whole(
        &self,
        repaired: Repaired,
        written_to: WrittenTo,
    ) -> Result<Repaired, CommandError> {
        let failure = failure_after(self.image, &repaired, written_to);
        match (failure, self.image.superblock_fault()) {
            (None, None) => Ok(repaired),
            (Some(failure), None) => Err(failure),
            (Some(failure), Some(fault)) if repaired.beyond.is_some() => {
                Err(failure.noting(fault.words()))
            }
            (_, Some(fault)) => Err(self.superblock_failure(fault, &repaired, written_to)),
        }
    }

    /// All blocks are right, or can be made so, but not the superblock.
    fn superblock_failure(
        &self,
        fault: &CommandError,
        repaired: &Repaired,
        written_to: WrittenTo,
    ) -> CommandError {
        let words = format!("{}; parity does not cover it, all else is right", fault.words());
        let recovery = Some(Recovery::of(repaired, written_to == WrittenTo::InPlace));
        CommandError::message(Class::NotVerified, words)
            .at(self.image.hash().path())
            .with_findings(Findings { recovery, ..self.image.findings() })
    }
}
