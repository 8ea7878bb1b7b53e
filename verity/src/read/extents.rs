//! Where the data is zero, as the tree says: no word of the source counts for that.

use std::ops::Range;

use crate::io::{Extent, ReadAt, ReadFailure};
use crate::layout::Layer;
use crate::number::to_u64;
use crate::tree::Scratch;
use crate::{Digest, Error};

use super::VerifiedReader;

impl<D: ReadAt, H: ReadAt> VerifiedReader<D, H> {
    /// What the bytes from `offset` on are, up to the end of what one hash block of the lowest
    /// level says.
    pub(super) fn proved_extent(&self, offset: u64) -> Extent {
        if offset >= self.params().data_size() {
            return Extent::ALL_DATA;
        }
        let first = offset / self.block_size();
        let per_hash_block = self.params().geometry().hashes_per_block();
        let under_one = (first / per_hash_block + 1).saturating_mul(per_hash_block);
        let blocks = first..under_one.min(self.params().data_blocks());
        match self.alike(blocks.clone()) {
            // Nothing is asked for what lies behind either: each time it might take a timeout.
            Err(error) if error.is_about_source() => Extent::ALL_DATA,
            // Who reads these blocks hears what is the matter.
            Err(_) => Extent::Data { end: blocks.end * self.block_size() },
            Ok((zero, count)) => {
                let end = (first + count) * self.block_size();
                if zero { self.zeros(offset, end) } else { Extent::Data { end } }
            }
        }
    }

    /// Whether the first of these blocks is a block of zeros by its digest, and how many in a row
    /// are like it. There is at least one block, and one hash block is above all.
    fn alike(&self, blocks: Range<u64>) -> Result<(bool, u64), Error> {
        let zero = self.zero_digest();
        Scratch::with(|scratch| {
            self.tree.expected_in(&mut scratch.lookup, Layer::Data, blocks)?;
            let digests = scratch.lookup.digests.chunks_exact(self.digest_size());
            let mut are_zero = digests.map(|digest| digest == zero.as_bytes()).peekable();
            let first = are_zero.peek() == Some(&true);
            Ok((first, to_u64(are_zero.take_while(|is_zero| *is_zero == first).count())))
        })
    }

    /// Bytes that are proved to be zero: a hole as far as the source has one.
    fn zeros(&self, offset: u64, end: u64) -> Extent {
        let source = self.data.extent_at(offset).beyond(offset);
        let until = source.end().min(end);
        match source {
            Extent::Hole { .. } => Extent::Hole { end: until },
            Extent::Data { .. } | Extent::Zero { .. } => Extent::Zero { end: until },
        }
    }

    /// The digest of a data block of zeros.
    pub(super) fn zero_digest(&self) -> Digest {
        *self.zero_digest.get_or_init(|| self.tree.hasher().hash_one(&vec![0; self.block_len()]))
    }
}
