//! What a verified read must say of each block of an image: the slow model of a reader.
//!
//! The rules are the kernel's, and go one step further where the kernel has none. The digest of a
//! block must be the one that its parent holds, up to the root hash; the spare bytes of a hash
//! block must be zero; a block that cannot be read, or is not right, may come from a repair, if the
//! block that this offers is right. There is no cache, no run and no thread here: each block is
//! looked at once, from the root down.

use crate::reference::{self, BadBlock, Scheme};

/// An image as the storage shows it, and what a reader was told about it.
pub struct Storage<'a> {
    /// The parameters that the reader was told.
    pub scheme: &'a Scheme,
    /// The root hash that the reader was told.
    pub root_hash: &'a [u8],
    /// Whole data blocks.
    pub data: &'a [u8],
    /// The tree alone.
    pub tree: &'a [u8],
    /// Blocks that cannot be read from the storage.
    pub unreadable: &'a dyn Fn(BadBlock) -> bool,
    /// What a repair offers in place of a block that is not right.
    pub repair: &'a dyn Fn(BadBlock) -> Option<Vec<u8>>,
    /// Whether data blocks with the digest of zeros count as zeros without being read.
    pub ignore_zero_blocks: bool,
}

/// What is wrong with a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It has another digest than its parent holds.
    Digest {
        /// The digest that its parent holds.
        expected: Vec<u8>,
        /// The digest that it has.
        actual: Vec<u8>,
    },
    /// A spare byte is not zero.
    Spare {
        /// The place of the first such byte, counted from the start of the block.
        offset: u64,
    },
    /// It cannot be read.
    Unreadable,
}

/// The bytes that a reader gives of a block; or the bad block that is in the way: this one, or one
/// above it.
pub type Outcome = Result<Vec<u8>, (BadBlock, Finding)>;

/// What a reader must say about an image.
pub struct Readable {
    /// By data block.
    pub data: Vec<Outcome>,
    /// Every hash block, higher levels first.
    pub hash: Vec<Outcome>,
    /// Which blocks are right only because of the repair.
    pub repaired: Vec<BadBlock>,
}

/// Looks at every block.
///
/// # Panics
/// If `data` is not whole blocks or `tree` not the tree's length.
#[must_use]
pub fn read(storage: &Storage<'_>) -> Readable {
    let scheme = storage.scheme;
    let geometry =
        reference::geometry(reference::count_blocks(storage.data, scheme.data_block_size), scheme);
    assert_eq!(
        reference::count_blocks(storage.tree, scheme.hash_block_size),
        geometry.hash_blocks,
        "the tree's length"
    );
    let mut readable = Readable { data: Vec::new(), hash: Vec::new(), repaired: Vec::new() };
    let per_block = reference::index(geometry.hashes_per_block);
    let mut expected: Vec<Outcome> = vec![Ok(storage.root_hash.to_vec())];
    for (level, place) in geometry.levels.iter().enumerate().rev() {
        let mut below = Vec::new();
        for (block, expected) in expected.iter().enumerate() {
            let number = reference::index(place.start) + block;
            let stored = reference::nth_block(storage.tree, number, scheme.hash_block_size);
            let used = (reference::index(place.hashes) - block * per_block).min(per_block);
            let spare = |bytes: &[u8]| reference::first_spare_byte(bytes, used, &geometry);
            let name = BadBlock::Hash { level, block: reference::narrow(block) };
            let outcome = settle(storage, name, stored, expected, &spare, &mut readable.repaired);
            below.extend((0..used).map(|slot| match &outcome {
                Ok(bytes) => Ok(reference::digest_in(bytes, slot, &geometry).to_vec()),
                Err(found) => Err(found.clone()),
            }));
            readable.hash.push(outcome);
        }
        expected = below;
    }
    let zeros = vec![0; reference::index(scheme.data_block_size)];
    let zero = reference::hash_block(scheme, &zeros);
    for (block, expected) in expected.iter().enumerate() {
        let stored = reference::nth_block(storage.data, block, scheme.data_block_size);
        let name = BadBlock::Data(reference::narrow(block));
        readable.data.push(match expected {
            Ok(digest) if storage.ignore_zero_blocks && *digest == zero => Ok(zeros.clone()),
            _ => settle(storage, name, stored, expected, &|_| None, &mut readable.repaired),
        });
    }
    readable
}

fn settle(
    storage: &Storage<'_>,
    name: BadBlock,
    stored: &[u8],
    expected: &Outcome,
    spare: &dyn Fn(&[u8]) -> Option<u64>,
    repaired: &mut Vec<BadBlock>,
) -> Outcome {
    let expected = expected.as_ref().map_err(Clone::clone)?;
    let wrong = |bytes: &[u8]| {
        let actual = reference::hash_block(storage.scheme, bytes);
        match actual == *expected {
            true => spare(bytes).map(|offset| Finding::Spare { offset }),
            false => Some(Finding::Digest { expected: expected.clone(), actual }),
        }
    };
    let found = match (storage.unreadable)(name) {
        true => Some(Finding::Unreadable),
        false => wrong(stored),
    };
    let Some(found) = found else { return Ok(stored.to_vec()) };
    match (storage.repair)(name) {
        Some(bytes) if wrong(&bytes).is_none() => {
            repaired.push(name);
            Ok(bytes)
        }
        _ => Err((name, found)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storage<'a>(
        scheme: &'a Scheme,
        root_hash: &'a [u8],
        data: &'a [u8],
        tree: &'a [u8],
    ) -> Storage<'a> {
        let (unreadable, repair) = (&|_| false, &|_| None);
        Storage { scheme, root_hash, data, tree, unreadable, repair, ignore_zero_blocks: false }
    }

    fn small() -> Scheme {
        Scheme { data_block_size: 512, hash_block_size: 512, ..Scheme::default() }
    }

    #[test]
    fn it_agrees_with_the_slow_twin_about_what_is_bad() {
        let scheme = small();
        let good = crate::pattern::sha256_stream(300 * 512);
        let built = reference::format(&good, &scheme);
        for (data_byte, tree_byte) in [(None, None), (Some(5000), None), (Some(9), Some(5000))] {
            let (mut data, mut tree) = (good.clone(), built.tree.clone());
            data_byte.into_iter().for_each(|byte: usize| data[byte] ^= 1);
            tree_byte.into_iter().for_each(|byte: usize| tree[byte] ^= 1);
            let readable = read(&storage(&scheme, &built.root_hash, &data, &tree));
            let mut bad = Vec::new();
            for outcome in readable.hash.iter().chain(&readable.data) {
                // A block below a bad one is bad because of that one.
                bad.extend(
                    outcome.as_ref().err().map(|found| found.0).filter(|b| !bad.contains(b)),
                );
            }
            assert_eq!(bad, reference::verify(&data, &tree, &scheme, &built.root_hash));
            for (outcome, good) in readable.data.iter().zip(good.chunks(512)) {
                assert!(outcome.as_ref().is_ok_and(|bytes| bytes == good) || outcome.is_err());
            }
        }
    }

    #[test]
    fn a_repair_counts_only_if_it_is_right() {
        let scheme = small();
        let good = crate::pattern::sha256_stream(20 * 512);
        let built = reference::format(&good, &scheme);
        let unreadable = |block| block == BadBlock::Data(3);
        for (offered, is_right) in
            [(Some(&good[3 * 512..4 * 512]), true), (Some(&good[..512]), false), (None, false)]
        {
            let repair = |_| offered.map(<[u8]>::to_vec);
            let plain = storage(&scheme, &built.root_hash, &good, &built.tree);
            let readable = read(&Storage { unreadable: &unreadable, repair: &repair, ..plain });
            assert_eq!(readable.data[3].is_ok(), is_right);
            assert_eq!(readable.repaired.len(), usize::from(is_right));
            assert_eq!(
                readable.data.iter().filter(|outcome| outcome.is_err()).count(),
                usize::from(!is_right)
            );
        }
    }
}
