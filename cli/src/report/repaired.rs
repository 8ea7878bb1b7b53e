//! `verity repair`: what is whole now, and which blocks were not.

use std::fmt;

use serde::Serialize;

use super::lines::{counted, provenance};
use super::ranges::BlocksEntry;
use super::signer::SignerEntry;
use crate::command::repair::RepairedImage;
use crate::quoted::Quoted;

/// What was repaired. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct RepairedDocument {
    whole: bool,
    geometry: String,
    geometry_authenticated: bool,
    root_hash: String,
    algorithm: &'static str,
    data_blocks: u64,
    data_block_size: u32,
    hash_blocks: u64,
    hash_block_size: u32,
    repaired_blocks: u64,
    repaired: Vec<BlocksEntry>,
    truncated: bool,
    output: Option<String>,
    hash_output: Option<String>,
    /// Who signed the manifest.
    signer: Option<SignerEntry>,
}

impl From<&RepairedImage> for RepairedDocument {
    fn from(facts: &RepairedImage) -> RepairedDocument {
        let RepairedImage { trusted, places, recovery, .. } = facts;
        let params = trusted.params();
        RepairedDocument {
            whole: true,
            geometry: trusted.origin().to_string(),
            geometry_authenticated: trusted.origin().is_authenticated(),
            root_hash: trusted.root_hash().to_string(),
            algorithm: params.algorithm().name(),
            data_blocks: params.data_blocks(),
            data_block_size: params.data_block_size().bytes(),
            hash_blocks: trusted.hash_area().hash_blocks(),
            hash_block_size: params.hash_block_size().bytes(),
            repaired_blocks: recovery.blocks,
            repaired: BlocksEntry::list(places, &recovery.ranges),
            truncated: recovery.truncated,
            output: facts.output.as_ref().map(|path| Quoted(path).to_string()),
            hash_output: facts.hash_output.as_ref().map(|path| Quoted(path).to_string()),
            signer: facts.signer.as_ref().map(SignerEntry::from),
        }
    }
}

impl fmt::Display for RepairedDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RepairedDocument { data_blocks, hash_blocks, algorithm, root_hash, .. } = self;
        provenance(f, &self.geometry, self.signer.as_ref())?;
        for range in &self.repaired {
            writeln!(f, "repaired: {range}")?;
        }
        if self.truncated {
            writeln!(f, "more blocks were repaired than are listed")?;
        }
        write!(
            f,
            "whole: {} and {} ({algorithm}) against root hash {root_hash}; ",
            counted(*data_blocks, "data block"),
            counted(*hash_blocks, "hash block"),
        )?;
        match self.repaired_blocks {
            0 => write!(f, "nothing was corrupt")?,
            1 => write!(f, "1 block was repaired")?,
            blocks => write!(f, "{blocks} blocks were repaired")?,
        }
        for output in self.output.iter().chain(&self.hash_output) {
            write!(f, "; written to {output}")?;
        }
        writeln!(f)
    }
}
