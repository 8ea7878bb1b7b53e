//! `verity lint-signature`: what a kernel would say of a signature.

use std::fmt;

use serde::Serialize;
use verity_sign::lint::{Accepted, KEYRINGS, Point};

use crate::command::lint::Linted;
use crate::quoted::{Plain, Quoted};

/// What was found. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct LintedDocument {
    signature: String,
    /// `yes`, `no` or `unknown`.
    accepted: &'static str,
    /// The kernel's error and its words in the log.
    error: Option<&'static str>,
    kernel_message: Option<String>,
    since: String,
    keyrings: Vec<KeyringEntry>,
    /// What must be so for it to be accepted, and was not told.
    assumptions: Vec<String>,
    points: Vec<PointEntry>,
}

impl From<&Linted> for LintedDocument {
    fn from(facts: &Linted) -> LintedDocument {
        let report = &facts.report;
        let accepted = report.accepted();
        let keyrings = KEYRINGS.iter().map(|keyring| KeyringEntry {
            name: keyring.name,
            since: keyring.since,
            condition: keyring.condition,
        });
        LintedDocument {
            signature: Quoted(&facts.signature).to_string(),
            accepted: accepted.name(),
            error: report.error().map(|error| error.name()),
            kernel_message: report.refusal().and_then(Point::kernel_message).map(str::to_owned),
            since: report.since(),
            keyrings: keyrings.collect(),
            assumptions: match accepted {
                Accepted::No => Vec::new(),
                _ => report.assumptions().to_vec(),
            },
            points: report.points().iter().map(PointEntry::from).collect(),
        }
    }
}

impl fmt::Display for LintedDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for point in &self.points {
            writeln!(f, "{point}")?;
        }
        for assumption in &self.assumptions {
            writeln!(f, "if   {}", Plain(assumption))?;
        }
        match (self.error, self.assumptions.is_empty()) {
            (Some(error), _) => writeln!(f, "accepted by the kernel: no, {error}")?,
            (None, true) => writeln!(f, "accepted by the kernel: yes")?,
            (None, false) => {
                writeln!(f, "accepted by the kernel: yes, if what is named above is so")?;
            }
        }
        if self.error.is_none() {
            writeln!(f, "since: Linux {}", self.since)?;
        }
        for KeyringEntry { name, since, condition } in &self.keyrings {
            writeln!(f, "keyring: {name} (since Linux {since}: {condition})")?;
        }
        Ok(())
    }
}

/// A keyring that dm-verity looks into. The order of the fields is the order of the keys.
#[derive(Serialize)]
struct KeyringEntry {
    name: &'static str,
    since: &'static str,
    condition: &'static str,
}

/// One point. The order of the fields is the order of the keys.
#[derive(Serialize)]
struct PointEntry {
    name: &'static str,
    /// `ok`, `warn` or `fail`.
    verdict: &'static str,
    kernel_error: Option<&'static str>,
    kernel_message: Option<String>,
    explanation: String,
}

impl From<&Point> for PointEntry {
    fn from(point: &Point) -> PointEntry {
        PointEntry {
            name: point.name(),
            verdict: point.status().name(),
            kernel_error: point.error().map(|error| error.name()),
            kernel_message: point.kernel_message().map(str::to_owned),
            explanation: point.explanation().to_owned(),
        }
    }
}

impl fmt::Display for PointEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<4} {}: {}", self.verdict, self.name, Plain(&self.explanation))?;
        match (self.kernel_error, &self.kernel_message) {
            (Some(error), Some(message)) => write!(f, " ({error}: {message})"),
            (Some(error), None) => write!(f, " ({error})"),
            (None, Some(message)) => write!(f, " ({message})"),
            (None, None) => Ok(()),
        }
    }
}
