//! What the instructions of a core allow a hash kernel, whatever the kernel does.

use serde::{Deserialize, Serialize};

use super::{ADDS, Place, Probe, TURNS, loops, median, rounded};

/// The speed of the instructions that a kernel cannot do without, when none of them waits for
/// another: what the ports of the core allow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// The kernels that these instructions bound.
    pub platforms: Vec<String>,
    /// Bytes of message a cycle, sha256, turn by turn.
    pub bytes_a_cycle: Vec<f64>,
    /// What was seen around each turn.
    pub probes: Vec<Probe>,
}

/// How many turns of a mixture are timed at once.
const MIXTURES: u64 = 500;

impl Limit {
    /// One for every set of instructions that this CPU has a loop for, without a turn.
    pub fn of_this_cpu() -> Vec<Limit> {
        let limit = |mixture: &loops::Mixture| Limit {
            platforms: mixture.platforms.iter().map(ToString::to_string).collect(),
            bytes_a_cycle: Vec::new(),
            probes: Vec::new(),
        };
        loops::mixtures().iter().map(limit).collect()
    }

    /// Measures each once more; about a millisecond.
    pub fn add_turn(limits: &mut [Limit]) {
        for (mixture, limit) in loops::mixtures().iter().zip(limits) {
            limit.add(mixture);
        }
    }

    fn add(&mut self, mixture: &loops::Mixture) {
        let Some(adds) = loops::adds() else { return };
        let rate = || adds.seconds(ADDS) / mixture.bytes.seconds(MIXTURES);
        let turn = || median((0..TURNS).map(|_| rate()));
        if let (rate, Some(probe)) = Probe::around(Place::ThisThread, turn) {
            self.bytes_a_cycle.push(rounded(rate));
            self.probes.push(probe);
        }
    }

    /// Whether it bounds that kernel.
    pub fn is_of(&self, platform: &str) -> bool {
        self.platforms.iter().any(|it| it == platform)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_turn_has_its_probe() {
        let mut limits = Limit::of_this_cpu();
        Limit::add_turn(&mut limits);
        Limit::add_turn(&mut limits);
        for limit in limits {
            assert_eq!((limit.bytes_a_cycle.len(), limit.probes.len()), (2, 2), "{limit:?}");
            assert!(limit.bytes_a_cycle.iter().all(|rate| *rate >= 0.0), "{limit:?}");
            assert!(!limit.is_of("nobody"));
        }
    }
}
