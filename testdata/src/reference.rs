//! The slow twin: the whole dm-verity scheme in one plain file, in memory and without tricks.
//!
//! It follows the kernel's document (Documentation/admin-guide/device-mapper/verity.rst) and what
//! `veritysetup` was measured to write, and shares no line with the `verity` crate, which is
//! compared with it. Whoever wants to know how the format works can read this file from the top.
//! It trusts its caller: wrong parameters panic.
//!
//! The data is cut into data blocks. The digests of the data blocks, packed into hash blocks, are
//! level 0; the digests of level 0's hash blocks are level 1, and so on, until a level has one
//! hash block, whose digest is the root hash. A single data block needs no hash block: its digest
//! is the root hash. In the file the highest level comes first.

use blake2::digest::consts::U32;
use blake2::{Blake2b, Blake2b512, Blake2s256};
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use sha3::{Sha3_256, Sha3_384, Sha3_512};
use sm3::Sm3;

/// The algorithms, by the names that the kernel knows them by.
pub const ALGORITHMS: &[&str] = &[
    "sha1",
    "sha224",
    "sha256",
    "sha384",
    "sha512",
    "sha3-256",
    "sha3-384",
    "sha3-512",
    "blake2b-256",
    "blake2b-512",
    "blake2s-256",
    "sm3",
];

/// The bytes of a superblock.
pub const SUPERBLOCK_SIZE: usize = 512;

/// Everything that a tree depends on, besides the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheme {
    /// One of [`ALGORITHMS`].
    pub algorithm: String,
    /// 1: salt before the block, slots of a power of two. 0 (Chrome OS): salt after the block,
    /// slots side by side.
    pub hash_type: u32,
    /// Bytes, a power of two.
    pub data_block_size: u32,
    /// Bytes, a power of two.
    pub hash_block_size: u32,
    /// At most 256 bytes.
    pub salt: Vec<u8>,
}

impl Default for Scheme {
    fn default() -> Scheme {
        Scheme {
            algorithm: "sha256".to_owned(),
            hash_type: 1,
            data_block_size: 4096,
            hash_block_size: 4096,
            salt: Vec::new(),
        }
    }
}

/// What becomes of some data: the hash tree and its root hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The digest of the only block of the highest level, or of the only data block.
    pub root_hash: Vec<u8>,
    /// The hash blocks in the order of the file: highest level first.
    pub tree: Vec<u8>,
    /// Where each level lies in the tree, lowest first.
    pub levels: Vec<LevelPlace>,
}

/// The sizes that follow from a number of data blocks; no data needed. The type is wider than any
/// real number of blocks, so nothing here can wrap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Bytes of one digest.
    pub digest_size: u32,
    /// Bytes that one digest takes in a hash block.
    pub slot_size: u32,
    /// How many digests a hash block holds.
    pub hashes_per_block: u128,
    /// Every level, lowest first; none for a single data block.
    pub levels: Vec<LevelPlace>,
    /// Hash blocks of all levels together.
    pub hash_blocks: u128,
}

/// One level of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelPlace {
    /// The first hash block, counted in hash blocks from the start of the tree.
    pub start: u128,
    /// How many hash blocks it has.
    pub blocks: u128,
    /// How many digests it holds: one for each block of the level below, or each data block.
    pub hashes: u128,
}

/// A block that does not have the digest that its parent holds, or whose spare bytes are not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BadBlock {
    /// A data block, by its number.
    Data(u64),
    /// A hash block.
    Hash {
        /// 0 is the lowest.
        level: usize,
        /// Counted within the level.
        block: u64,
    },
}

/// Builds the tree over `data`, which must be whole data blocks, at least one.
///
/// # Panics
/// If it is not, or the parameters are wrong.
#[must_use]
pub fn format(data: &[u8], scheme: &Scheme) -> Reference {
    let geometry = geometry(count_blocks(data, scheme.data_block_size), scheme);
    let mut levels_bytes: Vec<Vec<u8>> = Vec::new();
    let mut digests = digests_of(data, scheme.data_block_size, scheme);
    for _ in &geometry.levels {
        let level = pack(&digests, scheme, &geometry);
        digests = digests_of(&level, scheme.hash_block_size, scheme);
        levels_bytes.push(level);
    }
    assert_eq!(digests.len(), 1, "the highest level is one block");
    levels_bytes.reverse();
    Reference { root_hash: digests.remove(0), tree: levels_bytes.concat(), levels: geometry.levels }
}

/// The sizes for `data_blocks` data blocks.
///
/// # Panics
/// If there are none, or the parameters are wrong.
#[must_use]
pub fn geometry(data_blocks: u128, scheme: &Scheme) -> Geometry {
    assert!(data_blocks > 0, "no data block");
    let digest_size = digest_size(&scheme.algorithm);
    let hashes_per_block = largest_power_of_two_up_to(scheme.hash_block_size / digest_size);
    let slot_size = match scheme.hash_type {
        1 => digest_size.next_power_of_two(),
        0 => digest_size,
        other => panic!("hash type {other}"),
    };
    let levels = levels(data_blocks, u128::from(hashes_per_block));
    Geometry {
        digest_size,
        slot_size,
        hashes_per_block: u128::from(hashes_per_block),
        hash_blocks: levels.iter().map(|level| level.blocks).sum(),
        levels,
    }
}

impl Geometry {
    /// Where the digest number `position` of a level lies: (block within the level, byte offset
    /// within the block). The digest number p of level 0 is data block p's; that of a higher
    /// level is the hash block number p's of the level below.
    ///
    /// # Panics
    /// If the level has no such digest.
    #[must_use]
    pub fn locate(&self, level: usize, position: u128) -> (u128, u32) {
        assert!(position < self.levels[level].hashes, "level {level} has no digest {position}");
        let slot = u32::try_from(position % self.hashes_per_block).expect("a slot's number");
        (position / self.hashes_per_block, slot * self.slot_size)
    }
}

/// The superblock's 512 bytes.
///
/// # Panics
/// If the algorithm's name or the salt is too long.
#[must_use]
pub fn superblock_bytes(
    scheme: &Scheme,
    data_blocks: u64,
    uuid: &[u8; 16],
) -> [u8; SUPERBLOCK_SIZE] {
    let mut bytes = Vec::with_capacity(SUPERBLOCK_SIZE);
    bytes.extend_from_slice(b"verity\0\0");
    bytes.extend_from_slice(&1_u32.to_le_bytes());
    bytes.extend_from_slice(&scheme.hash_type.to_le_bytes());
    bytes.extend_from_slice(uuid);
    bytes.extend_from_slice(scheme.algorithm.as_bytes());
    bytes.resize(64, 0);
    bytes.extend_from_slice(&scheme.data_block_size.to_le_bytes());
    bytes.extend_from_slice(&scheme.hash_block_size.to_le_bytes());
    bytes.extend_from_slice(&data_blocks.to_le_bytes());
    bytes.extend_from_slice(&u16::try_from(scheme.salt.len()).expect("a short salt").to_le_bytes());
    bytes.resize(88, 0);
    bytes.extend_from_slice(&scheme.salt);
    bytes.resize(344, 0);
    bytes.resize(SUPERBLOCK_SIZE, 0);
    bytes.try_into().expect("512 bytes")
}

/// Where the tree begins, in bytes: the first hash block after the superblock, or, without one,
/// the hash area's offset itself.
///
/// # Panics
/// If the offset is no multiple of 512, or, without superblock, of the hash block size.
#[must_use]
pub fn tree_offset(scheme: &Scheme, hash_area_offset: u64, superblock: bool) -> u64 {
    let hash_block_size = u64::from(scheme.hash_block_size);
    if superblock {
        assert!(hash_area_offset.is_multiple_of(512), "superblock at byte {hash_area_offset}");
        (hash_area_offset + 512).div_ceil(hash_block_size) * hash_block_size
    } else {
        assert!(
            hash_area_offset.is_multiple_of(hash_block_size),
            "tree at byte {hash_area_offset}"
        );
        hash_area_offset
    }
}

/// A new hash file: zeros up to the hash area's offset, the superblock if there is a UUID for it,
/// zeros up to the next hash block, the tree.
///
/// `veritysetup format` writes equal bytes, but for a single data block, where there is no tree:
/// `veritysetup` 2.6.1 ends such a file min(4096, hash block size) bytes after the
/// superblock's start (and refuses an offset that is no multiple of that), this one where the tree
/// would begin; without superblock both files are empty.
///
/// # Panics
/// If the parameters are wrong.
#[must_use]
pub fn hash_file(
    data: &[u8],
    scheme: &Scheme,
    uuid: Option<&[u8; 16]>,
    hash_area_offset: u64,
) -> Vec<u8> {
    let mut file = Vec::new();
    write_hash_area(&mut file, data, scheme, uuid, hash_area_offset);
    file
}

/// Writes superblock (or none) and tree into a file that exists, which grows as needed and keeps
/// every other byte, and returns the root hash. `data` may be the file's own first bytes.
///
/// # Panics
/// If the parameters are wrong.
pub fn write_hash_area(
    file: &mut Vec<u8>,
    data: &[u8],
    scheme: &Scheme,
    uuid: Option<&[u8; 16]>,
    hash_area_offset: u64,
) -> Vec<u8> {
    let reference = format(data, scheme);
    let tree_offset = tree_offset(scheme, hash_area_offset, uuid.is_some());
    if let Some(uuid) = uuid {
        let data_blocks = narrow(count_blocks(data, scheme.data_block_size));
        overwrite(file, hash_area_offset, &superblock_bytes(scheme, data_blocks, uuid));
        overwrite(file, tree_offset, &[]);
    }
    if !reference.tree.is_empty() {
        overwrite(file, tree_offset, &reference.tree);
    }
    reference.root_hash
}

/// Everything that is wrong with `data` and `tree`: higher levels first, then lower ones, then
/// data, each by position. What lies under a bad hash block cannot be judged and is not named.
///
/// # Panics
/// If `data` is not whole blocks or `tree` not the tree's length.
#[must_use]
pub fn verify(data: &[u8], tree: &[u8], scheme: &Scheme, root_hash: &[u8]) -> Vec<BadBlock> {
    let geometry = geometry(count_blocks(data, scheme.data_block_size), scheme);
    assert_eq!(
        count_blocks(tree, scheme.hash_block_size),
        geometry.hash_blocks,
        "the tree's length"
    );
    let mut bad = Vec::new();
    let mut expected = vec![Some(root_hash.to_vec())];
    for (level, place) in geometry.levels.iter().enumerate().rev() {
        let mut below = Vec::new();
        for (block, expected) in expected.iter().enumerate() {
            let bytes = nth_block(tree, index(place.start) + block, scheme.hash_block_size);
            let used = (index(place.hashes) - block * index(geometry.hashes_per_block))
                .min(index(geometry.hashes_per_block));
            let trusted = expected.as_ref().map(|digest| {
                hash_block(scheme, bytes) == *digest
                    && first_spare_byte(bytes, used, &geometry).is_none()
            });
            if trusted == Some(false) {
                bad.push(BadBlock::Hash { level, block: narrow(block) });
            }
            below.extend((0..used).map(|slot| {
                (trusted == Some(true)).then(|| digest_in(bytes, slot, &geometry).to_vec())
            }));
        }
        expected = below;
    }
    for (block, expected) in expected.iter().enumerate() {
        let bytes = nth_block(data, block, scheme.data_block_size);
        if expected.as_ref().is_some_and(|digest| hash_block(scheme, bytes) != *digest) {
            bad.push(BadBlock::Data(narrow(block)));
        }
    }
    bad
}

/// The salted digest of one block, data or hash alike.
///
/// # Panics
/// If the algorithm or the hash type is not known.
#[must_use]
pub fn hash_block(scheme: &Scheme, block: &[u8]) -> Vec<u8> {
    match scheme.hash_type {
        1 => digest(&scheme.algorithm, &[&scheme.salt, block]),
        0 => digest(&scheme.algorithm, &[block, &scheme.salt]),
        other => panic!("hash type {other}"),
    }
}

/// The digest of `parts`, one after the other.
///
/// # Panics
/// If the algorithm is not one of [`ALGORITHMS`].
#[must_use]
pub fn digest(algorithm: &str, parts: &[&[u8]]) -> Vec<u8> {
    match algorithm {
        "sha1" => digest_with::<Sha1>(parts),
        "sha224" => digest_with::<Sha224>(parts),
        "sha256" => digest_with::<Sha256>(parts),
        "sha384" => digest_with::<Sha384>(parts),
        "sha512" => digest_with::<Sha512>(parts),
        "sha3-256" => digest_with::<Sha3_256>(parts),
        "sha3-384" => digest_with::<Sha3_384>(parts),
        "sha3-512" => digest_with::<Sha3_512>(parts),
        "blake2b-256" => digest_with::<Blake2b<U32>>(parts),
        "blake2b-512" => digest_with::<Blake2b512>(parts),
        "blake2s-256" => digest_with::<Blake2s256>(parts),
        "sm3" => digest_with::<Sm3>(parts),
        other => panic!("algorithm {other}"),
    }
}

/// The bytes of one digest.
///
/// # Panics
/// If the algorithm is not one of [`ALGORITHMS`].
#[must_use]
pub fn digest_size(algorithm: &str) -> u32 {
    u32::try_from(digest(algorithm, &[]).len()).expect("a short digest")
}

fn digest_with<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
    let mut hasher = D::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().to_vec()
}

/// Each level has a digest for each block of the level below, and there is a level more as long as
/// the last one has more than one block.
fn levels(data_blocks: u128, hashes_per_block: u128) -> Vec<LevelPlace> {
    let mut levels: Vec<LevelPlace> = Vec::new();
    let mut hashes = data_blocks;
    while hashes > 1 {
        let blocks = hashes.div_ceil(hashes_per_block);
        levels.push(LevelPlace { start: 0, blocks, hashes });
        hashes = blocks;
    }
    let mut start = 0;
    for level in levels.iter_mut().rev() {
        level.start = start;
        start += level.blocks;
    }
    levels
}

fn digests_of(bytes: &[u8], block_size: u32, scheme: &Scheme) -> Vec<Vec<u8>> {
    bytes.chunks_exact(index(block_size)).map(|block| hash_block(scheme, block)).collect()
}

/// Digests side by side in their slots, each block filled up with zeros.
fn pack(digests: &[Vec<u8>], scheme: &Scheme, geometry: &Geometry) -> Vec<u8> {
    let mut level = Vec::new();
    for digests in digests.chunks(index(geometry.hashes_per_block)) {
        let mut block = Vec::new();
        for digest in digests {
            block.extend_from_slice(digest);
            block.resize(block.len().next_multiple_of(index(geometry.slot_size)), 0);
        }
        block.resize(index(scheme.hash_block_size), 0);
        level.extend_from_slice(&block);
    }
    level
}

pub(crate) fn digest_in<'a>(block: &'a [u8], slot: usize, geometry: &Geometry) -> &'a [u8] {
    &block[slot * index(geometry.slot_size)..][..index(geometry.digest_size)]
}

/// The first byte of a hash block that belongs to no digest and is not zero.
pub(crate) fn first_spare_byte(block: &[u8], used: usize, geometry: &Geometry) -> Option<u64> {
    let mut spare = block.to_vec();
    for slot in 0..used {
        spare[slot * index(geometry.slot_size)..][..index(geometry.digest_size)].fill(0);
    }
    spare.iter().position(|byte| *byte != 0).map(narrow)
}

pub(crate) fn count_blocks(bytes: &[u8], block_size: u32) -> u128 {
    assert_eq!(bytes.len() % index(block_size), 0, "whole blocks of {block_size} bytes");
    u128::try_from(bytes.len() / index(block_size)).expect("a length")
}

pub(crate) fn nth_block(bytes: &[u8], block: usize, block_size: u32) -> &[u8] {
    &bytes[block * index(block_size)..][..index(block_size)]
}

fn largest_power_of_two_up_to(number: u32) -> u32 {
    1 << number.ilog2()
}

fn overwrite(file: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let start = index(offset);
    if file.len() < start + bytes.len() {
        file.resize(start + bytes.len(), 0);
    }
    file[start..][..bytes.len()].copy_from_slice(bytes);
}

/// A number that is known to count bytes or blocks in memory.
pub(crate) fn index<N: TryInto<usize>>(number: N) -> usize {
    number.try_into().ok().expect("everything is in memory")
}

pub(crate) fn narrow<N: TryInto<u64>>(number: N) -> u64 {
    number.try_into().ok().expect("everything is in memory")
}
