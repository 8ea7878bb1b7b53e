//! `verity verify`: what was verified, and against what.

use std::fmt;

use serde::Serialize;

use super::lines::{counted, provenance};
use super::signer::SignerEntry;
use crate::image::Verification;

/// What was verified. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct VerifiedDocument {
    verified: bool,
    geometry: String,
    geometry_authenticated: bool,
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
    signer: Option<SignerEntry>,
    /// Who signed the root hash, if a signature of it was checked.
    root_hash_signer: Option<SignerEntry>,
}

impl From<&Verification> for VerifiedDocument {
    fn from(facts: &Verification) -> VerifiedDocument {
        let Verification { trusted, checked, .. } = facts;
        let params = trusted.params();
        VerifiedDocument {
            verified: true,
            geometry: trusted.origin().to_string(),
            geometry_authenticated: trusted.origin().is_authenticated(),
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
            signer: facts.signer.as_ref().map(SignerEntry::from),
            root_hash_signer: facts.root_hash_signer.as_ref().map(SignerEntry::from),
        }
    }
}

impl fmt::Display for VerifiedDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let VerifiedDocument { data_block_size, hash_blocks, hash_block_size, .. } = self;
        let VerifiedDocument { checked_data_blocks, algorithm, root_hash, .. } = self;
        provenance(f, &self.geometry, self.signer.as_ref())?;
        if let Some(signer) = &self.root_hash_signer {
            writeln!(f, "root hash: signed by {signer}")?;
        }
        write!(
            f,
            "verified: {} of {data_block_size} bytes and {} of {hash_block_size} bytes \
             ({algorithm}) against root hash {root_hash}",
            counted(*checked_data_blocks, "data block"),
            counted(*hash_blocks, "hash block"),
        )?;
        if self.uncovered_bytes > 0 {
            write!(f, "; {} behind them not covered", counted(self.uncovered_bytes, "byte"))?;
        }
        if self.zero_blocks > 0 {
            write!(f, "; {} not checked", counted(self.zero_blocks, "zero block"))?;
        }
        if let Some(rounds) = self.parity_rounds {
            write!(f, "; the parity of {} is right", counted(rounds, "round"))?;
        }
        writeln!(f)
    }
}
