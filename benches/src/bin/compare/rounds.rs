//! Rounds, in which every contender has one turn.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use verity_benches::probe::{Place, Probe};
use verity_benches::record::Samples;
use verity_benches::turns;

/// The most rounds of contenders that take ten times as long as ours and more: a minute of them
/// says as much as ten.
const FEW: NonZeroUsize = NonZeroUsize::new(3).unwrap();

/// How many rounds there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// How many rounds count.
    pub(crate) rounds: NonZeroUsize,
    /// After how long no other round of a task begins, once one has counted.
    pub(crate) budget: Option<Duration>,
    /// Whether anybody looks at who has the core.
    pub(crate) is_probed: bool,
}

/// The rounds of one task.
pub(crate) struct Rounds<'a> {
    /// What is done.
    pub(crate) name: &'a str,
    /// How many rounds of each contender count, the first ones if others have more.
    pub(crate) each: &'a [NonZeroUsize],
    /// Contenders that are held against each other: [`turns::order`] has them change places.
    pub(crate) pairs: &'a [(usize, usize)],
    /// After how long no other round begins.
    pub(crate) budget: Option<Duration>,
    /// Where the work is done.
    pub(crate) place: Place,
}

impl Pace {
    /// As many rounds as asked for, but few for a slow contender.
    pub(crate) fn few_if(self, is_slow: bool) -> NonZeroUsize {
        if is_slow { self.rounds.min(FEW) } else { self.rounds }
    }

    /// Where to look for work that is done there.
    pub(crate) fn place(self, place: Place) -> Place {
        if self.is_probed { place } else { Place::Unknown }
    }
}

impl Rounds<'_> {
    /// Runs a round to warm up, then those that count. `run` gets the number of the round and of
    /// the contender. Returns the samples of each contender, round by round.
    pub(crate) fn run(
        &self,
        mut run: impl FnMut(usize, usize) -> Result<Duration, String>,
    ) -> Result<Vec<Samples>, String> {
        let mut samples = vec![Samples::default(); self.each.len()];
        let all = self.each.iter().max().map_or(0, |most| most.get());
        let start = Instant::now();
        for round in 0..=all {
            if round > 1 && self.budget.is_some_and(|budget| start.elapsed() >= budget) {
                eprintln!("compare: {}: time is up after round {} of {all}", self.name, round - 1);
                break;
            }
            eprintln!("compare: {}, round {round} of {all}", self.name);
            for index in turns::order(round, self.each.len(), self.pairs) {
                if round > self.each[index].get() {
                    continue;
                }
                let (time, probe) = Probe::around(self.place, || run(round, index));
                let time = time?.as_secs_f64();
                if round > 0 {
                    samples[index].seconds.push(time);
                    samples[index].probes.extend(probe);
                }
            }
        }
        Ok(samples)
    }
}
