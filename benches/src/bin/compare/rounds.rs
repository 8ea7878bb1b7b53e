//! Rounds, in which every contender has one turn.

use std::num::NonZeroUsize;
use std::time::Duration;

use verity_benches::turns;

/// The most rounds of contenders that take ten times as long as ours and more: a minute of them
/// says as much as ten.
const FEW: NonZeroUsize = NonZeroUsize::new(3).unwrap();

/// As many rounds as asked for, but few for a slow contender.
pub(crate) fn few_if(is_slow: bool, rounds: NonZeroUsize) -> NonZeroUsize {
    if is_slow { rounds.min(FEW) } else { rounds }
}

/// Runs a round to warm up, then as many for each contender as asked for, the first ones if others
/// have more. `run` gets the number of the round and of the contender. Returns the seconds of each
/// contender, round by round.
pub(crate) fn alternate(
    name: &str,
    rounds: &[NonZeroUsize],
    run: impl FnMut(usize, usize) -> Result<Duration, String>,
) -> Result<Vec<Vec<f64>>, String> {
    alternate_pairs(name, rounds, &[], run)
}

/// Runs rounds as [`alternate`] does, with pairs of contenders that are held against each other:
/// [`turns::order`] has them change places.
pub(crate) fn alternate_pairs(
    name: &str,
    rounds: &[NonZeroUsize],
    pairs: &[(usize, usize)],
    mut run: impl FnMut(usize, usize) -> Result<Duration, String>,
) -> Result<Vec<Vec<f64>>, String> {
    let mut seconds = vec![Vec::new(); rounds.len()];
    let all = rounds.iter().max().map_or(0, |most| most.get());
    for round in 0..=all {
        eprintln!("compare: {name}, round {round} of {all}");
        for index in turns::order(round, rounds.len(), pairs) {
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
