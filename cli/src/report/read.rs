//! `verity read`: which bytes were read, and what that took.

use std::fmt;

use serde::Serialize;

use super::lines::{counted, provenance};
use super::signer::SignerEntry;
use crate::command::read::Copied;
use crate::quoted::Quoted;

/// What was read. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct ReadDocument {
    geometry: String,
    geometry_authenticated: bool,
    root_hash: String,
    algorithm: &'static str,
    offset_bytes: u64,
    bytes: u64,
    output: Option<String>,
    data_blocks_read: u64,
    hash_blocks_read: u64,
    cache_hits: u64,
    /// Blocks that the tree says are zeros and that were not read.
    zero_blocks: u64,
    /// How often parity gave a block that was corrupt or unreadable.
    repairs: u64,
    /// What servers were asked for, and the bytes they sent.
    requests: Option<u64>,
    fetched_bytes: Option<u64>,
    /// Who signed the manifest.
    signer: Option<SignerEntry>,
}

impl From<&Copied> for ReadDocument {
    fn from(facts: &Copied) -> ReadDocument {
        let Copied { trusted, range, counters, .. } = facts;
        ReadDocument {
            geometry: trusted.origin().to_string(),
            geometry_authenticated: trusted.origin().is_authenticated(),
            root_hash: trusted.root_hash().to_string(),
            algorithm: trusted.params().algorithm().name(),
            offset_bytes: range.start,
            bytes: range.end - range.start,
            output: facts.output.as_ref().map(|path| Quoted(path).to_string()),
            data_blocks_read: counters.data_blocks_read,
            hash_blocks_read: counters.hash_blocks_read,
            cache_hits: counters.cache_hits,
            zero_blocks: counters.zero_blocks,
            repairs: counters.repairs,
            requests: facts.fetched.map(|fetched| fetched.requests),
            fetched_bytes: facts.fetched.map(|fetched| fetched.bytes),
            signer: facts.signer.as_ref().map(SignerEntry::from),
        }
    }
}

impl fmt::Display for ReadDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ReadDocument { bytes, offset_bytes, algorithm, root_hash, .. } = self;
        provenance(f, &self.geometry, self.signer.as_ref())?;
        write!(
            f,
            "read: {} from {offset_bytes} on, verified ({algorithm}) against root hash {root_hash}",
            counted(*bytes, "byte"),
        )?;
        if self.zero_blocks > 0 {
            write!(f, "; {} not read", counted(self.zero_blocks, "zero block"))?;
        }
        if self.repairs > 0 {
            write!(f, "; {} a block was repaired", counted(self.repairs, "time"))?;
        }
        if let (Some(requests), Some(bytes)) = (self.requests, self.fetched_bytes) {
            write!(f, "; fetched {} in {}", counted(bytes, "byte"), counted(requests, "request"))?;
        }
        if let Some(output) = &self.output {
            write!(f, "; written to {output}")?;
        }
        writeln!(f)
    }
}
