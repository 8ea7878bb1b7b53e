//! `verity install`: what is in the slot now, what was copied and fetched for it, and how it was
//! proved.

use std::fmt;

use serde::Serialize;

use super::checked::StateEntry;
use super::lines::counted;
use super::signer::SignerEntry;
use crate::command::install::Installed;
use crate::image::ReadBack;
use crate::quoted::{Plain, Quoted};

/// An image in a slot. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct InstalledDocument {
    /// Whether the image is in the slot, and was read back from there: not after a dry run.
    installed: bool,
    image_name: String,
    image_version: u64,
    root_hash: String,
    signer: SignerEntry,
    source: String,
    data_device: String,
    hash_device: String,
    signature_device: Option<String>,
    slot: Option<String>,
    data_blocks: u64,
    data_block_size: u32,
    /// Blocks that the slot had in their places.
    in_place: u64,
    zero: u64,
    /// Blocks from --reuse.
    copied: u64,
    /// Blocks from other places of the slot.
    moved: u64,
    /// Blocks that are equal to earlier ones.
    repeated: u64,
    missing: u64,
    /// Blocks that were others when they were to be copied.
    changed: u64,
    tree_bytes: u64,
    missing_tree_bytes: u64,
    /// What was or would be asked of the source for data.
    requests: u64,
    request_bytes: u64,
    written_bytes: u64,
    /// What was asked of a server in all.
    http_requests: Option<u64>,
    http_bytes: Option<u64>,
    /// `direct` or `cache-dropped`.
    read_back: Option<&'static str>,
    parity_rounds: Option<u64>,
    /// The tries that the slot has.
    activated: Option<u8>,
    state: Option<StateEntry>,
}

impl From<&Installed> for InstalledDocument {
    fn from(facts: &Installed) -> InstalledDocument {
        let (counts, applied) = (facts.counts, facts.applied.unwrap_or_default());
        let (requests, request_bytes) = match facts.applied {
            Some(applied) => (applied.requests, applied.fetched_bytes),
            None => (counts.requests, counts.request_bytes),
        };
        let path = |path: &std::path::Path| Quoted(path).to_string();
        InstalledDocument {
            installed: facts.read_back.is_some(),
            image_name: facts.image_name.clone(),
            image_version: facts.image_version,
            root_hash: facts.root_hash.to_string(),
            signer: SignerEntry::from(&facts.signer),
            source: path(&facts.source),
            data_device: path(&facts.data_device),
            hash_device: path(&facts.hash_device),
            signature_device: facts.signature_device.as_deref().map(path),
            slot: facts.slot.map(String::from),
            data_blocks: counts.blocks,
            data_block_size: facts.data_block_size,
            in_place: counts.in_place,
            zero: counts.zero,
            copied: counts.copied,
            moved: counts.moved,
            repeated: counts.repeated,
            missing: counts.fetched,
            changed: applied.changed_blocks,
            tree_bytes: facts.tree_bytes,
            missing_tree_bytes: facts.fetched_tree_bytes,
            requests,
            request_bytes,
            written_bytes: facts.written_bytes,
            http_requests: facts.fetched.map(|fetched| fetched.requests),
            http_bytes: facts.fetched.map(|fetched| fetched.bytes),
            read_back: facts.read_back.map(|how| match how {
                ReadBack::Direct => "direct",
                ReadBack::CacheDropped => "cache-dropped",
            }),
            parity_rounds: facts.parity_rounds,
            activated: facts.activated,
            state: facts.state.as_ref().map(StateEntry::from),
        }
    }
}

impl fmt::Display for InstalledDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "image: {} version {}", Plain(&self.image_name), self.image_version)?;
        writeln!(f, "manifest: signed by {}", self.signer)?;
        if let Some(state) = &self.state {
            writeln!(f, "state: {state}")?;
        }
        writeln!(
            f,
            "blocks: {} in place, {} zero, {} copied, {} moved, {} repeated, {} missing",
            self.in_place, self.zero, self.copied, self.moved, self.repeated, self.missing
        )?;
        if self.changed > 0 {
            writeln!(f, "changed while they were copied: {}", counted(self.changed, "block"))?;
        }
        let (tree, bytes) = (self.missing_tree_bytes, self.request_bytes);
        let requests = counted(self.requests, "request");
        writeln!(f, "source: {bytes} bytes of data by {requests}, {tree} bytes of the tree")?;
        if let (Some(requests), Some(bytes)) = (self.http_requests, self.http_bytes) {
            writeln!(f, "server: {bytes} bytes by {}", counted(requests, "request"))?;
        }
        let place = match &self.slot {
            Some(slot) => format!("slot {slot} ({}, {})", self.data_device, self.hash_device),
            None => format!("{} and {}", self.data_device, self.hash_device),
        };
        match self.read_back {
            None => return writeln!(f, "not installed in {place}: a dry run"),
            Some("direct") => writeln!(f, "read back: by direct reads, from the root hash")?,
            Some(_) => {
                writeln!(f, "read back: with the page cache dropped, from the root hash")?;
            }
        }
        if let Some(rounds) = self.parity_rounds {
            writeln!(f, "parity: {} compared", counted(rounds, "round"))?;
        }
        match (&self.slot, self.activated) {
            (Some(slot), Some(tries)) => {
                writeln!(f, "slot {slot}: boots next, with {}", tries_of(tries))?;
            }
            (Some(slot), None) if self.written_bytes > 0 => {
                writeln!(f, "slot {slot}: does not boot until it is activated")?;
            }
            _ => {}
        }
        match self.written_bytes {
            0 => writeln!(f, "installed: {place}; everything was there already")?,
            bytes => writeln!(f, "installed: {place}; {bytes} bytes written")?,
        }
        writeln!(f, "root hash: {}", self.root_hash)
    }
}

fn tries_of(tries: u8) -> String {
    if tries == 1 { "1 try".to_owned() } else { format!("{tries} tries") }
}
