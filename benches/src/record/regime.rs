//! Records split by who had the core, so that no figure is of both.

use crate::probe::{Calibration, Limit, Probe, Regime};
use crate::reads::PREAD;
use crate::statistics::Summary;

use super::{Kind, Record, Row, Task};

/// Of a chunk of 64 bytes of a block of 4096 bytes behind a salt of 32: the padding takes one more.
const CHUNKS_OF_DATA: f64 = 64.0 / 65.0;

impl Record {
    /// Judges every probe, when all are there.
    pub fn judge(&mut self, design: Option<f64>) {
        self.probe = Calibration::of(&self.probes().copied().collect::<Vec<_>>(), design);
        let Some(calibration) = self.probe else { return };
        let of_rows = self.rows.iter_mut().flat_map(|row| &mut row.probes);
        let of_limits = self.limits.iter_mut().flat_map(|limit| &mut limit.probes);
        for probe in of_rows.chain(of_limits) {
            probe.regime = Some(calibration.regime(probe));
        }
    }

    /// How many samples belong to that regime.
    pub fn samples_in(&self, regime: Regime) -> usize {
        let probes = self.rows.iter().flat_map(|row| &row.probes);
        probes.filter(|probe| probe.regime == Some(regime)).count()
    }

    /// The regimes that occurred and to which figures may belong.
    pub fn regimes(&self) -> Vec<Regime> {
        let regimes = Regime::OF_FIGURES.into_iter();
        regimes.filter(|regime| self.samples_in(*regime) > 0).collect()
    }

    /// The regime that most samples belong to. None without probes.
    pub fn main_regime(&self) -> Option<Regime> {
        // Of two alike the first one, so that the order is turned round.
        let regimes = self.regimes().into_iter().rev();
        regimes.max_by_key(|regime| self.samples_in(*regime))
    }

    /// The record with the samples of that regime alone: others are no numbers, so that rounds
    /// keep their places, and rows without a sample are gone. Without a regime, all of it.
    #[must_use]
    pub fn of_regime(&self, regime: Option<Regime>) -> Record {
        let mut record = self.clone();
        let Some(regime) = regime else { return record };
        for row in &mut record.rows {
            mask(&mut row.seconds, &row.probes, regime);
        }
        for limit in &mut record.limits {
            mask(&mut limit.bytes_a_cycle, &limit.probes, regime);
        }
        record.rows.retain(|row| row.rounds() > 0);
        record
    }

    /// The regime of what [`Record::of_regime`] left, if it is one.
    pub fn only_regime(&self) -> Option<Regime> {
        let counted = self.rows.iter().flat_map(|row| row.seconds.iter().zip(&row.probes));
        let counted = counted.filter(|(seconds, _)| seconds.is_finite());
        let mut regimes: Vec<_> = counted.map(|(_, probe)| probe.regime).collect();
        regimes.dedup();
        if let [regime] = regimes[..] { regime } else { None }
    }

    /// What the instructions that a kernel needs allow, in bytes of message a cycle.
    pub fn limit_of(&self, platform: &str) -> Option<f64> {
        self.limits.iter().find(|limit| limit.is_of(platform)).and_then(rate)
    }

    /// What the best instructions of the core allow for sha256, in bytes of data a cycle: less the
    /// padding. None if some were not measured, which may be the best.
    pub fn limit(&self) -> Option<f64> {
        let rates: Option<Vec<_>> = self.limits.iter().map(rate).collect();
        rates?.into_iter().max_by(f64::total_cmp).map(|rate| rate * CHUNKS_OF_DATA)
    }

    /// The part of [`Record::limit`] that a row reaches, for each thread; of sha256 alone.
    pub fn share_of_limit(&self, row: &Row) -> Option<Summary> {
        if !row.task.is_bound_by_sha256() || row.contender == PREAD {
            return None;
        }
        let (speed, limit) = (row.bytes_a_cycle()?, self.limit()?);
        let [median, least, most] = [speed.median, speed.least, speed.most].map(|it| it / limit);
        Some(Summary { median, least, most })
    }

    fn probes(&self) -> impl Iterator<Item = &Probe> {
        let of_rows = self.rows.iter().flat_map(|row| &row.probes);
        of_rows.chain(self.limits.iter().flat_map(|limit| &limit.probes))
    }
}

impl Row {
    /// How many rounds count.
    pub fn rounds(&self) -> usize {
        self.seconds.iter().filter(|seconds| seconds.is_finite()).count()
    }

    /// Bytes a cycle of one core, for each of the threads, by the clock that was seen around each
    /// round. None where it is not known.
    pub fn bytes_a_cycle(&self) -> Option<Summary> {
        let rounds = self.seconds.iter().zip(&self.probes);
        let of_round = |(seconds, probe): (&f64, &Probe)| {
            self.bytes as f64 / (seconds * probe.ghz * 1e9 * self.threads as f64)
        };
        Summary::of(&rounds.map(of_round).collect::<Vec<_>>())
    }
}

impl Task {
    /// Whether its bytes are hashed by sha256, and nothing else takes most of its time.
    fn is_bound_by_sha256(self) -> bool {
        let is_of_kernels = matches!(self, Task::Sha256L2 | Task::Sha256Memory);
        let is_more = matches!(
            self,
            Task::FormatCold
                | Task::OnePass
                | Task::OnePassDigest
                | Task::OnePassCold
                | Task::Install
                | Task::InstallReadBack
        );
        let is_warm = matches!(self.kind(), Kind::Command | Kind::Read) && !is_more;
        is_of_kernels || is_warm
    }
}

fn rate(limit: &Limit) -> Option<f64> {
    Summary::of(&limit.bytes_a_cycle).map(|summary| summary.median)
}

fn mask(values: &mut [f64], probes: &[Probe], regime: Regime) {
    for (value, probe) in values.iter_mut().zip(probes) {
        if probe.regime != Some(regime) {
            *value = f64::NAN;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::VERITY;

    /// Two rounds alone, one shared and half as fast, one of neither.
    fn probed() -> Record {
        let mut record = crate::probed_record();
        record.judge(None);
        record
    }

    #[test]
    fn figures_of_two_regimes_are_not_mixed() {
        let record = probed();
        assert_eq!(record.regimes(), [Regime::Alone, Regime::Shared]);
        assert_eq!(record.main_regime(), Some(Regime::Alone));
        let median = |regime| {
            let record = record.of_regime(regime);
            let row = record.row(Task::Format, VERITY, 1).unwrap();
            (Summary::of(&row.seconds).unwrap().median, row.rounds(), record.only_regime())
        };
        assert_eq!(median(Some(Regime::Alone)), (0.2, 2, Some(Regime::Alone)));
        assert_eq!(median(Some(Regime::Shared)), (0.4, 1, Some(Regime::Shared)));
        assert_eq!(median(None).1, 4);
    }

    #[test]
    fn a_regime_that_did_not_occur_leaves_nothing() {
        let mut record = probed();
        for row in &mut record.rows {
            (row.seconds, row.probes) = (row.seconds[..2].to_vec(), row.probes[..2].to_vec());
        }
        assert_eq!(record.regimes(), [Regime::Alone]);
        assert!(record.of_regime(Some(Regime::Shared)).rows.is_empty());
    }

    #[test]
    fn bytes_a_cycle_follow_from_the_clock_and_the_limit_from_its_loops() {
        let record = probed().of_regime(Some(Regime::Alone));
        let row = record.row(Task::Format, VERITY, 1).unwrap();
        // 1 GB in 0.2 s at 4 GHz.
        assert!((row.bytes_a_cycle().unwrap().median - 1.25).abs() < 1e-9);
        let limit = record.limit().unwrap();
        assert!((limit - 2.0 * 64.0 / 65.0).abs() < 1e-9, "{limit}");
        assert_eq!(record.limit_of("sha-ni"), Some(2.0));
        let share = record.share_of_limit(row).unwrap().median;
        assert!((share - 1.25 / limit).abs() < 1e-9, "{share}");
        let unmeasured = Limit { bytes_a_cycle: vec![f64::NAN], ..record.limits[0].clone() };
        let mut other = record.clone();
        other.limits.push(unmeasured);
        assert_eq!(other.limit(), None);
        let two = record.row(Task::Format, VERITY, 2).unwrap();
        assert!((two.bytes_a_cycle().unwrap().median - 1.25).abs() < 1e-9, "for each thread");
    }

    #[test]
    fn without_probes_everything_is_unknown() {
        let record = Record::load(&crate::sample_record()).unwrap();
        assert_eq!((record.main_regime(), record.limit()), (None, None));
        assert_eq!(record.of_regime(None), record);
        assert!(record.rows.iter().all(|row| row.bytes_a_cycle().is_none()));
    }
}
