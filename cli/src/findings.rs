//! What a failed command found out about an image: corrupt blocks, and what parity makes of them.

use verity::{BlockRange, BlockRef, Origin, ParityReport, Repaired, Report};

use crate::places::Places;

/// What is wrong with an image, and what it was checked with.
#[derive(Debug)]
pub(crate) struct Findings {
    /// The corrupt blocks; where parity was asked, those that it cannot make whole.
    pub(crate) report: Option<Report>,
    /// What parity can make whole, or has.
    pub(crate) recovery: Option<Recovery>,
    /// Parity that does not belong to the image.
    pub(crate) parity: Option<ParityReport>,
    pub(crate) origin: Origin,
    pub(crate) places: Places,
}

impl Findings {
    /// The first block that is still corrupt, or else the first one that parity can make whole.
    pub(crate) fn first_block(&self) -> Option<BlockRef> {
        match (&self.report, &self.recovery) {
            (Some(report), _) => report.corruptions.first().map(|range| range.first),
            (None, Some(recovery)) => recovery.ranges.first().map(|range| range.first),
            (None, None) => None,
        }
    }

    /// Whether there may be more than is listed.
    pub(crate) fn truncated(&self) -> bool {
        self.report.as_ref().is_some_and(|report| report.truncated)
            || self.recovery.as_ref().is_some_and(|recovery| recovery.truncated)
            || self.parity.as_ref().is_some_and(|parity| parity.truncated)
    }
}

/// Blocks that are right again, or could be.
#[derive(Clone, Debug)]
pub(crate) struct Recovery {
    pub(crate) ranges: Vec<BlockRange>,
    /// All of them, listed or not.
    pub(crate) blocks: u64,
    pub(crate) truncated: bool,
    /// Rounds that were not tried, as nothing vouches for the parameters.
    pub(crate) untried_rounds: u64,
    /// Whether they were written.
    pub(crate) written: bool,
}

impl Recovery {
    /// What a repair has found; `written` says whether it has also written it.
    pub(crate) fn of(repaired: &Repaired, written: bool) -> Recovery {
        Recovery {
            ranges: repaired.repaired.clone(),
            blocks: repaired.repaired_blocks,
            truncated: repaired.truncated,
            untried_rounds: repaired.untried_rounds,
            written,
        }
    }
}
