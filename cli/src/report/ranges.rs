//! Blocks in a row, corrupt blocks in a row, rounds of parity in a row.

use std::fmt;
use std::ops::Range;

use serde::Serialize;
use verity::{BlockRange, BlockRef, CorruptRange, Corruption};

use crate::places::Places;
use crate::quoted::Quoted;

/// Blocks in a row. The order of the fields is the order of the keys.
///
/// The text says which blocks they are, and which bytes of what.
#[derive(Clone, Debug, Serialize)]
pub(super) struct BlocksEntry {
    /// `data` or `hash`.
    kind: &'static str,
    level: Option<u8>,
    block: u64,
    blocks: u64,
    path: String,
    offset_bytes: u64,
    size_bytes: u64,
    #[serde(skip)]
    first: BlockRef,
}

impl BlocksEntry {
    pub(super) fn new(places: &Places, first: BlockRef, blocks: u64) -> BlocksEntry {
        BlocksEntry {
            kind: if first.level().is_none() { "data" } else { "hash" },
            level: first.level(),
            block: first.block(),
            blocks,
            path: Quoted(places.path(first)).to_string(),
            offset_bytes: places.offset(first),
            size_bytes: blocks * places.block_size(first),
            first,
        }
    }

    pub(super) fn list(places: &Places, ranges: &[BlockRange]) -> Vec<BlocksEntry> {
        ranges.iter().map(|range| BlocksEntry::new(places, range.first, range.blocks)).collect()
    }
}

impl fmt::Display for BlocksEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        if self.blocks != 1 {
            write!(f, " to {}", self.block + (self.blocks - 1))?;
        }
        let BlocksEntry { offset_bytes, size_bytes, path, .. } = self;
        write!(f, " (bytes {offset_bytes}..{} of {path})", offset_bytes + size_bytes)
    }
}

/// Corrupt blocks in a row. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct CorruptionEntry {
    #[serde(flatten)]
    range: BlocksEntry,
    /// `digest`, `spare-bytes` or `unreadable`.
    reason: &'static str,
    /// Of the first block.
    expected: Option<String>,
    actual: Option<String>,
    #[serde(skip)]
    words: String,
}

impl CorruptionEntry {
    pub(super) fn new(places: &Places, range: &CorruptRange) -> CorruptionEntry {
        let CorruptRange { first, blocks, corruption } = range;
        let (reason, expected, actual) = match corruption {
            Corruption::Digest { expected, actual } => {
                ("digest", Some(expected.to_string()), Some(actual.to_string()))
            }
            Corruption::Unreadable { .. } => ("unreadable", None, None),
            _ => ("spare-bytes", None, None),
        };
        let range = BlocksEntry::new(places, *first, *blocks);
        CorruptionEntry { range, reason, expected, actual, words: corruption.to_string() }
    }
}

impl fmt::Display for CorruptionEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.range, self.words)
    }
}

/// Rounds of parity in a row. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct RoundsEntry {
    round: u64,
    rounds: u64,
}

impl From<&Range<u64>> for RoundsEntry {
    fn from(range: &Range<u64>) -> RoundsEntry {
        RoundsEntry { round: range.start, rounds: range.end - range.start }
    }
}

impl fmt::Display for RoundsEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RoundsEntry { round, rounds } = self;
        write!(f, "parity of round {round}")?;
        if *rounds != 1 {
            write!(f, " to {}", round + rounds - 1)?;
        }
        Ok(())
    }
}
