//! What one thread takes at a time.

use std::ops::Range;

use crate::Params;

use super::crew::Crew;

/// Data blocks, cut into pieces.
#[derive(Clone, Debug)]
pub(crate) struct Pieces {
    blocks: Range<u64>,
    /// The blocks in the smallest piece.
    grain: u64,
    /// The grains in the largest piece.
    most: u64,
}

impl Pieces {
    /// Pieces of these blocks, the first of which is a multiple of [`GRAIN_SIZE`].
    pub(crate) fn new(params: &Params, blocks: Range<u64>) -> Pieces {
        // All of these are powers of two, so that a piece is a part of a hash block, or whole ones.
        let hash_blocks = params.hash_block_size().blocks_in(PIECE_HASH_SIZE);
        let most_by_hashes = hash_blocks * params.geometry().hashes_per_block();
        let most = params.data_block_size().blocks_in(PIECE_SIZE).min(most_by_hashes);
        let grain = params.data_block_size().blocks_in(GRAIN_SIZE);
        Pieces { blocks, grain, most: (most / grain).max(1) }
    }

    /// Hands out the pieces in order, as [`Crew::in_order`].
    pub(crate) fn for_each<B, E: Send>(
        &self,
        crew: Crew,
        init: impl Fn() -> B + Sync,
        work: impl Fn(&mut B, Range<u64>) -> Result<(), E> + Sync,
    ) -> Result<(), E> {
        let grains = (self.blocks.end - self.blocks.start).div_ceil(self.grain);
        let block =
            |grain: u64| self.blocks.start.saturating_add(grain * self.grain).min(self.blocks.end);
        crew.in_order(grains, self.most, init, |buffer, grains| {
            work(buffer, block(grains.start)..block(grains.end))
        })
    }
}

/// The smallest piece, in bytes of data: one hash block's worth at the usual parameters. Threads
/// that have run out of work wait no longer than others need for that.
const GRAIN_SIZE: u64 = 512 * 1024;

/// The largest piece, in bytes of data: 32 hash blocks' worth at the usual parameters, so that the
/// widest kernels are filled by hash blocks too.
const PIECE_SIZE: u64 = 16 * 1024 * 1024;

/// The aim for the hash blocks of a piece, in bytes, where digests are large beside the data.
const PIECE_HASH_SIZE: u64 = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::super::runs::RUN_SIZE;
    use super::*;
    use crate::{Algorithm, BlockSize, HashType};

    /// Pieces of any geometry fit memory, and cut no hash block that one of them could make whole.
    #[test]
    fn pieces_are_bounded_and_end_where_hash_blocks_do() {
        let sizes = || (9..=19).map(|power| BlockSize::new(1 << power).unwrap());
        for (data_block_size, hash_block_size) in sizes().flat_map(|a| sizes().map(move |b| (a, b)))
        {
            for algorithm in Algorithm::ALL {
                for hash_type in [HashType::ChromeOs, HashType::Normal] {
                    let params = Params::builder()
                        .algorithm(*algorithm)
                        .hash_type(hash_type)
                        .data_block_size(data_block_size)
                        .hash_block_size(hash_block_size)
                        .data_blocks(1 << 40)
                        .build()
                        .unwrap();
                    check_pieces(&params);
                }
            }
        }
    }

    fn check_pieces(params: &Params) {
        let Pieces { grain, most, .. } = Pieces::new(params, 0..params.data_blocks());
        let per_block = params.geometry().hashes_per_block();
        let blocks = grain * most;
        let size = blocks * u64::from(params.data_block_size());
        let slots = blocks * u64::from(params.geometry().slot_size());
        assert!((GRAIN_SIZE..=PIECE_SIZE).contains(&size), "{params:?}");
        assert!(slots <= (1 << 20), "{params:?}");
        assert!(grain.is_multiple_of(per_block) || per_block.is_multiple_of(grain), "{params:?}");
        assert!(blocks.is_multiple_of(per_block) || per_block.is_multiple_of(blocks), "{params:?}");
        assert!(grain.is_multiple_of(params.data_block_size().blocks_in(RUN_SIZE)), "{params:?}");
    }
}
