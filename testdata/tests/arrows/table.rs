//! The table of a crate's top rooms, as `ARCHITECTURE.md` shows it:
//!
//! ````text
//! ```rooms verity
//! build  verify           # a remark
//! tree
//! layout
//! ```
//! ````
//!
//! A room imports from the lines below its own, never from its own line or one above.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::Graph;

/// Which line each top room stands on; the first line is 0.
pub(crate) struct Table<'a> {
    lines: BTreeMap<&'a str, usize>,
}

impl<'a> Table<'a> {
    /// The table of the crate `name` on a page.
    pub(crate) fn of(name: &str, page: &'a str) -> Result<Self, String> {
        let fence = format!("```rooms {name}");
        let mut lines = BTreeMap::new();
        let mut rest = page.lines().skip_while(|line| *line != fence);
        rest.next().ok_or_else(|| format!("no block `{fence}` in ARCHITECTURE.md"))?;
        for (number, line) in rest.take_while(|line| *line != "```").enumerate() {
            for room in line.split('#').next().unwrap_or_default().split_whitespace() {
                if lines.insert(room, number).is_some() {
                    return Err(format!("table: {room} stands there twice"));
                }
            }
        }
        Ok(Self { lines })
    }

    /// What is wrong: arrows that do not lead down, rooms that are missing here or there.
    pub(crate) fn judge(&self, graph: &Graph) -> Vec<String> {
        let rooms: BTreeSet<_> = graph.rooms().into_iter().collect();
        let missing = rooms.iter().filter(|room| !self.lines.contains_key(*room));
        let missing = missing.map(|room| format!("table: {room} has no place in it"));
        let gone = self.lines.keys().filter(|room| !rooms.contains(*room));
        let gone = gone.map(|room| format!("table: there is no {room}"));
        let arrows = graph.top();
        let wrong = arrows.iter().filter(|((from, to), _)| !self.is_down(from, to));
        let wrong = wrong.map(|((from, to), line)| format!("table: {from} -> {to}\n    {line}"));
        missing.chain(gone).chain(wrong).collect()
    }

    fn is_down(&self, from: &str, to: &str) -> bool {
        match (self.lines.get(from), self.lines.get(to)) {
            (Some(from), Some(to)) => from < to,
            // Said already.
            _ => true,
        }
    }
}

/// The table with the fewest lines for these arrows; rooms of a circle are left out.
pub(crate) fn flattest(rooms: &[&str], arrows: &BTreeSet<(&str, &str)>) -> Vec<String> {
    let mut open: BTreeSet<_> = rooms.iter().copied().collect();
    let mut lines = Vec::new();
    loop {
        let is_ground =
            |room: &&str| !arrows.iter().any(|(from, to)| from == room && open.contains(to));
        let ground: Vec<_> = open.iter().copied().filter(is_ground).collect();
        if ground.is_empty() {
            lines.reverse();
            return lines;
        }
        ground.iter().for_each(|room| _ = open.remove(room));
        lines.push(ground.join("  "));
    }
}
