//! What must come back of a damaged image: worked out block by block, from what is known of which.

use std::collections::BTreeSet;

use verity::BlockRef;

use super::case::{Damage, Damages, Image, size};

/// How a repair must end.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) recovered: BTreeSet<u64>,
    /// Known to be corrupt, and not recovered.
    pub(crate) corrupt: BTreeSet<u64>,
    pub(crate) unchecked_data_blocks: u64,
}

/// Damaged blocks, of which every byte is another one, come back if they are not more than the
/// roots. Where nothing says that some of them are wrong, one root goes on finding out. Blocks of
/// zeros come back whatever is lost, once their digest is known; what cannot be read is taken for
/// zeros, so it is no error where it was zeros.
pub(crate) fn outcome(image: &Image, damages: &Damages) -> Outcome {
    let roots = size(image.fec_area.roots());
    let data_blocks = image.params.data_blocks();
    let mut recovered = BTreeSet::new();
    loop {
        let before = recovered.len();
        let mut found = Vec::new();
        for round in 0..image.fec_area.rounds() {
            let damaged =
                image.round(round).into_iter().filter(|block| damages.contains_key(block));
            // Recovered hash blocks are as good as whole ones; recovered data is recovered anew.
            let bad = damaged.filter(|block| *block < data_blocks || !recovered.contains(block));
            let is_known = |block: &u64| is_known(image, damages, &recovered, *block);
            let (known, unknown): (Vec<u64>, Vec<u64>) = bad.partition(is_known);
            let (zeros, lost): (Vec<u64>, Vec<u64>) =
                known.into_iter().partition(|block| image.is_zeros(*block));
            let is_unreadable = |block: &u64| damages[block] == Damage::Unreadable;
            let is_read_wrong = |block: &u64| !is_unreadable(block) || !image.is_zeros(*block);
            let unnamed = unknown.iter().filter(|block| !is_unreadable(block)).count();
            let read_wrong = unknown.iter().copied().filter(is_read_wrong).count();
            let erasures = lost.len() + unknown.len();
            let as_erasures = erasures + usize::from(unnamed > 0) <= roots;
            let as_errors = lost.len() + read_wrong < roots;
            found.extend(zeros);
            if as_erasures || as_errors {
                found.extend(lost);
            }
        }
        recovered.extend(found);
        if recovered.len() == before {
            break;
        }
    }
    let known = |block: &u64| is_known(image, damages, &recovered, *block);
    let corrupt = damages.keys().copied().filter(known);
    let corrupt = corrupt.filter(|block| !recovered.contains(block)).collect();
    let unchecked = (0..data_blocks).filter(|block| !known(block)).count();
    Outcome { recovered, corrupt, unchecked_data_blocks: unchecked as u64 }
}

/// Whether the digest of a block can be had: all hash blocks above it are right, or recovered.
fn is_known(image: &Image, damages: &Damages, recovered: &BTreeSet<u64>, number: u64) -> bool {
    if !image.proved().contains(&number) {
        return false;
    }
    let geometry = image.params.geometry();
    let name = image.name(number);
    let first = match name {
        BlockRef::Data { .. } => 0,
        BlockRef::Hash { level, .. } => usize::from(level) + 1,
    };
    let mut position = name.block();
    (first..geometry.levels().len()).all(|level| {
        position /= geometry.hashes_per_block();
        let above = image.hash_number(level, position);
        !damages.contains_key(&above) || recovered.contains(&above)
    })
}
