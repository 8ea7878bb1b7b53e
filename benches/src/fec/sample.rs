//! Messages out of a seed, with the parity that every contender must make of them.

use verity::internals::to_len;
use verity::{FecArea, HashArea};
use verity_testdata::pattern::Prng;

use crate::fixture;
use crate::reads::BLOCK_SIZE;

use super::Message;
use super::encoders;

/// Random blocks of 4096 bytes, out of a seed.
///
/// # Panics
/// If there is no block, or memory does not suffice.
pub fn random_message(blocks: u64, roots: u32, seed: u64) -> Message {
    let bytes = Prng::new(seed).bytes(to_len(blocks) * BLOCK_SIZE);
    encoded(bytes, area(blocks, roots))
}

/// Gives blocks their parity by the crate `reed-solomon`, which takes its time.
pub(super) fn encoded(bytes: Vec<u8>, area: FecArea) -> Message {
    let mut message = Message::without_parity(bytes, area);
    let mut parity = message.parity.clone();
    encoders::reed_solomon(area).run(&message, &mut parity);
    message.parity = parity;
    message
}

/// Covers one data block, and all others as if they followed a tree: to parity all blocks are
/// alike.
fn area(blocks: u64, roots: u32) -> FecArea {
    let params = fixture::params(BLOCK_SIZE as u64);
    let hash_area = HashArea::new(&params, 0, false).expect("the start of a device");
    FecArea::new(&params, &hash_area, roots, blocks, 0).expect("roots and blocks that can be")
}
