//! What a command has done or found out, and why it failed: as text, or as one JSON object.
//!
//! One file an outcome: the facts of the command become a document, which is serialized as JSON
//! and displayed as text, so that both forms tell the same facts. Every write is checked: a result
//! that could not be written is a failure.

mod about;
mod built;
mod checked;
mod closed;
mod compared;
mod created;
mod device;
mod failure;
mod grown;
mod header;
mod installed;
mod lines;
mod linted;
mod opened;
mod parity;
mod partitions;
mod planned;
mod prepared;
mod ranges;
mod read;
mod rehashed;
mod repaired;
mod served;
mod shown;
mod signed;
mod signer;
mod slots;
mod stream;
mod table;
mod verified;
mod watched;

use std::io;

pub(crate) use self::about::About;
use self::built::BuiltDocument;
use self::checked::{CheckedDiskDocument, CheckedDocument};
use self::closed::ClosedDocument;
use self::compared::ComparedDocument;
use self::created::CreatedDocument;
use self::failure::FailureDocument;
use self::grown::GrownDocument;
use self::header::HeaderDocument;
use self::installed::InstalledDocument;
use self::linted::LintedDocument;
use self::opened::OpenedDocument;
use self::planned::PlannedDocument;
use self::prepared::PreparedDocument;
use self::read::ReadDocument;
use self::rehashed::RehashedDocument;
use self::repaired::RepairedDocument;
use self::served::{ReadyDocument, ServedDocument};
use self::shown::ShownDocument;
use self::signed::SignedDocument;
use self::slots::SlotsDocument;
pub(crate) use self::stream::Stream;
use self::stream::render;
use self::table::TableDocument;
use self::verified::VerifiedDocument;
use self::watched::{DeviceDocument, DevicesDocument};
use crate::command::build::Built;
use crate::command::check::{Checked, CheckedDisk};
use crate::command::close::ClosedDevice;
use crate::command::diff::Compared;
use crate::command::dump::Dumped;
use crate::command::image_create::Created;
use crate::command::image_grow::Grown;
use crate::command::image_show::Shown;
use crate::command::install::Installed;
use crate::command::lint::Linted;
use crate::command::open::OpenedDevice;
use crate::command::plan::Planned;
use crate::command::prepare_signature::Prepared;
use crate::command::read::Copied;
use crate::command::rehash::RehashedArea;
use crate::command::repair::RepairedImage;
use crate::command::serve::Served;
use crate::command::slots::SlotsOfDisk;
use crate::command::status::Watched;
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
    Closed(ClosedDevice),
    CheckedDisk(CheckedDisk),
    Compared(Compared),
    Created(Created),
    Dumped(Dumped),
    Formatted(Formatted),
    Grown(Grown),
    Installed(Installed),
    Linted(Linted),
    Opened(OpenedDevice),
    Planned(Planned),
    Prepared(Prepared),
    Read(Copied),
    Rehashed(RehashedArea),
    Repaired(RepairedImage),
    Served(Served),
    Shown(Shown),
    Signed(Signed),
    Slots(SlotsOfDisk),
    Table(TableText),
    Verified(Verification),
    Watched(Watched),
}

impl Outcome {
    /// The class of an answer that is no, where the command did what it was asked to do.
    pub(crate) fn refusal(&self) -> Option<Class> {
        match self {
            Outcome::Linted(linted) if linted.is_refused() => Some(Class::Trust),
            Outcome::Watched(watched) if watched.is_corrupt() => Some(Class::NotVerified),
            _ => None,
        }
    }

    /// Whether the text is what was asked for, and not a report of what was done.
    fn is_data(&self) -> bool {
        let is_emitted = matches!(self, Outcome::Created(facts) if facts.is_emitted);
        is_emitted || matches!(self, Outcome::Table(_)) || self.refusal().is_some()
    }

    fn text(&self, json: bool) -> io::Result<String> {
        match self {
            Outcome::Built(facts) => render(&BuiltDocument::from(facts), json),
            Outcome::Checked(facts) => render(&CheckedDocument::from(facts), json),
            Outcome::Closed(facts) => render(&ClosedDocument::from(facts), json),
            Outcome::CheckedDisk(facts) => render(&CheckedDiskDocument::from(facts), json),
            Outcome::Created(facts) => render(&CreatedDocument::from(facts), json),
            Outcome::Dumped(facts) => render(&HeaderDocument::from(facts), json),
            Outcome::Formatted(facts) => render(&HeaderDocument::from(facts), json),
            Outcome::Grown(facts) => render(&GrownDocument::from(facts), json),
            Outcome::Compared(facts) => render(&ComparedDocument::from(facts), json),
            Outcome::Installed(facts) => render(&InstalledDocument::from(facts), json),
            Outcome::Linted(facts) => render(&LintedDocument::from(facts), json),
            Outcome::Opened(facts) => render(&OpenedDocument::from(facts), json),
            Outcome::Planned(facts) => render(&PlannedDocument::from(facts), json),
            Outcome::Prepared(facts) => render(&PreparedDocument::from(facts), json),
            Outcome::Read(facts) => render(&ReadDocument::from(facts), json),
            Outcome::Rehashed(facts) => render(&RehashedDocument::from(facts), json),
            Outcome::Repaired(facts) => render(&RepairedDocument::from(facts), json),
            Outcome::Served(facts) => render(&ServedDocument::from(facts), json),
            Outcome::Shown(facts) => render(&ShownDocument::from(facts), json),
            Outcome::Signed(facts) => render(&SignedDocument::from(facts), json),
            Outcome::Slots(facts) => render(&SlotsDocument::from(facts), json),
            Outcome::Table(facts) => render(&TableDocument::from(facts), json),
            Outcome::Verified(facts) => render(&VerifiedDocument::from(facts), json),
            Outcome::Watched(Watched::One(facts)) => render(&DeviceDocument::from(&**facts), json),
            Outcome::Watched(Watched::All(facts)) => render(&DevicesDocument::from(&**facts), json),
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
        if self.quiet && !self.json && !outcome.is_data() {
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
