//! Turns: every contender once a round, the order turned by one each round.

use std::num::NonZeroUsize;
use std::time::Duration;

/// A round to warm up, then as many as asked for; `run` gets the number of the round and of the contender. Returns the
/// seconds of each contender, round by round.
pub(crate) fn alternate(
    name: &str,
    rounds: NonZeroUsize,
    contenders: usize,
    mut run: impl FnMut(usize, usize) -> Result<Duration, String>,
) -> Result<Vec<Vec<f64>>, String> {
    let mut seconds = vec![Vec::new(); contenders];
    for round in 0..=rounds.get() {
        eprintln!("compare: {name}, round {round} of {rounds}");
        for turn in 0..contenders {
            let index = (round + turn) % contenders;
            let time = run(round, index)?;
            if round > 0 {
                seconds[index].push(time.as_secs_f64());
            }
        }
    }
    Ok(seconds)
}
