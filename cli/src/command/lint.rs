//! `verity lint-signature`: whether a Linux kernel would take a root hash signature, and if not
//! why.
//!
//! The answer is a prediction. Nothing else in the command asks for it.

use std::path::PathBuf;

use serde::Serialize;
use verity_sign::MAX_SIGNATURE_BYTES;
use verity_sign::lint::{Accepted, EnrolledCertificate, KEYRINGS, Lint, Point};

use crate::context::Context;
use crate::error::{Class, CommandError, OrFail};
use crate::inputs;
use crate::quoted::Quoted;
use crate::report::Outcome;
use crate::trust;

/// What to look at.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) signature: PathBuf,
    /// As the table writes it.
    pub(crate) root_hash: Option<String>,
    pub(crate) certificates: Vec<PathBuf>,
    pub(crate) at: Option<u64>,
}

/// What was found. The order of the fields is the order of the keys.
#[derive(Debug, Serialize)]
pub(crate) struct Linted {
    pub(crate) signature: String,
    /// `yes`, `no` or `unknown`.
    pub(crate) accepted: &'static str,
    /// The kernel's error and its words in the log.
    pub(crate) error: Option<&'static str>,
    pub(crate) kernel_message: Option<String>,
    pub(crate) since: String,
    pub(crate) keyrings: Vec<KeyringFacts>,
    /// What must be so for it to be accepted, and was not told.
    pub(crate) assumptions: Vec<String>,
    pub(crate) points: Vec<PointFacts>,
}

/// A keyring that dm-verity looks into. The order of the fields is the order of the keys.
#[derive(Debug, Serialize)]
pub(crate) struct KeyringFacts {
    pub(crate) name: &'static str,
    pub(crate) since: &'static str,
    pub(crate) condition: &'static str,
}

/// One point. The order of the fields is the order of the keys.
#[derive(Debug, Serialize)]
pub(crate) struct PointFacts {
    pub(crate) name: &'static str,
    /// `ok`, `warn` or `fail`.
    pub(crate) verdict: &'static str,
    pub(crate) kernel_error: Option<&'static str>,
    pub(crate) kernel_message: Option<String>,
    pub(crate) explanation: String,
}

impl Linted {
    /// Whether the kernel refuses it for sure.
    pub(crate) fn is_refused(&self) -> bool {
        self.error.is_some()
    }
}

/// Looks.
pub(crate) fn run(options: &Options, _context: &Context) -> Result<Outcome, CommandError> {
    check_root_hash(options.root_hash.as_deref())?;
    let keyring = options
        .certificates
        .iter()
        .map(|path| {
            EnrolledCertificate::read(inputs::open(path)?.file()).or_fail(Class::Trust, path)
        })
        .collect::<Result<Vec<_>, _>>()?;
    // One byte more than the kernel takes, so that the lint can say so.
    let signature = inputs::read_start(&options.signature, MAX_SIGNATURE_BYTES + 1)?;
    let mut lint = Lint::new().now(options.at.unwrap_or_else(trust::now));
    if let Some(root_hash) = &options.root_hash {
        lint = lint.root_hash(root_hash);
    }
    if !keyring.is_empty() {
        lint = lint.keyring(&keyring);
    }
    let report = lint.run(&signature);
    let accepted = report.accepted();
    let keyrings = KEYRINGS.iter().map(|keyring| KeyringFacts {
        name: keyring.name,
        since: keyring.since,
        condition: keyring.condition,
    });
    Ok(Outcome::Linted(Linted {
        signature: Quoted(&options.signature).to_string(),
        accepted: accepted.name(),
        error: report.error().map(|error| error.name()),
        kernel_message: report.refusal().and_then(Point::kernel_message).map(str::to_owned),
        since: report.since(),
        keyrings: keyrings.collect(),
        assumptions: match accepted {
            Accepted::No => Vec::new(),
            _ => report.assumptions().to_vec(),
        },
        points: report.points().iter().map(point_facts).collect(),
    }))
}

fn point_facts(point: &Point) -> PointFacts {
    PointFacts {
        name: point.name(),
        verdict: point.status().name(),
        kernel_error: point.error().map(|error| error.name()),
        kernel_message: point.kernel_message().map(str::to_owned),
        explanation: point.explanation().to_owned(),
    }
}

/// The text counts as it is, so it is not read into a root hash; but it must be one.
fn check_root_hash(text: Option<&str>) -> Result<(), CommandError> {
    let Some(text) = text else { return Ok(()) };
    let hex = !text.is_empty() && text.len() <= 128 && text.len().is_multiple_of(2);
    match hex && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(()),
        false => Err(CommandError::usage("--root-hash: not a root hash in hex")),
    }
}
