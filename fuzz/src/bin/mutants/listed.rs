//! The list of changes that cargo-mutants would make, and a sample of it.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use verity_testdata::pattern::Prng;

/// One change of the code.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Mutant {
    /// Where, and what: `verity/src/tree/path.rs:12:9: replace + with - in Path::next`.
    pub(crate) name: String,
    pub(crate) file: String,
    pub(crate) package: String,
    pub(crate) genre: Genre,
    pub(crate) span: Span,
    pub(crate) replacement: String,
}

/// What kind of change.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub(crate) enum Genre {
    /// The function does nothing but return this.
    FnValue,
    BinaryOperator,
    UnaryOperator,
    /// The guard is always true, or never.
    MatchArmGuard,
    /// The arm is not there.
    MatchArm,
    /// The field is taken from the base of the struct expression.
    StructField,
}

/// Where it begins; the syntax tree knows where it ends.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Span {
    pub(crate) start: Place,
}

/// Both count from 1; a column is a character.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Mutant {
    /// The room that the change is in: `verity/src/tree`, `sign/src/accepted.rs`.
    pub(crate) fn room(&self) -> String {
        self.file.split('/').take(3).collect::<Vec<_>>().join("/")
    }
}

/// Every change in the rooms that `.cargo/mutants.toml` names.
pub(crate) fn all() -> Result<Vec<Mutant>> {
    let run = Command::new("cargo").args(["mutants", "--list", "--json"]).output();
    let run = run.context("cargo mutants: cargo install --locked cargo-mutants")?;
    ensure!(run.status.success(), "cargo mutants: {}", String::from_utf8_lossy(&run.stderr));
    serde_json::from_slice(&run.stdout).context("what cargo mutants lists")
}

/// At least `count` of them, from each room as many as it has of all, one at least. The same for
/// the same list and seed.
pub(crate) fn sample(all: &[Mutant], seed: u64, count: usize) -> Vec<Mutant> {
    let mut rooms = BTreeMap::<String, Vec<&Mutant>>::new();
    for mutant in all {
        rooms.entry(mutant.room()).or_default().push(mutant);
    }
    let mut random = Prng::new(seed);
    let mut sample = Vec::new();
    for mut room in rooms.into_values() {
        let share = (room.len() * count).div_ceil(all.len().max(1)).min(room.len());
        for _ in 0..share {
            sample.push(room.swap_remove(random.index(room.len())).clone());
        }
    }
    sample
}
