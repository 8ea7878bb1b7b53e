//! `verity lint-signature`: whether a Linux kernel would take a root hash signature, and if not
//! why.
//!
//! The answer is a prediction. Nothing else in the command asks for it.

use std::path::{Path, PathBuf};

use verity_sign::MAX_SIGNATURE_BYTES;
use verity_sign::lint::{EnrolledCertificate, Lint, Report};

use crate::error::{Class, CommandError, OrFail};
use crate::inputs;
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

/// What was found.
#[derive(Debug)]
pub(crate) struct Linted {
    pub(crate) signature: PathBuf,
    pub(crate) report: Report,
}

impl Linted {
    /// Whether the kernel refuses it for sure.
    pub(crate) fn is_refused(&self) -> bool {
        self.report.error().is_some()
    }
}

/// Looks.
pub(crate) fn run(options: &Options) -> Result<Linted, CommandError> {
    check_root_hash(options.root_hash.as_deref())?;
    let keyring = options.certificates.iter().map(|path| enrolled(path));
    let keyring = keyring.collect::<Result<Vec<_>, _>>()?;
    // One byte more than the kernel takes, so that the lint can say so.
    let signature = inputs::read_start(&options.signature, MAX_SIGNATURE_BYTES + 1)?;
    let mut lint = Lint::new().now(options.at.unwrap_or_else(trust::now));
    if let Some(root_hash) = &options.root_hash {
        lint = lint.root_hash(root_hash);
    }
    if !keyring.is_empty() {
        lint = lint.keyring(&keyring);
    }
    Ok(Linted { signature: options.signature.clone(), report: lint.run(&signature) })
}

fn enrolled(path: &Path) -> Result<EnrolledCertificate, CommandError> {
    EnrolledCertificate::read(inputs::open(path)?.file()).or_fail(Class::Trust, path)
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
