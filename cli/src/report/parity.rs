//! Parity as JSON states it, in the kernel's spelling.

use std::fmt;

use serde::Serialize;
use verity::FecArea;

/// Where parity is and what it covers. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct FecEntry {
    pub(super) offset_bytes: u64,
    /// The offset in blocks.
    fec_start: u64,
    pub(super) fec_roots: u32,
    /// How many blocks are covered.
    pub(super) fec_blocks: u64,
    rounds: u64,
    pub(super) parity_blocks: u64,
    pub(super) parity_bytes: u64,
}

impl From<&FecArea> for FecEntry {
    fn from(area: &FecArea) -> FecEntry {
        FecEntry {
            offset_bytes: area.range().start,
            fec_start: area.start(),
            fec_roots: area.roots(),
            fec_blocks: area.blocks(),
            rounds: area.rounds(),
            parity_blocks: area.rounds() * u64::from(area.roots()),
            parity_bytes: area.size(),
        }
    }
}

impl fmt::Display for FecEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FecEntry { fec_roots, fec_blocks, parity_bytes, offset_bytes, .. } = self;
        write!(
            f,
            "{fec_roots} roots over {fec_blocks} blocks, {parity_bytes} bytes at {offset_bytes}",
        )
    }
}
