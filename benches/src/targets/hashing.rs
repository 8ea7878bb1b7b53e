//! What commands and kernels that hash are to reach, given for Zen 5.

use crate::kernels::{RING, SHA2, TAPE};
use crate::record::{RING_BUILDER, Record, Row, Task, VERITYSETUP};
use crate::statistics::{self, Summary};

/// A row of ours that is to be some times as fast as a peer.
pub struct Target {
    task: Task,
    ours: Ours,
    peer: &'static str,
    /// How many times as fast it should be.
    pub least: f64,
    /// How many times as fast it might be.
    pub stretch: f64,
}

/// Which of our rows.
enum Ours {
    /// The row of a kernel.
    Platform(&'static str),
    /// The fastest row.
    Best,
    /// The row with that many threads.
    Threads(usize),
}

/// A target whose two sides were measured.
pub struct Comparison<'a> {
    /// The target.
    pub target: &'a Target,
    /// Our row.
    pub ours: &'a Row,
    /// The peer's row.
    pub peer: &'a Row,
    /// How many times as fast ours is.
    pub ratio: Summary,
}

/// Every target.
pub const TARGETS: &[Target] = {
    use Ours::{Best, Platform, Threads};
    use Task::{Format, Sha256L2, Sha256Memory, Sha512L2, Verify};
    &[
        target(Sha256L2, Platform("avx512"), RING, 3.6, 4.4),
        target(Sha256L2, Platform("avx512"), SHA2, 3.6, 4.4),
        target(Sha256Memory, Platform("avx512"), RING, 2.8, 3.4),
        target(Sha256Memory, Platform("avx512"), SHA2, 2.8, 3.4),
        target(Sha256L2, Best, TAPE, 1.25, 1.6),
        target(Sha256Memory, Best, TAPE, 1.25, 1.6),
        target(Sha256L2, Platform("sha-ni"), RING, 1.5, 1.7),
        target(Sha256L2, Platform("sha-ni-vl"), RING, 1.5, 1.7),
        target(Sha512L2, Platform("avx512"), SHA2, 3.0, 4.0),
        target(Format, Threads(1), VERITYSETUP, 3.8, 5.0),
        target(Format, Threads(2), VERITYSETUP, 6.0, 8.0),
        target(Verify, Threads(1), VERITYSETUP, 3.8, 5.0),
        target(Verify, Threads(2), VERITYSETUP, 6.0, 8.0),
        target(Format, Threads(2), RING_BUILDER, 2.2, 3.0),
    ]
};

const fn target(task: Task, ours: Ours, peer: &'static str, least: f64, stretch: f64) -> Target {
    Target { task, ours, peer, least, stretch }
}

impl Target {
    /// Holds the two rows against each other, if both were measured.
    pub fn comparison<'a>(&'a self, record: &'a Record) -> Option<Comparison<'a>> {
        let ours = self.ours(record)?;
        let peer = record.peer_of(ours, self.peer)?;
        let ratio = statistics::times_as_fast(&peer.seconds, &ours.seconds)?;
        Some(Comparison { target: self, ours, peer, ratio })
    }

    fn ours<'a>(&self, record: &'a Record) -> Option<&'a Row> {
        let mut rows = record.rows_of(self.task).filter(|row| row.is_ours());
        match self.ours {
            Ours::Platform(name) => rows.find(|row| row.platform.as_deref() == Some(name)),
            Ours::Threads(threads) => rows.find(|row| row.threads == threads),
            Ours::Best => Row::fastest(rows),
        }
    }
}

impl Comparison<'_> {
    /// Whether the target was reached, in a word.
    pub fn verdict(&self) -> &'static str {
        match self.ratio.median {
            ratio if ratio >= self.target.stretch => "stretch",
            ratio if ratio >= self.target.least => "reached",
            _ => "missed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_judged_by_the_ratio_of_its_two_rows() {
        let record = Record::load(&crate::sample_record()).unwrap();
        let comparisons: Vec<_> =
            TARGETS.iter().filter_map(|target| target.comparison(&record)).collect();
        let told = |ours: &str, peer: &str| {
            let found = comparisons
                .iter()
                .find(|found| found.ours.label() == ours && found.peer.contender == peer)?;
            Some((format!("{:.2}", found.ratio.median), found.verdict()))
        };
        assert_eq!(told("verity avx512", RING), Some(("4.00".to_owned(), "reached")));
        assert_eq!(told("verity sha-ni", RING), Some(("1.25".to_owned(), "missed")));
        assert_eq!(told("verity, 1 thread", VERITYSETUP), Some(("5.00".to_owned(), "stretch")));
        assert_eq!(told("verity avx512", "nobody"), None);
    }
}
