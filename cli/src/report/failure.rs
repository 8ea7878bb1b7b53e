//! Why a command has failed, and what it found out before.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::lines::provenance;
use super::ranges::{BlocksEntry, CorruptionEntry, RoundsEntry};
use crate::error::{Class, CommandError};
use crate::findings::Findings;
use crate::quoted::{Plain, Quoted};
use crate::streams::{INPUT, is_standard};

/// Why a command has failed. The order of the fields is the order of the keys.
///
/// The text is about the findings only: the message has a line of its own on standard error.
#[derive(Serialize)]
pub(super) struct FailureDocument {
    class: &'static str,
    pub(super) message: String,
    /// The file that it is about, which the message begins with.
    path: Option<String>,
    corruptions: Vec<CorruptionEntry>,
    /// How many of those blocks cannot be read, as far as a search for all of them has counted.
    unreadable_blocks: u64,
    /// Data blocks that were not looked at, as a hash block above them is corrupt.
    unchecked_blocks: u64,
    unchecked: Vec<BlocksEntry>,
    truncated: bool,
    geometry: Option<String>,
    geometry_authenticated: Option<bool>,
    /// What parity can make right.
    repairable_blocks: u64,
    repairable: Vec<BlocksEntry>,
    /// What it has made right, where it lies.
    repaired_blocks: u64,
    repaired: Vec<BlocksEntry>,
    /// Rounds with corrupt blocks that were not tried, as nothing vouches for the parameters.
    untried_rounds: u64,
    /// Rounds whose parity does not belong to the image.
    parity_rounds: u64,
    parity: Vec<RoundsEntry>,
    /// What to say of a list that was cut off.
    #[serde(skip)]
    more: &'static str,
}

impl From<&CommandError> for FailureDocument {
    fn from(error: &CommandError) -> FailureDocument {
        let failure = FailureDocument {
            class: error.class().name(),
            message: message(error),
            path: error.path().map(name_of),
            corruptions: Vec::new(),
            unreadable_blocks: 0,
            unchecked_blocks: 0,
            unchecked: Vec::new(),
            truncated: false,
            geometry: None,
            geometry_authenticated: None,
            repairable_blocks: 0,
            repairable: Vec::new(),
            repaired_blocks: 0,
            repaired: Vec::new(),
            untried_rounds: 0,
            parity_rounds: 0,
            parity: Vec::new(),
            more: "there may be more corrupt blocks",
        };
        match error.findings() {
            Some(findings) => failure.with_findings(findings),
            None => failure,
        }
    }
}

impl FailureDocument {
    fn with_findings(mut self, findings: &Findings) -> FailureDocument {
        let Findings { report, recovery, parity, origin, places } = findings;
        let corruptions = report.iter().flat_map(|report| &report.corruptions);
        self.corruptions = corruptions.map(|range| CorruptionEntry::new(places, range)).collect();
        if let Some(report) = report {
            self.unreadable_blocks = report.unreadable_blocks;
            self.unchecked_blocks = report.unchecked_data_blocks;
            self.unchecked = BlocksEntry::list(places, &report.unchecked);
        }
        self.truncated = findings.truncated();
        self.geometry = Some(origin.to_string());
        self.geometry_authenticated = Some(origin.is_authenticated());
        if let Some(recovery) = recovery {
            self.untried_rounds = recovery.untried_rounds;
            let entries = BlocksEntry::list(places, &recovery.ranges);
            match recovery.written {
                true => (self.repaired_blocks, self.repaired) = (recovery.blocks, entries),
                false => (self.repairable_blocks, self.repairable) = (recovery.blocks, entries),
            }
        }
        if let Some(parity) = parity {
            self.parity_rounds = parity.rounds;
            self.parity = parity.ranges.iter().map(RoundsEntry::from).collect();
        }
        if recovery.is_some() || parity.is_some() {
            self.more = "there is more than is listed";
        }
        self
    }
}

impl fmt::Display for FailureDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(geometry) = &self.geometry else { return Ok(()) };
        provenance(f, geometry, None)?;
        for corruption in &self.corruptions {
            writeln!(f, "{corruption}")?;
        }
        for range in &self.unchecked {
            writeln!(f, "not checked: {range}: a hash block above is not right")?;
        }
        for range in &self.repairable {
            writeln!(f, "repairable: {range}")?;
        }
        for range in &self.repaired {
            writeln!(f, "repaired: {range}")?;
        }
        if self.untried_rounds > 0 {
            writeln!(f, "not tried: {} rounds of the parity", self.untried_rounds)?;
        }
        for rounds in &self.parity {
            writeln!(f, "{rounds}: not that of the image")?;
        }
        if self.truncated {
            writeln!(f, "{}", self.more)?;
        }
        Ok(())
    }
}

fn message(error: &CommandError) -> String {
    let words = error.words();
    let message = match error.class() {
        // The help that goes with a mistake in the arguments has lines of its own.
        Class::Usage => {
            words.split('\n').map(|line| Plain(line).to_string()).collect::<Vec<_>>().join("\n")
        }
        _ => Plain(&words).to_string(),
    };
    match error.path() {
        Some(path) => format!("{}: {message}", name_of(path)),
        None => message,
    }
}

/// What a file is called; an error about a stream that was named `-` is about what was read.
fn name_of(path: &Path) -> String {
    match is_standard(path) {
        true => INPUT.to_owned(),
        false => Quoted(path).to_string(),
    }
}
