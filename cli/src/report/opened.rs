//! `verity open`: the device that is open now, and what vouches for it.

use std::fmt;

use serde::Serialize;
use verity_dm::Note;

use super::device::DeviceEntry;
use super::lines::{counted, provenance};
use super::signer::SignerEntry;
use crate::command::open::OpenedDevice;
use crate::quoted::Quoted;

/// The device. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct OpenedDocument {
    /// The node; null if nothing was to be opened.
    opened: Option<String>,
    #[serde(skip)]
    node: String,
    /// Whether it was open before, and is the same.
    already_open: bool,
    geometry: String,
    geometry_authenticated: bool,
    /// Who signed the manifest.
    signer: Option<SignerEntry>,
    /// Who signed the root hash, if that was checked here.
    root_hash_signer: Option<SignerEntry>,
    /// Whether the first block was read, before and through the device.
    probed: bool,
    /// Corrupt blocks on the way to it that were recovered from parity.
    repaired_blocks: u64,
    notes: Vec<&'static str>,
    device: Option<DeviceEntry>,
}

impl From<&OpenedDevice> for OpenedDocument {
    fn from(facts: &OpenedDevice) -> OpenedDocument {
        let origin = facts.trusted.origin();
        let node = Quoted(&facts.node).to_string();
        OpenedDocument {
            opened: facts.status.is_some().then(|| node.clone()),
            node,
            already_open: facts.was_open,
            geometry: origin.to_string(),
            geometry_authenticated: origin.is_authenticated(),
            signer: facts.signer.as_ref().map(SignerEntry::from),
            root_hash_signer: facts.root_hash_signer.as_ref().map(SignerEntry::from),
            probed: facts.repaired_blocks.is_some(),
            repaired_blocks: facts.repaired_blocks.unwrap_or(0),
            notes: facts.notes.iter().map(|note| words(*note)).collect(),
            device: facts.status.as_ref().map(DeviceEntry::from),
        }
    }
}

fn words(note: Note) -> &'static str {
    match note {
        Note::HalfMadeRemoved => {
            "a device of this name without a table, which somebody had left, was removed"
        }
        Note::UdevTimedOut => "udev did not finish in time: the node was looked after here",
        Note::UuidCut => "the name is too long for the UUID of the device, which has its beginning",
        _ => "there is something else to know of the device",
    }
}

impl fmt::Display for OpenedDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        provenance(f, &self.geometry, self.signer.as_ref())?;
        if let Some(signer) = &self.root_hash_signer {
            writeln!(f, "root hash: signed by {signer}")?;
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        if self.repaired_blocks > 0 {
            let blocks = counted(self.repaired_blocks, "corrupt block");
            writeln!(f, "repaired: {blocks} on the way to the first one, by parity")?;
        }
        match (&self.opened, self.already_open) {
            (None, _) => writeln!(f, "not opened, as was asked for: {}", self.node),
            (Some(node), true) => writeln!(f, "already open, and the same: {node}"),
            (Some(node), false) => writeln!(f, "opened: {node}"),
        }
    }
}
