//! Why a command failed: a class that callers can act on, the file it is about, and the words.
//!
//! Commands make these; only `exit` knows what number a class becomes, only `report` prints them.

use std::path::{Path, PathBuf};

#[cfg(feature = "http")]
use verity::io::http::HttpError;

use crate::findings::Findings;

/// A failed command.
#[derive(Debug)]
pub(crate) struct CommandError {
    class: Class,
    path: Option<PathBuf>,
    source: anyhow::Error,
    findings: Option<Box<Findings>>,
}

/// What a caller may do about a failure. The names are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Somebody else is writing the same output.
    Busy,
    /// An input changed while it was read.
    Changed,
    /// A signal asked to stop.
    Interrupted(i32),
    /// Opening, reading, writing or syncing failed.
    Io,
    /// A superblock, a manifest, parameters or sizes that cannot be.
    Metadata,
    /// Data, tree or root hash are not what they should be.
    NotVerified,
    /// Data, tree and root hash are as they should be, but parity is not.
    Parity,
    /// Data or tree are not what they should be, but parity can make them so.
    Repairable,
    /// A signature, a key, a certificate or a policy says no.
    Trust,
    /// The caller asked for something that makes no sense.
    Usage,
}

impl Class {
    /// The name in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Class::Busy => "busy",
            Class::Changed => "changed",
            Class::Interrupted(_) => "interrupted",
            Class::Io => "io",
            Class::Metadata => "metadata",
            Class::NotVerified => "not-verified",
            Class::Parity => "parity",
            Class::Repairable => "repairable",
            Class::Trust => "trust",
            Class::Usage => "usage",
        }
    }
}

impl CommandError {
    pub(crate) fn new(class: Class, source: impl Into<anyhow::Error>) -> CommandError {
        CommandError { class, path: None, source: source.into(), findings: None }
    }

    pub(crate) fn message(class: Class, message: impl Into<String>) -> CommandError {
        Self::new(class, anyhow::Error::msg(message.into()))
    }

    pub(crate) fn usage(message: impl Into<String>) -> CommandError {
        Self::message(Class::Usage, message)
    }

    /// Says which file the error is about.
    pub(crate) fn at(mut self, path: &Path) -> CommandError {
        self.path = Some(path.to_owned());
        self
    }

    /// Adds something that the user must know beside the reason.
    pub(crate) fn noting(mut self, note: String) -> CommandError {
        self.source = self.source.context(note);
        self
    }

    /// A failure after a signal had asked to stop: the signal is its reason.
    pub(crate) fn interrupted_by(self, signal: i32) -> CommandError {
        let interrupted = CommandError { class: Class::Interrupted(signal), ..self };
        interrupted.noting(format!("interrupted by signal {signal}"))
    }

    /// Adds words behind the reason, in the same sentence.
    pub(crate) fn adding(mut self, words: &str) -> CommandError {
        if !words.is_empty() {
            self.source = anyhow::Error::msg(format!("{}{words}", self.words()));
        }
        self
    }

    /// Adds what was found out about the image.
    pub(crate) fn with_findings(mut self, findings: Findings) -> CommandError {
        self.findings = Some(Box::new(findings));
        self
    }

    pub(crate) fn class(&self) -> Class {
        self.class
    }

    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    pub(crate) fn findings(&self) -> Option<&Findings> {
        self.findings.as_deref()
    }

    /// Whether a server has said that there is no such file.
    pub(crate) fn is_about_missing_file(&self) -> bool {
        #[cfg(feature = "http")]
        if let Some(HttpError::Status { status }) = self.source.downcast_ref() {
            return [404, 410].contains(status);
        }
        false
    }

    /// The words, with every cause.
    pub(crate) fn words(&self) -> String {
        format!("{:#}", self.source)
    }
}

/// Turns any error into a [`CommandError`] about a file.
pub(crate) trait OrFail<T> {
    fn or_fail(self, class: Class, path: &Path) -> Result<T, CommandError>;
}

impl<T, E: Into<anyhow::Error>> OrFail<T> for Result<T, E> {
    fn or_fail(self, class: Class, path: &Path) -> Result<T, CommandError> {
        self.map_err(|error| CommandError::new(class, error).at(path))
    }
}
