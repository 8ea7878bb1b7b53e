//! From the times of some rounds to a median, a spread, and ratios.

/// The middle of some values and how far they lie apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// The middle one, or the mean of the two in the middle.
    pub median: f64,
    /// The smallest.
    pub least: f64,
    /// The largest.
    pub most: f64,
}

impl Summary {
    /// Sums up the values, if there are any. What is not a number is left out: it stands for a
    /// round that does not count.
    pub fn of(values: &[f64]) -> Option<Summary> {
        let mut sorted: Vec<_> = values.iter().copied().filter(|it| it.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let (low, high) = ((sorted.len() - 1) / 2, sorted.len() / 2);
        Some(Summary { median: f64::midpoint(sorted[low], sorted[high]), least, most })
    }
}

/// How many times as fast as `reference` something is that takes `seconds` for the same work: the
/// ratio of the medians, and the spread of the ratios within each round. Where no round counts for
/// both, the spread is from the worst of one and the best of the other to the opposite.
pub fn times_as_fast(reference: &[f64], seconds: &[f64]) -> Option<Summary> {
    let rounds: Vec<_> = reference.iter().zip(seconds).map(|(a, b)| a / b).collect();
    let (reference, seconds) = (Summary::of(reference)?, Summary::of(seconds)?);
    let apart = || Summary {
        median: 0.0,
        least: reference.least / seconds.most,
        most: reference.most / seconds.least,
    };
    let spread = Summary::of(&rounds).unwrap_or_else(apart);
    Some(Summary { median: reference.median / seconds.median, ..spread })
}

/// Gigabytes (10^9 bytes) a second, of work over that many bytes that took `seconds`.
pub fn throughput(bytes: u64, seconds: &[f64]) -> Option<Summary> {
    let gigabytes = bytes as f64 / 1e9;
    let Summary { median, least, most } = Summary::of(seconds)?;
    Some(Summary { median: gigabytes / median, least: gigabytes / most, most: gigabytes / least })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_two() {
        let summary = Summary::of(&[4.0, 1.0, 2.0, 8.0]);
        assert_eq!(summary, Some(Summary { median: 3.0, least: 1.0, most: 8.0 }));
        assert_eq!(Summary::of(&[5.0, 1.0, 2.0]).map(|summary| summary.median), Some(2.0));
        assert_eq!(Summary::of(&[]), None);
    }

    #[test]
    fn a_ratio_is_that_of_medians_and_its_spread_that_of_rounds() {
        let ratio = times_as_fast(&[4.0, 6.0, 8.0], &[1.0, 2.0, 4.0]);
        assert_eq!(ratio, Some(Summary { median: 3.0, least: 2.0, most: 4.0 }));
        assert_eq!(times_as_fast(&[], &[1.0]), None);
    }

    #[test]
    fn a_round_that_does_not_count_is_left_out_of_everything() {
        let out = f64::NAN;
        let ratio = times_as_fast(&[4.0, out, 8.0], &[1.0, 2.0, 4.0]);
        assert_eq!(ratio, Some(Summary { median: 3.0, least: 2.0, most: 4.0 }));
        let no_round_of_both = times_as_fast(&[4.0, 8.0, out], &[out, out, 2.0]);
        assert_eq!(no_round_of_both, Some(Summary { median: 3.0, least: 2.0, most: 4.0 }));
        assert_eq!(times_as_fast(&[out], &[1.0]), None);
        assert_eq!(throughput(1, &[out]), None);
    }

    #[test]
    fn the_slowest_round_gives_the_least_throughput() {
        let throughput = throughput(2_000_000_000, &[1.0, 4.0, 2.0]);
        assert_eq!(throughput, Some(Summary { median: 1.0, least: 0.5, most: 2.0 }));
    }
}
