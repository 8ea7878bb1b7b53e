//! The superblock parser. Input: a superblock, then (if there are 8 more bytes) the offset of its
//! hash area.
//!
//! Invariants under test:
//! - no input panics; a refusal is one short printable line;
//! - canonical: an accepted superblock is written again as the same 512 bytes, by us and by the
//!   slow twin;
//! - bytes after the first 512 change nothing;
//! - the geometry of an accepted superblock is that of the slow twin, and its sizes fit 64 bits;
//! - the hash area lies where the format says for any offset, or is refused; nothing wraps.

use verity::{
    Algorithm, BlockSize, HashArea, HashType, Params, Salt, Superblock, Uuid, uuid_from_seed,
};
use verity_testdata::reference::{self, Scheme};

use crate::message;

const LEN: usize = 512;

/// Checks the invariants for one input.
///
/// # Panics
/// If one does not hold.
pub fn run(data: &[u8]) {
    let superblock = match Superblock::parse(data) {
        Ok(superblock) => superblock,
        Err(error) => return message::check(&error),
    };
    let (params, uuid) = (superblock.params(), superblock.uuid());
    let bytes = superblock.to_bytes();
    assert_eq!(bytes, data[..LEN], "accepted, but not what is written");
    assert_eq!(Superblock::parse(&bytes).as_ref(), Ok(&superblock), "depends on what follows");

    let scheme = scheme(params);
    let twin = reference::superblock_bytes(&scheme, params.data_blocks(), uuid.as_bytes());
    assert_eq!(bytes, twin, "the slow twin writes other bytes");
    check_geometry(params, &scheme);
    if let Some(offset) = data[LEN..].first_chunk() {
        check_area(params, u64::from_le_bytes(*offset));
    }
}

/// Valid superblocks of many kinds: every algorithm, both types, extreme sizes and salts.
///
/// # Panics
/// If the parameters that are written down here are refused.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for &algorithm in Algorithm::ALL {
        seeds.push(seed(Params::builder().algorithm(algorithm).data_blocks(300), 0));
    }
    let block_size = |bytes| BlockSize::new(bytes).expect("a block size");
    let salt = |len| Salt::new(&vec![0xa5; len]).expect("a short salt");
    for (data, hash, data_blocks, salt_len, offset) in [
        (4096, 4096, 1, 32, 0),
        (512, 524_288, 2, 0, 512),
        (524_288, 512, (1 << 32) + 1, 256, 1 << 30),
        (1024, 2048, 16_385, 1, 4096),
        (4096, 4096, (1 << 52) - 1, 255, u64::MAX - 511),
    ] {
        let params = Params::builder()
            .data_block_size(block_size(data))
            .hash_block_size(block_size(hash))
            .data_blocks(data_blocks)
            .salt(salt(salt_len));
        seeds.push(seed(params.clone(), offset));
        seeds.push(seed(params.hash_type(HashType::ChromeOs).algorithm(Algorithm::Sha1), offset));
    }
    seeds
}

fn seed(params: verity::ParamsBuilder, offset: u64) -> Vec<u8> {
    let params = params.build().expect("valid parameters");
    let uuid = if offset == 0 { uuid_from_seed("fuzz") } else { Uuid::nil() };
    let mut seed = Superblock::new(params, uuid).to_bytes().to_vec();
    seed.extend(offset.to_le_bytes());
    seed
}

fn scheme(params: &Params) -> Scheme {
    Scheme {
        algorithm: params.algorithm().name().to_owned(),
        hash_type: params.hash_type().number(),
        data_block_size: params.data_block_size().bytes(),
        hash_block_size: params.hash_block_size().bytes(),
        salt: params.salt().as_bytes().to_vec(),
    }
}

fn check_geometry(params: &Params, scheme: &Scheme) {
    let (ours, twin) =
        (params.geometry(), reference::geometry(params.data_blocks().into(), scheme));
    let level = |level: &verity::Level| [level.start, level.blocks, level.hashes].map(u128::from);
    let ours_levels: Vec<_> = ours.levels().iter().map(level).collect();
    let twin_levels: Vec<_> =
        twin.levels.iter().map(|level| [level.start, level.blocks, level.hashes]).collect();
    assert_eq!(ours_levels, twin_levels, "levels");
    assert_eq!(u128::from(ours.hash_blocks()), twin.hash_blocks, "hash blocks");
    assert_eq!(u128::from(ours.hashes_per_block()), twin.hashes_per_block, "hashes per block");

    let data_size = u128::from(params.data_blocks()) * u128::from(scheme.data_block_size);
    assert_eq!(u128::from(params.data_size()), data_size, "data size");
    for block in [0, params.data_blocks() / 2, params.data_blocks() - 1] {
        check_path(params, &twin, block);
    }
}

fn check_path(params: &Params, twin: &reference::Geometry, block: u64) {
    let mut position = u128::from(block);
    let mut levels = 0;
    for slot in params.geometry().path(block) {
        let expected = twin.locate(levels, position);
        assert_eq!((u128::from(slot.block), slot.offset), expected, "data block {block}");
        position = expected.0;
        levels += 1;
    }
    assert_eq!(levels, twin.levels.len(), "the path of data block {block}");
}

fn check_area(params: &Params, offset: u64) {
    for superblock in [true, false] {
        let area = match HashArea::new(params, offset, superblock) {
            Ok(area) => area,
            Err(error) => {
                message::check(&error);
                continue;
            }
        };
        let hash_block_size = u64::from(params.hash_block_size());
        let (header, tree) = (area.superblock_range(), area.tree_range());
        assert_eq!(header.end, offset + if superblock { Superblock::SIZE } else { 0 });
        assert!(header.end <= tree.start && tree.start - header.end < hash_block_size);
        assert_eq!(tree.start, area.hash_start() * hash_block_size);
        assert_eq!(tree.end - tree.start, params.geometry().hash_blocks() * hash_block_size);
        assert_eq!(area.end(), tree.end);
    }
}
