//! What a command has done or found out, and why it failed: as text, or as one JSON object.
//!
//! One file an outcome: the facts of the command become a document, which is serialized as JSON
//! and displayed as text, so that both forms tell the same facts. Every write is checked: a result
//! that could not be written is a failure.

mod about;
mod built;
mod checked;
mod failure;
mod header;
mod lines;
mod linted;
mod parity;
mod partitions;
mod planned;
mod prepared;
mod ranges;
mod read;
mod repaired;
mod served;
mod signed;
mod signer;
mod stream;
mod table;
mod verified;

use std::io;

pub(crate) use self::about::About;
use self::built::BuiltDocument;
use self::checked::CheckedDocument;
use self::failure::FailureDocument;
use self::header::HeaderDocument;
use self::linted::LintedDocument;
use self::planned::PlannedDocument;
use self::prepared::PreparedDocument;
use self::read::ReadDocument;
use self::repaired::RepairedDocument;
use self::served::{ReadyDocument, ServedDocument};
use self::signed::SignedDocument;
pub(crate) use self::stream::Stream;
use self::stream::render;
use self::table::TableDocument;
use self::verified::VerifiedDocument;
use crate::command::build::Built;
use crate::command::check::Checked;
use crate::command::dump::Dumped;
use crate::command::lint::Linted;
use crate::command::plan::Planned;
use crate::command::prepare_signature::Prepared;
use crate::command::read::Copied;
use crate::command::repair::RepairedImage;
use crate::command::serve::Served;
use crate::command::table::TableText;
use crate::context::Ready;
use crate::error::{Class, CommandError};
use crate::image::Verification;
use crate::making::Formatted;
use crate::signing::Signed;

/// What a command has done or found out.
#[derive(Debug)]
pub(crate) enum Outcome {
    Built(Built),
    Checked(Checked),
    Dumped(Dumped),
    Formatted(Formatted),
    Linted(Linted),
    Planned(Planned),
    Prepared(Prepared),
    Read(Copied),
    Repaired(RepairedImage),
    Served(Served),
    Signed(Signed),
    Table(TableText),
    Verified(Verification),
}

impl Outcome {
    /// Whether the command did what it was asked to do, and the answer is no.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Outcome::Linted(linted) if linted.is_refused())
    }

    fn text(&self, json: bool) -> io::Result<String> {
        match self {
            Outcome::Built(facts) => render(&BuiltDocument::from(facts), json),
            Outcome::Checked(facts) => render(&CheckedDocument::from(facts), json),
            Outcome::Dumped(facts) => render(&HeaderDocument::from(facts), json),
            Outcome::Formatted(facts) => render(&HeaderDocument::from(facts), json),
            Outcome::Linted(facts) => render(&LintedDocument::from(facts), json),
            Outcome::Planned(facts) => render(&PlannedDocument::from(facts), json),
            Outcome::Prepared(facts) => render(&PreparedDocument::from(facts), json),
            Outcome::Read(facts) => render(&ReadDocument::from(facts), json),
            Outcome::Repaired(facts) => render(&RepairedDocument::from(facts), json),
            Outcome::Served(facts) => render(&ServedDocument::from(facts), json),
            Outcome::Signed(facts) => render(&SignedDocument::from(facts), json),
            Outcome::Table(facts) => render(&TableDocument::from(facts), json),
            Outcome::Verified(facts) => render(&VerifiedDocument::from(facts), json),
        }
    }
}

/// Where a front end prints, and in which of the two forms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printer {
    pub(crate) stream: Stream,
    pub(crate) json: bool,
    /// Whether a success is told by the exit code alone. Data, JSON and refusals are printed
    /// nevertheless.
    pub(crate) quiet: bool,
}

impl Printer {
    /// Prints what a command has done.
    pub(crate) fn outcome(self, outcome: &Outcome) -> Result<(), CommandError> {
        let is_told_by_the_code = !matches!(outcome, Outcome::Table(_)) && !outcome.is_refusal();
        if self.quiet && !self.json && is_told_by_the_code {
            return Ok(());
        }
        let text = outcome.text(self.json).map_err(unwritten)?;
        self.stream.print(&text).map_err(|error| {
            // The root hash must not get lost: standard error has it then.
            let _ = Stream::Stderr.print(&text);
            unwritten(error)
        })
    }

    /// Prints what the command tells of itself.
    pub(crate) fn about(self, about: &About) -> io::Result<()> {
        self.stream.print(&render(about, self.json)?)
    }

    /// Prints that clients can connect now, and where.
    pub(crate) fn ready(self, ready: &Ready) -> Result<(), CommandError> {
        if self.quiet && !self.json {
            return Ok(());
        }
        let text = render(&ReadyDocument::from(ready), self.json).map_err(unwritten)?;
        self.stream.print(&text).map_err(unwritten)
    }

    /// Prints why a command has failed: what was found out, as a result, and one line on standard
    /// error.
    pub(crate) fn failure(self, error: &CommandError) -> io::Result<()> {
        let document = FailureDocument::from(error);
        let text = render(&document, self.json)?;
        let printed = self.stream.print(&text);
        // If standard error cannot be written there is nobody left to tell.
        let _ = Stream::Stderr.print(&format!("verity: {}\n", document.message));
        printed
    }
}

fn unwritten(error: io::Error) -> CommandError {
    CommandError::new(Class::Io, anyhow::Error::new(error).context("cannot write the result"))
}
