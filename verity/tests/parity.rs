//! Parity beside what veritysetup wrote, and beside the definition of the code.

#![expect(clippy::cast_possible_truncation, reason = "tests run on 64-bit hosts")]

use std::num::NonZeroUsize;
use std::sync::Mutex;

use proptest::prelude::*;
use verity::internals::{FecPlatform, Kernels};
use verity::io::WriteAt;
use verity::{BlockSize, Builder, Error, FecArea, FecError, HashArea, Params, RootHash, Salt};
use verity_testdata::pattern::sha256_stream;
use verity_testdata::reference::digest;
use verity_testdata::vectors;

use crate::definition::slow_parity;

struct Made {
    root_hash: RootHash,
    parity: Vec<u8>,
}

/// Tree and parity in files of their own.
fn build(params: &Params, data: &[u8], roots: u32, platform: FecPlatform, threads: usize) -> Made {
    let hash_area = HashArea::new(params, 0, true).unwrap();
    let blocks = params.data_blocks() + hash_area.hash_blocks();
    let fec_area = FecArea::new(params, &hash_area, roots, blocks, 0).unwrap();
    let (hash, fec) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let root_hash = Builder::new(params)
        .kernels(Kernels { fec: platform, ..Kernels::detect(params.algorithm()) })
        .threads(NonZeroUsize::new(threads).unwrap())
        .build_with_fec(data, &hash, &hash_area, &fec, &fec_area)
        .unwrap();
    Made { root_hash, parity: fec.into_inner().unwrap() }
}

fn params(block_size: u32, data_blocks: u64) -> Params {
    let block_size = BlockSize::new(block_size).unwrap();
    Params::builder()
        .data_block_size(block_size)
        .hash_block_size(block_size)
        .data_blocks(data_blocks)
        .salt(Salt::new(&(0..32).collect::<Vec<u8>>()).unwrap())
        .build()
        .unwrap()
}

#[test]
fn every_fec_vector_of_veritysetup() {
    for vector in &vectors::veritysetup().fec_vectors {
        let params = params(vector.block_size, vector.data_blocks);
        let data = sha256_stream(params.data_size() as usize);
        for platform in FecPlatform::available() {
            for threads in 1..=3 {
                let name = format!("{platform}, {threads} threads: {vector:?}");
                let made = build(&params, &data, vector.roots, platform, threads);
                assert_eq!(made.root_hash.to_string(), vector.root_hash, "{name}");
                assert_eq!(made.parity.len() as u64, vector.fec_len, "{name}");
                assert_eq!(hex::encode(&made.parity[..16]), vector.fec_head16, "{name}");
                let sha256 = hex::encode(digest("sha256", &[&made.parity]));
                assert_eq!(sha256, vector.fec_sha256, "{name}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn f12_parity_is_that_of_the_definition(
        data_blocks in prop_oneof![1_u64..20, 200_u64..300, 480_u64..780],
        roots in 2_u32..=24,
        block_size in prop::sample::select(vec![512, 1024]),
        threads in 1_usize..4,
        platform in prop::sample::select(FecPlatform::available().collect::<Vec<_>>()),
        foreign in 0_usize..5,
        hole in any::<prop::sample::Index>(),
        same_device: bool,
    ) {
        let params = params(block_size, data_blocks);
        let mut data = sha256_stream(params.data_size() as usize);
        let hole = hole.index(data.len());
        data[hole..(hole + 40_000).min(params.data_size() as usize)].fill(0);
        // Something lies behind the tree already, and is covered too.
        let hash_area = HashArea::new(&params, 0, true).unwrap();
        let behind = sha256_stream(foreign * block_size as usize);
        let hash = Mutex::new(Vec::new());
        hash.write_all_at(&behind, hash_area.end()).unwrap();
        hash.resize(hash_area.end() + behind.len() as u64).unwrap();
        let blocks = data_blocks + hash_area.hash_blocks() + foreign as u64;
        let offset = if same_device { hash_area.end() + behind.len() as u64 } else { 4096 };
        let fec_area = FecArea::new(&params, &hash_area, roots, blocks, offset).unwrap();
        let fec = Mutex::new(Vec::new());
        let fec = if same_device { &hash } else { &fec };
        let builder = Builder::new(&params)
            .kernels(Kernels { fec: platform, ..Kernels::detect(params.algorithm()) });
        let builder = builder.threads(NonZeroUsize::new(threads).unwrap());
        let root_hash = builder.build_with_fec(&data, &hash, &hash_area, fec, &fec_area).unwrap();

        let plain = Mutex::new(vec![0; hash_area.end() as usize]);
        prop_assert_eq!(Builder::new(&params).build(&data, &plain, &hash_area).unwrap(), root_hash);
        let tree = hash_area.tree_range();
        let tree = tree.start as usize..tree.end as usize;
        let bytes = hash.lock().unwrap().clone();
        prop_assert!(bytes[tree.clone()] == plain.lock().unwrap()[tree.clone()]);
        let covered = [&data, &bytes[tree], &behind[..]].concat();
        let parity = fec.lock().unwrap()[offset as usize..].to_vec();
        prop_assert!(parity == slow_parity(&covered, block_size as usize, roots as usize));
    }
}

#[test]
fn an_area_for_other_parameters_is_refused() {
    let (small, large) = (params(512, 300), params(512, 3000));
    let hash_area = HashArea::new(&small, 0, true).unwrap();
    let fec_area = FecArea::new(&small, &hash_area, 2, 400, 0).unwrap();
    let (hash, fec) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let hash_area = HashArea::new(&large, 0, true).unwrap();
    let data = vec![0; large.data_size() as usize];
    let refused = Builder::new(&large).build_with_fec(&data, &hash, &hash_area, &fec, &fec_area);
    assert!(matches!(refused, Err(Error::Fec(FecError::Blocks { .. }))), "{refused:?}");
    assert!(hash.lock().unwrap().is_empty() && fec.lock().unwrap().is_empty());
}
