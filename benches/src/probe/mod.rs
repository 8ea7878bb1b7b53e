//! What a core gives us at the moment: whether we have it alone, how fast its clock runs, and what
//! its instructions allow.
//!
//! The CPU of a virtual machine is often one thread of a core whose other thread belongs to
//! somebody else. The same program then runs at two speeds, from one minute to the next, and no
//! comparison of one CPU with two shows it. What shows it is how many instructions a cycle get
//! through the front end, which both threads share: with a busy neighbour about half as many.
//! Cycles are counted by additions each of which waits for the one before, which take one cycle
//! each and which no neighbour slows; so the figure depends on no clock, and the clock's frequency
//! follows from the same additions.

mod calibration;
mod limits;
mod loops;

use std::time::Instant;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::{Deserialize, Serialize};

use crate::statistics::Summary;

use self::loops::Loop;

pub use self::calibration::{Calibration, Source, design};
pub use self::limits::Limit;

/// Who had the core while a sample was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Regime {
    /// We alone, before and after the sample.
    Alone,
    /// Somebody else as well, before and after.
    Shared,
    /// One before and the other after, or one on one CPU and the other on another: the sample
    /// belongs to neither.
    Changed,
}

/// What was seen right before and right after a sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// Independent instructions a cycle, the fewest that were seen.
    pub least: f64,
    /// Independent instructions a cycle, the most that were seen.
    pub most: f64,
    /// The frequency of the clock, in GHz: the mean over what was seen.
    pub ghz: f64,
    /// What a [`Calibration`] makes of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regime: Option<Regime>,
}

/// Where a sample runs, and so what is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On this thread: its CPU counts.
    ThisThread,
    /// In other threads or processes, on any CPU: every CPU is looked at, one after the other.
    AnyCpu,
    /// Nothing is looked at.
    Unknown,
}

/// One look at one CPU.
#[derive(Clone, Copy, Debug)]
struct Look {
    instructions_a_cycle: f64,
    ghz: f64,
}

impl Regime {
    /// Those to which figures may belong.
    pub const OF_FIGURES: [Regime; 2] = [Regime::Alone, Regime::Shared];

    /// The regime in words.
    pub fn title(self) -> &'static str {
        match self {
            Regime::Alone => "core alone",
            Regime::Shared => "core shared",
            Regime::Changed => "changed within the sample",
        }
    }
}

impl Probe {
    /// Looks before and after `run`. Nothing is seen on a CPU for which there are no loops.
    pub fn around<T>(place: Place, run: impl FnOnce() -> T) -> (T, Option<Probe>) {
        let before = look(place);
        let done = run();
        (done, Probe::of(&[before, look(place)].concat()))
    }

    fn of(looks: &[Look]) -> Option<Probe> {
        let rates: Vec<_> = looks.iter().map(|look| look.instructions_a_cycle).collect();
        let Summary { least, most, .. } = Summary::of(&rates)?;
        let ghz = looks.iter().map(|look| look.ghz).sum::<f64>() / looks.len() as f64;
        let [least, most, ghz] = [least, most, ghz].map(rounded);
        Some(Probe { least, most, ghz, regime: None })
    }
}

/// The most CPUs that are looked at; on larger machines every second one, every third and so on.
const MOST_CPUS: usize = 16;

fn look(place: Place) -> Vec<Look> {
    let (Some(adds), Some(independent)) = (loops::adds(), loops::independent()) else {
        return Vec::new();
    };
    let here = || Look::take(adds, independent);
    match (place, sched_getaffinity(None)) {
        (Place::Unknown, _) => Vec::new(),
        (Place::AnyCpu, Ok(allowed)) => on_every_cpu(&allowed, here),
        _ => vec![here()],
    }
}

/// Moves this thread from CPU to CPU, and lets it run anywhere again.
fn on_every_cpu<T>(allowed: &CpuSet, look: impl Fn() -> T) -> Vec<T> {
    let cpus: Vec<_> = (0..CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu)).collect();
    let step = cpus.len().div_ceil(MOST_CPUS).max(1);
    let looks = cpus.iter().step_by(step).filter_map(|&cpu| {
        let mut only = CpuSet::new();
        only.set(cpu);
        sched_setaffinity(None, &only).ok().map(|()| look())
    });
    let looks = looks.collect();
    // It was allowed before.
    let _ = sched_setaffinity(None, allowed);
    looks
}

/// How often both loops run, in turns: a look is the median, so that what interrupts one of them
/// does not count. It takes about a third of a millisecond.
const TURNS: usize = 25;
/// So many turns of each loop take some microseconds.
const ADDS: u64 = 300;
const INDEPENDENT: u64 = 1000;

impl Look {
    fn take(adds: Loop, independent: Loop) -> Look {
        let turns = (0..TURNS).map(|_| (adds.seconds(ADDS), independent.seconds(INDEPENDENT)));
        let turns: Vec<_> = turns.collect();
        let cycle = median(turns.iter().map(|(add, _)| *add));
        let rate = median(turns.iter().map(|(add, instruction)| add / instruction));
        Look { instructions_a_cycle: rate, ghz: 1e-9 / cycle }
    }
}

impl Loop {
    /// How long each of what is counted takes.
    fn seconds(self, turns: u64) -> f64 {
        let start = Instant::now();
        (self.run)(turns);
        // A clock may be so coarse that nothing seems to have passed.
        start.elapsed().as_secs_f64().max(1e-9) / (turns as f64 * self.each)
    }
}

/// To a thousandth: more digits say nothing.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<_> = values.collect();
    Summary::of(&values).map_or(f64::NAN, |summary| summary.median)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_what_was_seen_before_and_after_it() {
        let (done, probe) = Probe::around(Place::ThisThread, || 7);
        assert_eq!(done, 7);
        let is_known = cfg!(any(target_arch = "x86_64", target_arch = "aarch64"));
        assert_eq!(probe.is_some(), is_known);
        if let Some(probe) = probe {
            assert!(probe.least >= 0.0 && probe.least <= probe.most, "{probe:?}");
            assert!(probe.ghz >= 0.0 && probe.regime.is_none(), "{probe:?}");
        }
        assert_eq!(Probe::around(Place::Unknown, || 7), (7, None));
    }

    #[test]
    fn every_cpu_is_looked_at_and_the_thread_may_run_anywhere_again() {
        let before = sched_getaffinity(None).unwrap();
        let cpus = on_every_cpu(&before, || sched_getaffinity(None).unwrap());
        assert_eq!(cpus.len(), usize::try_from(before.count()).unwrap().min(MOST_CPUS));
        assert!(cpus.iter().all(|cpus| cpus.count() == 1));
        assert_eq!(sched_getaffinity(None).unwrap(), before);
    }

    #[test]
    fn every_loop_ends_and_takes_time() {
        for it in loops::adds().into_iter().chain(loops::independent()) {
            assert!(it.seconds(0) > 0.0 && it.seconds(1000) > 0.0);
        }
        for mixture in loops::mixtures() {
            assert!(mixture.bytes.seconds(1000) > 0.0, "{mixture:?}");
        }
    }
}
