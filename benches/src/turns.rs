//! Whose turn it is: contenders take turns, so that what changes on a machine meets all alike.

/// The contenders of a round in the order of their turns.
///
/// The order is turned by one each round. The two of a pair stand beside each other, and change
/// places in every other round: so each of them follows the same neighbours as often.
pub fn order(round: usize, contenders: usize, pairs: &[(usize, usize)]) -> Vec<usize> {
    let turned = (0..contenders).map(|turn| (round + turn) % contenders);
    let partner = |index| pairs.iter().find_map(|&pair| other_of(pair, index)).unwrap_or(index);
    turned.map(|index| if round.is_multiple_of(2) { index } else { partner(index) }).collect()
}

fn other_of((first, second): (usize, usize), index: usize) -> Option<usize> {
    match index {
        _ if index == first => Some(second),
        _ if index == second => Some(first),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_has_one_turn_in_a_round_and_is_first_once() {
        let firsts: Vec<_> = (0..5).map(|round| order(round, 5, &[])[0]).collect();
        assert_eq!(firsts, [0, 1, 2, 3, 4]);
        for round in 0..10 {
            let mut all = order(round, 5, &[(1, 2), (3, 4)]);
            all.sort_unstable();
            assert_eq!(all, [0, 1, 2, 3, 4], "{round}");
        }
    }

    #[test]
    fn a_pair_changes_places_in_every_other_round() {
        let pairs = [(1, 2)];
        assert_eq!(order(0, 4, &pairs), [0, 1, 2, 3]);
        assert_eq!(order(1, 4, &pairs), [2, 1, 3, 0]);
        assert_eq!(order(2, 4, &pairs), [2, 3, 0, 1]);
    }
}
