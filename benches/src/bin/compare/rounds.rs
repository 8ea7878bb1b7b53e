//! Turns: every contender once a round, the order turned by one each round.

use std::num::NonZeroUsize;
use std::time::Duration;

/// The most rounds of those who take ten times as long as ours and more: a minute of them says as much as ten.
const FEW: NonZeroUsize = NonZeroUsize::new(3).unwrap();

/// As many rounds as asked for, but few for who is slow.
pub(crate) fn few_if(is_slow: bool, rounds: NonZeroUsize) -> NonZeroUsize {
    if is_slow { rounds.min(FEW) } else { rounds }
}

/// A round to warm up, then as many for each contender as asked for, the first ones if others have more; `run` gets the
/// number of the round and of the contender. Returns the seconds of each contender, round by round.
pub(crate) fn alternate(
    name: &str,
    rounds: &[NonZeroUsize],
    mut run: impl FnMut(usize, usize) -> Result<Duration, String>,
) -> Result<Vec<Vec<f64>>, String> {
    let mut seconds = vec![Vec::new(); rounds.len()];
    let all = rounds.iter().max().map_or(0, |most| most.get());
    for round in 0..=all {
        eprintln!("compare: {name}, round {round} of {all}");
        for turn in 0..rounds.len() {
            let index = (round + turn) % rounds.len();
            if round > rounds[index].get() {
                continue;
            }
            let time = run(round, index)?;
            if round > 0 {
                seconds[index].push(time.as_secs_f64());
            }
        }
    }
    Ok(seconds)
}
