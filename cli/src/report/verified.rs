//! `verity verify`: what was verified, and against what.

use std::fmt;

use serde::Serialize;

use super::lines::provenance;
use crate::image::Verification;
use crate::quoted::Plain;

/// What was verified. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct VerifiedDocument {
    verified: bool,
    geometry: String,
    root_hash: String,
    algorithm: &'static str,
    hash_type: u32,
    data_blocks: u64,
    /// Those whose bytes were compared to the tree.
    checked_data_blocks: u64,
    data_block_size: u32,
    hash_blocks: u64,
    hash_block_size: u32,
    salt: String,
    /// Data blocks that were not checked, as the tree says that they are zeros.
    zero_blocks: u64,
    /// Bytes of the data that the tree does not cover.
    uncovered_bytes: u64,
    /// The rounds whose parity was compared too.
    parity_rounds: Option<u64>,
    /// Who signed the manifest.
    signer: Option<String>,
    /// Who signed the root hash, if a signature of it was checked.
    root_hash_signer: Option<String>,
}

impl From<&Verification> for VerifiedDocument {
    fn from(facts: &Verification) -> VerifiedDocument {
        let Verification { trusted, checked, .. } = facts;
        let params = trusted.params();
        VerifiedDocument {
            verified: true,
            geometry: trusted.origin().to_string(),
            root_hash: trusted.root_hash().to_string(),
            algorithm: params.algorithm().name(),
            hash_type: params.hash_type().number(),
            data_blocks: params.data_blocks(),
            checked_data_blocks: checked.data_blocks,
            data_block_size: params.data_block_size().bytes(),
            hash_blocks: checked.hash_blocks,
            hash_block_size: params.hash_block_size().bytes(),
            salt: params.salt().to_string(),
            zero_blocks: checked.zero_blocks,
            uncovered_bytes: facts.uncovered_bytes,
            parity_rounds: facts.parity_rounds,
            signer: facts.signer.clone(),
            root_hash_signer: facts.root_hash_signer.clone(),
        }
    }
}

impl fmt::Display for VerifiedDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let VerifiedDocument { data_block_size, hash_blocks, hash_block_size, .. } = self;
        let VerifiedDocument { checked_data_blocks, algorithm, root_hash, .. } = self;
        provenance(f, &self.geometry, self.signer.as_deref())?;
        if let Some(signer) = &self.root_hash_signer {
            writeln!(f, "root hash: signed by {}", Plain(signer))?;
        }
        write!(
            f,
            "verified: {checked_data_blocks} data blocks of {data_block_size} bytes \
             and {hash_blocks} hash blocks of {hash_block_size} bytes \
             ({algorithm}) against root hash {root_hash}",
        )?;
        if self.uncovered_bytes > 0 {
            write!(f, "; {} bytes behind them not covered", self.uncovered_bytes)?;
        }
        if self.zero_blocks > 0 {
            write!(f, "; {} zero blocks not checked", self.zero_blocks)?;
        }
        if let Some(rounds) = self.parity_rounds {
            write!(f, "; the parity of {rounds} rounds is right")?;
        }
        writeln!(f)
    }
}
