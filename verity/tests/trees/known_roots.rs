//! Known answers: trees, hash files and root hashes that veritysetup made, and those it publishes.

#![expect(clippy::cast_possible_truncation, reason = "tests run on 64-bit hosts")]

use std::num::NonZeroUsize;
use std::sync::Mutex;

use verity::internals::{FecPlatform, Kernels, Platform};
use verity::io::WriteAt;
use verity::{
    Algorithm, BlockSize, Builder, HashArea, Params, RootHash, Salt, Superblock, TrustedParams,
    Uuid, Verifier,
};
use verity_testdata::reference::digest;
use verity_testdata::vectors;

use crate::common::params;

/// A hash file in memory: superblock or not, and the tree. Every platform makes the same.
fn format(params: &Params, data: &[u8], superblock: Option<Uuid>) -> (RootHash, Vec<u8>, HashArea) {
    let made = format_by(Platform::Portable, params, data, superblock);
    for platform in Platform::available() {
        assert!(made == format_by(platform, params, data, superblock), "{platform}: {params:?}");
    }
    made
}

fn format_by(
    platform: Platform,
    params: &Params,
    data: &[u8],
    superblock: Option<Uuid>,
) -> (RootHash, Vec<u8>, HashArea) {
    let area = HashArea::new(params, 0, superblock.is_some()).unwrap();
    let hash = Mutex::new(Vec::new());
    hash.resize(area.end()).unwrap();
    let root_hash = Builder::new(params)
        .kernels(Kernels { hash: platform, fec: FecPlatform::Portable })
        .threads(NonZeroUsize::new(2).unwrap())
        .build(data, &hash, &area)
        .unwrap();
    if let Some(uuid) = superblock {
        let superblock = Superblock::new(params.clone(), uuid);
        hash.write_all_at(&superblock.to_bytes(), area.offset()).unwrap();
    }
    (root_hash, hash.into_inner().unwrap(), area)
}

#[test]
fn every_hash_vector_of_veritysetup() {
    let known = vectors::veritysetup();
    for vector in &known.hash_vectors {
        let name = vector.name();
        let data = vector.data();
        let params = params(&vector.scheme(), vector.data_blocks);
        assert_eq!(params.geometry().levels().len(), vector.levels, "{name}");
        let uuid = vector.superblock.then(|| Uuid::from_bytes(known.uuid_bytes()));
        let (root_hash, file, area) = format(&params, &data, uuid);
        assert_eq!(root_hash.to_string(), vector.root_hash, "{name}");
        assert_eq!(file.len() as u64, vector.hash_file_len, "{name}");
        assert_eq!(hex::encode(digest("sha256", &[&file])), vector.hash_file_sha256, "{name}");
        let tree = area.tree_range();
        assert_eq!(tree.end - tree.start, vector.tree_len, "{name}");
        let tree = &file[tree.start as usize..tree.end as usize];
        assert_eq!(hex::encode(digest("sha256", &[tree])), vector.tree_sha256, "{name}");
        if vector.superblock {
            assert_eq!(Superblock::parse(&file).unwrap().params(), &params, "{name}");
        }
        let trusted = TrustedParams::pinned(params, root_hash, area).unwrap();
        Verifier::new(trusted).verify(&data, &file).unwrap();
    }
    assert!(known.hash_vectors.len() >= 23);
}

#[test]
fn the_eight_published_root_hashes() {
    assert_eq!(vectors::published().len(), 8);
    for known in vectors::published() {
        let scheme = known.scheme();
        let data = known.data();
        let blocks = known.data_size / u64::from(scheme.data_block_size);
        let (root_hash, file, _) = format(&params(&scheme, blocks), &data, Some(Uuid::nil()));
        assert_eq!(root_hash.to_string(), known.root_hash, "{}", known.name);
        assert_eq!(file.len() as u64, known.hash_file_len, "{}", known.name);
    }
}

#[test]
fn every_algorithm_is_the_one_it_says() {
    for &algorithm in Algorithm::ALL {
        let expected = digest(algorithm.name(), &[b"salt", &[7; 512]]);
        let params = Params::builder()
            .algorithm(algorithm)
            .data_block_size(BlockSize::MIN)
            .salt(Salt::new(b"salt").unwrap())
            .data_blocks(1)
            .build()
            .unwrap();
        let (root_hash, file, _) = format(&params, &[7; 512], None);
        assert_eq!(root_hash.digest().as_bytes(), expected, "{algorithm}");
        assert!(file.is_empty());
    }
}
