//! `verity read`: which bytes were read, and what that took.

use std::fmt;

use serde::Serialize;

use super::lines::provenance;
use crate::command::read::Copied;
use crate::quoted::Quoted;

/// What was read. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct ReadDocument {
    geometry: String,
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
    signer: Option<String>,
}

impl From<&Copied> for ReadDocument {
    fn from(facts: &Copied) -> ReadDocument {
        let Copied { trusted, range, counters, .. } = facts;
        ReadDocument {
            geometry: trusted.origin().to_string(),
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
            signer: facts.signer.clone(),
        }
    }
}

impl fmt::Display for ReadDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ReadDocument { bytes, offset_bytes, algorithm, root_hash, .. } = self;
        provenance(f, &self.geometry, self.signer.as_deref())?;
        write!(
            f,
            "read: {bytes} bytes from {offset_bytes} on, verified ({algorithm}) \
             against root hash {root_hash}",
        )?;
        if self.zero_blocks > 0 {
            write!(f, "; {} zero blocks not read", self.zero_blocks)?;
        }
        if self.repairs > 0 {
            write!(f, "; {} times a block was repaired", self.repairs)?;
        }
        if let (Some(requests), Some(bytes)) = (self.requests, self.fetched_bytes) {
            write!(f, "; fetched {bytes} bytes in {requests} requests")?;
        }
        if let Some(output) = &self.output {
            write!(f, "; written to {output}")?;
        }
        writeln!(f)
    }
}
