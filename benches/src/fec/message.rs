//! What is encoded in memory, and what must come of it.

use verity::{FecArea, HashArea};
use verity_testdata::pattern::Prng;

use crate::fixture;
use crate::reads::BLOCK_SIZE;

use super::{count, encoders};

/// Random blocks as if data and tree lay side by side, with their parity.
#[derive(Debug)]
pub struct Message {
    /// The blocks.
    pub bytes: Vec<u8>,
    /// How they are covered.
    pub area: FecArea,
    /// The parity by the crate `reed-solomon`, which takes its time.
    pub parity: Vec<u8>,
}

impl Message {
    /// Blocks of 4096 bytes, out of a seed.
    ///
    /// # Panics
    /// If there are none, or memory does not suffice.
    pub fn new(blocks: u64, roots: u32, seed: u64) -> Message {
        let bytes = Prng::new(seed).bytes(count(blocks) * BLOCK_SIZE);
        let area = area(blocks, roots);
        let mut parity = vec![0; parity_len(&area)];
        encoders::reed_solomon(area).run(&bytes, &mut parity);
        Message { bytes, area, parity }
    }
}

/// A data block, and all others as what follows a tree: to parity one block is like another.
fn area(blocks: u64, roots: u32) -> FecArea {
    let params = fixture::params(BLOCK_SIZE as u64);
    let hash_area = HashArea::new(&params, 0, false).expect("the start of a device");
    FecArea::new(&params, &hash_area, roots, blocks, 0).expect("roots and blocks that can be")
}

fn parity_len(area: &FecArea) -> usize {
    let range = area.range();
    count(range.end - range.start)
}
