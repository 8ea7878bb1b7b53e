//! Circles in a set of arrows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Things that lead to each other.
pub(crate) struct Circle {
    /// All of them.
    pub(crate) members: Vec<usize>,
    /// The shortest way from one back to itself, which stands at both ends.
    pub(crate) shortest: Vec<usize>,
}

/// One circle for each set of things that lead to each other.
pub(crate) fn find(arrows: &BTreeSet<(usize, usize)>) -> Vec<Circle> {
    let mut ways = BTreeMap::new();
    for &(from, _) in arrows {
        ways.entry(from).or_insert_with(|| way_back(from, arrows));
    }
    let mut found: Vec<Circle> = Vec::new();
    for (&from, way) in &ways {
        let Some(way) = way else { continue };
        match found.iter_mut().find(|circle| linked(circle.members[0], from, arrows)) {
            Some(circle) => {
                circle.members.push(from);
                if way.len() < circle.shortest.len() {
                    circle.shortest.clone_from(way);
                }
            }
            None => found.push(Circle { members: vec![from], shortest: way.clone() }),
        }
    }
    found
}

fn linked(a: usize, b: usize, arrows: &BTreeSet<(usize, usize)>) -> bool {
    way(a, b, arrows).is_some() && way(b, a, arrows).is_some()
}

fn way_back(from: usize, arrows: &BTreeSet<(usize, usize)>) -> Option<Vec<usize>> {
    way(from, from, arrows)
}

/// The shortest way along at least one arrow, with both ends.
fn way(from: usize, to: usize, arrows: &BTreeSet<(usize, usize)>) -> Option<Vec<usize>> {
    let mut before = BTreeMap::new();
    let mut open = VecDeque::from([from]);
    while let Some(here) = open.pop_front() {
        for &(_, next) in arrows.range((here, 0)..=(here, usize::MAX)) {
            if before.contains_key(&next) {
                continue;
            }
            before.insert(next, here);
            if next == to {
                return Some(walked(from, to, &before));
            }
            open.push_back(next);
        }
    }
    None
}

fn walked(from: usize, to: usize, before: &BTreeMap<usize, usize>) -> Vec<usize> {
    let mut way = vec![to];
    let mut here = before[&to];
    while here != from {
        way.push(here);
        here = before[&here];
    }
    way.push(from);
    way.reverse();
    way
}
