//! `verity diff`: how two images differ.

use std::fmt;

use serde::Serialize;

use super::lines::counted;
use crate::command::diff::Compared;
use crate::quoted::Plain;

/// How two images differ. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct ComparedDocument {
    old: String,
    old_is_tree: bool,
    new: String,
    new_is_tree: bool,
    data_block_size: u32,
    data_blocks: u64,
    zero: u64,
    /// Blocks that the old image has in the same place.
    same_place: u64,
    /// Blocks that it has in another one.
    elsewhere: u64,
    /// Blocks that it has not, and that are equal to earlier ones.
    repeated: u64,
    missing: u64,
    missing_bytes: u64,
    tree_bytes: u64,
    requests: Vec<RequestsEntry>,
}

/// The requests for what is missing, with gaps up to a size bridged.
#[derive(Serialize)]
struct RequestsEntry {
    bridge_bytes: u64,
    requests: u64,
    bytes: u64,
    /// With the tree of the new image.
    download_bytes: u64,
}

impl From<&Compared> for ComparedDocument {
    fn from(facts: &Compared) -> Self {
        let found = &facts.difference;
        let [old_is_tree, new_is_tree] = facts.is_tree;
        let entry = |it: &verity::update::Bridged| RequestsEntry {
            bridge_bytes: it.bridge_bytes,
            requests: it.requests,
            bytes: it.bytes,
            download_bytes: it.bytes + found.tree_bytes,
        };
        ComparedDocument {
            old: Plain(&facts.old.to_string_lossy()).to_string(),
            old_is_tree,
            new: Plain(&facts.new.to_string_lossy()).to_string(),
            new_is_tree,
            data_block_size: facts.data_block_size,
            data_blocks: found.blocks,
            zero: found.zero,
            same_place: found.same_place,
            elsewhere: found.elsewhere,
            repeated: found.repeated,
            missing: found.missing,
            missing_bytes: found.missing * u64::from(facts.data_block_size),
            tree_bytes: found.tree_bytes,
            requests: found.requests.iter().map(entry).collect(),
        }
    }
}

impl fmt::Display for ComparedDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.data_block_size;
        writeln!(f, "data: {} of {size} bytes", counted(self.data_blocks, "block"))?;
        writeln!(f, "same place: {}", self.same_place)?;
        writeln!(f, "elsewhere: {}", self.elsewhere)?;
        writeln!(f, "zero: {}", self.zero)?;
        writeln!(f, "repeated: {}", self.repeated)?;
        writeln!(f, "missing: {} ({} bytes)", self.missing, self.missing_bytes)?;
        writeln!(f, "tree: {} bytes", self.tree_bytes)?;
        for it in &self.requests {
            writeln!(
                f,
                "requests with gaps of {} bytes bridged: {}, {} bytes; {} with the tree",
                it.bridge_bytes, it.requests, it.bytes, it.download_bytes
            )?;
        }
        Ok(())
    }
}
