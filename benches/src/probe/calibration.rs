//! From how many instructions a cycle on a core is said to be shared.

use serde::{Deserialize, Serialize};

use super::{Probe, Regime};

/// The bound between a core alone and one that is shared, and where it is known from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Independent instructions a cycle that a core alone does.
    pub alone: f64,
    /// What `alone` is known from.
    pub source: Source,
    /// A core that does fewer is shared.
    pub threshold: f64,
}

/// What the speed of a core alone is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The design of the CPU, on which it was measured once.
    Design,
    /// The best of this run: that the core was ever alone is a guess.
    Run,
}

/// The part of a core's speed that one must see to call it alone. A neighbour that does nothing
/// but wait takes less than that; one that works takes from a sixth to a half.
const PART: f64 = 0.9;

impl Calibration {
    /// Takes the best of a run, but no less than the design is known for. The best is what one
    /// probe in twenty reaches: a single one may be wrong.
    pub fn of(probes: &[Probe], design: Option<f64>) -> Option<Calibration> {
        let mut seen: Vec<_> = probes.iter().map(|probe| probe.most).collect();
        seen.sort_by(f64::total_cmp);
        let best = *seen.get(seen.len().checked_sub(1 + seen.len() / 20)?)?;
        let source = if design.is_some() { Source::Design } else { Source::Run };
        let alone = best.max(design.unwrap_or_default());
        Some(Calibration { alone, source, threshold: alone * PART })
    }

    /// Who had the core, by what was seen.
    pub fn regime(&self, probe: &Probe) -> Regime {
        match probe {
            probe if probe.least >= self.threshold => Regime::Alone,
            probe if probe.most < self.threshold => Regime::Shared,
            _ => Regime::Changed,
        }
    }
}

/// Independent instructions a cycle that a core of this design does alone, where it was measured:
/// by the CPU as [`Machine`](crate::machine::Machine) describes it.
pub fn design(cpu: &str) -> Option<f64> {
    const MEASURED: [(&str, f64); 3] = [
        ("(Zen 3)", 5.98),
        // Sapphire Rapids and Emerald Rapids; both have Golden Cove's front end.
        ("(family 6 model 143)", 5.75),
        ("(family 6 model 207)", 5.75),
    ];
    MEASURED.into_iter().find(|(design, _)| cpu.contains(design)).map(|(_, rate)| rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(least: f64, most: f64) -> Probe {
        Probe { least, most, ghz: 3.0, regime: None }
    }

    fn regimes(seen: &[(f64, f64)], design: Option<f64>) -> Vec<Regime> {
        let probes: Vec<_> = seen.iter().map(|&(least, most)| probe(least, most)).collect();
        let calibration = Calibration::of(&probes, design).unwrap();
        probes.iter().map(|probe| calibration.regime(probe)).collect()
    }

    #[test]
    fn an_unknown_cpu_is_judged_by_the_best_of_its_run() {
        use Regime::{Alone, Changed, Shared};
        let seen = [(7.7, 7.9), (3.9, 4.0), (4.1, 7.8), (7.9, 7.9), (7.0, 7.0)];
        assert_eq!(regimes(&seen, None), [Alone, Shared, Changed, Alone, Shared]);
        let shared_throughout = [(3.9, 4.0), (3.8, 4.0)];
        assert_eq!(regimes(&shared_throughout, None), [Alone, Alone]);
        let probes = shared_throughout.map(|(least, most)| probe(least, most));
        assert_eq!(Calibration::of(&probes, None).unwrap().source, Source::Run);
    }

    #[test]
    fn a_known_design_is_shared_even_if_it_was_never_alone() {
        assert_eq!(regimes(&[(3.9, 4.0), (3.8, 4.1)], Some(5.75)), [Regime::Shared; 2]);
        assert_eq!(regimes(&[(5.7, 5.75), (5.2, 5.75)], Some(5.75)), [Regime::Alone; 2]);
    }

    #[test]
    fn a_design_that_does_more_than_was_known_is_judged_by_what_was_seen() {
        let seen = [(7.9, 8.0), (6.0, 6.0)];
        assert_eq!(regimes(&seen, Some(6.0)), [Regime::Alone, Regime::Shared]);
    }

    #[test]
    fn a_single_odd_probe_moves_no_bound() {
        let mut seen = vec![(5.9, 6.0); 40];
        seen.push((5.9, 30.0));
        assert_eq!(regimes(&seen, None), [Regime::Alone; 41]);
        assert_eq!(Calibration::of(&[], None), None);
    }

    #[test]
    fn designs_are_known_by_their_descriptions() {
        assert_eq!(design("AMD EPYC (Zen 3)"), Some(5.98));
        assert_eq!(design("Intel(R) Xeon(R) Processor (family 6 model 207)"), Some(5.75));
        assert_eq!(design("Neoverse-N1"), None);
    }
}
