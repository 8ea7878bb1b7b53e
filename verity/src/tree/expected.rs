//! Which digests blocks in a row must have, where some of them cannot be told.

use std::ops::Range;

use crate::Error;
use crate::io::{ReadAt, ReadFailure};
use crate::layout::Layer;
use crate::number::{to_len, to_u64};

use super::{Lookup, Tree};

/// The digests that blocks in a row must have, as far as the tree can tell; the buffers serve from
/// question to question.
#[derive(Default)]
pub(crate) struct Expected {
    lookup: Lookup,
    /// Back to back, anything for those that are not known.
    digests: Vec<u8>,
    known: Vec<bool>,
}

impl Expected {
    /// Asks the tree. What it cannot tell is left out, after `culprit` has heard why.
    ///
    /// # Errors
    /// The failure of the whole hash device: it would tell nothing of other blocks either.
    pub(crate) fn ask<H: ReadAt>(
        &mut self,
        tree: &Tree<H>,
        layer: Layer,
        mut blocks: Range<u64>,
        mut culprit: impl FnMut(&Error),
    ) -> Result<(), Error> {
        let per_block = tree.params.geometry().hashes_per_block();
        self.digests.clear();
        self.known.clear();
        while !blocks.is_empty() {
            let asked = tree.expected_in(&mut self.lookup, layer, blocks.clone());
            let told = self.lookup.digests.len() / tree.hasher.digest_size();
            self.digests.extend_from_slice(&self.lookup.digests);
            self.known.resize(self.known.len() + told, true);
            blocks.start += to_u64(told);
            if let Err(error) = asked {
                if error.is_about_source() {
                    return Err(error);
                }
                culprit(&error);
                // Everything under the same hash block.
                let end = ((blocks.start / per_block + 1) * per_block).min(blocks.end);
                self.known.resize(self.known.len() + to_len(end - blocks.start), false);
                self.digests.resize(self.known.len() * tree.hasher.digest_size(), 0);
                blocks.start = end;
            }
        }
        Ok(())
    }

    /// Whether the tree could tell any of them.
    pub(crate) fn is_any_known(&self) -> bool {
        self.known.contains(&true)
    }

    /// The digest of each block in turn, of `digest_size` bytes.
    pub(crate) fn digests(&self, digest_size: usize) -> impl Iterator<Item = Option<&[u8]>> {
        let digests = self.known.iter().zip(self.digests.chunks_exact(digest_size));
        digests.map(|(known, digest)| known.then_some(digest))
    }
}
