//! `verity lint-signature`: whether a Linux kernel would take a root hash signature, and if not
//! why.
//!
//! The answer is a prediction. Nothing else in the command asks for it.

use std::path::{Path, PathBuf};

use verity_sign::MAX_SIGNATURE_BYTES;
use verity_sign::lint::{EnrolledCertificate, Lint, Report};

use crate::error::CommandError;
use crate::inputs;
use crate::trust::{self, RootHashSource};

/// What to look at.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) signature: PathBuf,
    pub(crate) root_hash: RootHashSource,
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
    let root_hash = root_hash_text(&options.root_hash)?;
    let keyring = options.certificates.iter().map(|path| enrolled(path));
    let keyring = keyring.collect::<Result<Vec<_>, _>>()?;
    // One byte more than the kernel takes, so that the lint can say so.
    let signature = inputs::read_start(&options.signature, MAX_SIGNATURE_BYTES + 1)?;
    let mut lint = Lint::new().now(options.at.unwrap_or_else(trust::now));
    if let Some(root_hash) = &root_hash {
        lint = lint.root_hash(root_hash);
    }
    if !keyring.is_empty() {
        lint = lint.keyring(&keyring);
    }
    Ok(Linted { signature: options.signature.clone(), report: lint.run(&signature) })
}

fn enrolled(path: &Path) -> Result<EnrolledCertificate, CommandError> {
    EnrolledCertificate::read(inputs::certificate_stream(path)?)
        .map_err(|error| trust::unreadable(error, "give each in a file of its own").at(path))
}

/// The root hash as the table writes it: what is typed counts as it is, if it is a root hash, but
/// for white space behind it, which no table has. From a file it is taken as everywhere, in lower
/// case.
fn root_hash_text(source: &RootHashSource) -> Result<Option<String>, CommandError> {
    let root_hash = source.read()?;
    let typed = source.text.as_ref().map(|text| text.trim_ascii_end().to_owned());
    Ok(typed.or(root_hash.map(|root_hash| root_hash.to_string())))
}
