//! What a new image has that an old one has not.

use crate::number::to_u64;

use super::ranges::{bytes_of, count, merged};
use super::{DigestIndex, MAX_REQUEST};

/// How an image differs from an old one: what whoever has the old one must fetch.
///
/// Every block of the new image is counted once: as zeros wherever they lie, as in the same place,
/// as elsewhere in the old image, as equal to an earlier block of the new one, or as missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// All data blocks of the new image.
    pub blocks: u64,
    /// Blocks of zeros.
    pub zero: u64,
    /// Blocks that the old image has in the same place.
    pub same_place: u64,
    /// Blocks that the old image has in another place.
    pub elsewhere: u64,
    /// Blocks that the old image has not, and that are equal to earlier ones.
    pub repeated: u64,
    /// Blocks that the old image has not, each content once.
    pub missing: u64,
    /// The size of the new tree, in bytes. An update fetches all of it.
    pub tree_bytes: u64,
    /// The requests for what is missing, with gaps bridged.
    pub requests: Vec<Bridged>,
}

/// The requests where gaps of up to some bytes are bridged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bridged {
    /// The gaps that are bridged, in bytes.
    pub bridge_bytes: u64,
    /// How many requests there are.
    pub requests: u64,
    /// What they ask for, in bytes.
    pub bytes: u64,
}

impl DigestIndex<'_> {
    /// How the new image differs from everything that was added, which counts as the old one, with
    /// requests for gaps of these sizes, in bytes.
    pub fn difference(&self, bridges: &[u64]) -> Difference {
        let params = self.tree().params();
        let mut found = Difference {
            blocks: params.data_blocks(),
            tree_bytes: self.tree().size(),
            ..Difference::default()
        };
        let mut missing = Vec::new();
        for block in 0..found.blocks {
            let first = self.first_equal(block);
            if self.is_zero(first) {
                found.zero += 1;
            } else if self.is_in_place(block) {
                found.same_place += 1;
            } else if self.place_of(first).is_some() {
                found.elsewhere += 1;
            } else if first < block {
                found.repeated += 1;
            } else {
                missing.push(block);
            }
        }
        found.missing = to_u64(missing.len());
        let block_size = u64::from(params.data_block_size());
        let most = params.data_block_size().blocks_in(MAX_REQUEST);
        let requests = |bridge_bytes: &u64| {
            let ranges = merged(missing.iter().copied(), bridge_bytes / block_size, most);
            let (requests, bytes) = (count(&ranges), bytes_of(&ranges, block_size));
            Bridged { bridge_bytes: *bridge_bytes, requests, bytes }
        };
        found.requests = bridges.iter().map(requests).collect();
        found
    }
}
