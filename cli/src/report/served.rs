//! `verity serve`: where clients can connect, and at the end what was served.

use std::fmt;

use serde::Serialize;

use super::lines::{counted, provenance};
use super::signer::SignerEntry;
use crate::command::serve::Served;
use crate::context::Ready;

/// Said once clients can connect. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct ReadyDocument {
    uri: String,
    export_name: String,
    size_bytes: u64,
    block_size: u32,
    geometry: String,
    geometry_authenticated: bool,
    root_hash: String,
    /// Who signed the manifest.
    signer: Option<SignerEntry>,
}

impl From<&Ready> for ReadyDocument {
    fn from(facts: &Ready) -> ReadyDocument {
        let trusted = &facts.trusted;
        ReadyDocument {
            uri: facts.uri.clone(),
            export_name: facts.export_name.clone(),
            size_bytes: facts.size,
            block_size: trusted.params().data_block_size().bytes(),
            geometry: trusted.origin().to_string(),
            geometry_authenticated: trusted.origin().is_authenticated(),
            root_hash: trusted.root_hash().to_string(),
            signer: facts.signer.as_ref().map(SignerEntry::from),
        }
    }
}

impl fmt::Display for ReadyDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        provenance(f, &self.geometry, self.signer.as_ref())?;
        writeln!(f, "serving: {}", self.uri)
    }
}

/// What was served. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct ServedDocument {
    clients: u64,
    refused_clients: u64,
    requests: u64,
    failed_requests: u64,
    bytes_sent: u64,
    data_blocks_read: u64,
    hash_blocks_read: u64,
    cache_hits: u64,
    corruptions: u64,
    read_errors: u64,
    repairs: u64,
}

impl From<&Served> for ServedDocument {
    fn from(facts: &Served) -> ServedDocument {
        let Served { totals, counters } = facts;
        ServedDocument {
            clients: totals.clients,
            refused_clients: totals.refused_clients,
            requests: totals.requests,
            failed_requests: totals.failed_requests,
            bytes_sent: totals.bytes_sent,
            data_blocks_read: counters.data_blocks_read,
            hash_blocks_read: counters.hash_blocks_read,
            cache_hits: counters.cache_hits,
            corruptions: counters.corruptions,
            read_errors: counters.read_errors,
            repairs: counters.repairs,
        }
    }
}

impl fmt::Display for ServedDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ServedDocument { clients, requests, bytes_sent, .. } = self;
        let ServedDocument { failed_requests, refused_clients, .. } = self;
        writeln!(
            f,
            "served: {}, {}, {}; {} failed, {} refused",
            counted(*clients, "client"),
            counted(*requests, "request"),
            counted(*bytes_sent, "byte"),
            counted(*failed_requests, "request"),
            counted(*refused_clients, "client"),
        )?;
        let ServedDocument { data_blocks_read, hash_blocks_read, cache_hits, .. } = self;
        let ServedDocument { corruptions, read_errors, repairs, .. } = self;
        writeln!(
            f,
            "read: {} and {} ({cache_hits} more from the cache); {} one was corrupt, \
             {} unreadable, {} repaired",
            counted(*data_blocks_read, "data block"),
            counted(*hash_blocks_read, "hash block"),
            counted(*corruptions, "time"),
            counted(*read_errors, "time"),
            counted(*repairs, "time"),
        )
    }
}
