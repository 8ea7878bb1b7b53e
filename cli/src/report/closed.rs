//! `verity close`: what became of the device.

use std::fmt;

use serde::Serialize;
use verity_dm::Closed;

use crate::command::close::ClosedDevice;
use crate::quoted::Plain;

/// What became of the device. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct ClosedDocument {
    name: String,
    closed: bool,
    /// Whether it goes when it is closed last.
    deferred: bool,
}

impl From<&ClosedDevice> for ClosedDocument {
    fn from(facts: &ClosedDevice) -> ClosedDocument {
        ClosedDocument {
            name: facts.name.to_string(),
            closed: facts.closed == Some(Closed::Removed),
            deferred: facts.closed == Some(Closed::Scheduled),
        }
    }
}

impl fmt::Display for ClosedDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Plain(&self.name);
        match (self.closed, self.deferred) {
            (true, _) => writeln!(f, "closed: {name}"),
            (false, true) => writeln!(f, "in use: {name} goes when it is closed last"),
            (false, false) => writeln!(f, "kept: {name} stays when it is closed last"),
        }
    }
}
