//! Property tests against the slow twin: geometry for any size, trees for any shape.

#![expect(clippy::cast_possible_truncation, reason = "tests run on 64-bit hosts")]

use std::num::NonZeroUsize;
use std::sync::Mutex;

use proptest::prelude::*;
use verity::internals::{FecPlatform, Kernels, Platform};
use verity::io::WriteAt;
use verity::{
    Algorithm, BlockRef, Builder, Corruption, Error, HashArea, Plan, Superblock, TrustedParams,
    Uuid, Verifier,
};
use verity_testdata::reference::{self, BadBlock, Scheme};

use crate::common::{builder, params};

/// Failures become named tests, not files.
fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

fn scheme(sizes: impl Strategy<Value = u32> + Clone) -> impl Strategy<Value = Scheme> {
    let algorithm = prop_oneof![
        3 => Just(Algorithm::Sha256),
        1 => prop::sample::select(Algorithm::ALL),
    ];
    let salt = prop_oneof![
        Just(0),
        Just(32),
        0_usize..=256,
        prop::sample::select(vec![1, 3, 31, 33, 63, 64, 65, 255, 256])
    ];
    (algorithm, 0_u32..=1, sizes.clone(), sizes, salt).prop_map(
        |(algorithm, hash_type, data_block_size, hash_block_size, salt)| Scheme {
            algorithm: algorithm.name().to_owned(),
            hash_type,
            data_block_size,
            hash_block_size,
            salt: verity_testdata::pattern::painted(salt),
        },
    )
}

fn any_size() -> impl Strategy<Value = u32> + Clone {
    (9_u32..=19).prop_map(|power| 1 << power)
}

/// Block counts where the shape changes: powers of the hashes per block, plus and minus one, and
/// any others.
fn data_blocks(hashes_per_block: u64, most: u64) -> impl Strategy<Value = u64> {
    let mut edges = vec![1, 2];
    let mut power = hashes_per_block;
    while power < most {
        edges.extend([power - 1, power, power + 1, power * 2 + 1]);
        power = power.saturating_mul(hashes_per_block);
    }
    edges.retain(|blocks| (1..=most).contains(blocks));
    edges.push(most);
    prop_oneof![prop::sample::select(edges), 1..=most]
}

fn with_any_blocks(scheme: Scheme) -> impl Strategy<Value = (Scheme, u64)> {
    let most = u64::MAX / u64::from(scheme.data_block_size);
    let per_block = u64::try_from(reference::geometry(2, &scheme).hashes_per_block).unwrap();
    (Just(scheme), data_blocks(per_block, most))
}

fn with_few_blocks(scheme: Scheme) -> impl Strategy<Value = (Scheme, u64)> {
    let most = (1 << 20) / u64::from(scheme.data_block_size);
    let per_block = u64::try_from(reference::geometry(2, &scheme).hashes_per_block).unwrap();
    (Just(scheme), data_blocks(per_block, most.max(2)))
}

proptest! {
    #![proptest_config(config(2000))]

    /// Every size that 64 bits can hold, far beyond 2^32 blocks too.
    #[test]
    fn geometry_is_that_of_the_slow_twin(
        (scheme, data_blocks) in scheme(any_size()).prop_flat_map(with_any_blocks),
        position in any::<u64>(),
    ) {
        let params = params(&scheme, data_blocks);
        let geometry = params.geometry();
        let slow = reference::geometry(data_blocks.into(), &scheme);
        prop_assert_eq!(geometry.digest_size(), slow.digest_size);
        prop_assert_eq!(geometry.slot_size(), slow.slot_size);
        prop_assert_eq!(u128::from(geometry.hashes_per_block()), slow.hashes_per_block);
        prop_assert_eq!(u128::from(geometry.hash_blocks()), slow.hash_blocks);
        prop_assert_eq!(geometry.levels().len(), slow.levels.len());
        prop_assert_eq!(geometry.top_level().map(usize::from), slow.levels.len().checked_sub(1));
        for (level, slow) in geometry.levels().iter().zip(&slow.levels) {
            prop_assert_eq!(u128::from(level.start), slow.start);
            prop_assert_eq!(u128::from(level.blocks), slow.blocks);
            prop_assert_eq!(u128::from(level.hashes), slow.hashes);
        }
        let data_block = position % data_blocks;
        let mut below = u128::from(data_block);
        for (level, slot) in geometry.path(data_block).enumerate() {
            let (block, offset) = slow.locate(level, below);
            prop_assert_eq!((u128::from(slot.block), slot.offset), (block, offset));
            below = block;
        }
        prop_assert_eq!(geometry.path(data_block).count(), slow.levels.len());
    }

    /// The plan for a partition is the largest that fits, by trying the next one.
    #[test]
    fn the_planned_image_is_the_largest_that_fits(
        scheme in scheme(any_size()),
        size in prop_oneof![0_u64..1 << 24, any::<u64>()],
        superblock in any::<bool>(),
    ) {
        let builder = builder(&scheme);
        let end = |data_blocks: u64| {
            let params = builder.clone().data_blocks(data_blocks).build().ok()?;
            Plan::behind_data(params, superblock).ok().map(|plan| plan.hash_area().end())
        };
        match Plan::for_partition(builder.clone(), size, superblock) {
            Ok(plan) => {
                prop_assert!(plan.hash_area().end() <= size);
                let more = plan.params().data_blocks() + 1;
                prop_assert!(end(more).is_none_or(|end| end > size));
            }
            Err(_) => prop_assert!(end(1).is_none_or(|end| end > size)),
        }
    }

    /// The largest image with parity; where it ends is computed from the slow twin's tree.
    #[test]
    fn the_planned_image_with_parity_is_the_largest_that_fits(
        scheme in scheme(any_size()),
        size in prop_oneof![0_u64..1 << 24, any::<u64>()],
        superblock in any::<bool>(),
        roots in 2_u32..=24,
    ) {
        let scheme = Scheme { hash_block_size: scheme.data_block_size, ..scheme };
        let builder = builder(&scheme);
        let end = |data_blocks: u64| {
            let covered = u128::from(data_blocks)
                + reference::geometry(data_blocks.into(), &scheme).hash_blocks;
            let parity = covered.div_ceil(u128::from(255 - roots)) * u128::from(roots);
            (covered + u128::from(superblock) + parity) * u128::from(scheme.data_block_size)
        };
        match Plan::for_partition_with_fec(builder, size, superblock, roots) {
            Ok(plan) => {
                let data_blocks = plan.params().data_blocks();
                prop_assert_eq!(u128::from(plan.end()), end(data_blocks));
                prop_assert!(plan.end() <= size);
                prop_assert!(end(data_blocks + 1) > u128::from(size));
                let fec_area = plan.fec_area().unwrap();
                prop_assert_eq!(fec_area.roots(), roots);
                prop_assert_eq!(fec_area.range().start, plan.hash_area().end());
                fec_area.check_behind_hash_area(plan.params(), &plan.hash_area()).unwrap();
                fec_area.check_behind_data(plan.params()).unwrap();
            }
            Err(Error::PartitionTooSmall { needed, .. }) => {
                prop_assert_eq!(u128::from(needed), end(1));
                prop_assert!(needed > size);
            }
            Err(error) => prop_assert!(false, "{}", error),
        }
    }
}

proptest! {
    #![proptest_config(config(300))]

    /// Hash files, byte for byte, by any kernels, with one thread and with three; and what a
    /// flipped bit does to them.
    #[test]
    fn trees_are_those_of_the_slow_twin(
        (scheme, data_blocks) in scheme(
            prop_oneof![4 => (9_u32..=13).prop_map(|p| 1 << p), 1 => any_size()],
        )
            .prop_flat_map(with_few_blocks),
        superblock in any::<bool>(),
        sectors in 0_u64..40,
        damage in any::<(u64, u64)>(),
        platform in prop::sample::select(Platform::available().collect::<Vec<_>>()),
    ) {
        let params = params(&scheme, data_blocks);
        let grid = if superblock { 512 } else { u64::from(scheme.hash_block_size) };
        let offset = sectors * grid;
        let mut data = verity_testdata::pattern::painted(params.data_size() as usize);
        let uuid = [9; 16];
        let expected = reference::hash_file(&data, &scheme, superblock.then_some(&uuid), offset);
        let slow = reference::format(&data, &scheme);
        let area = HashArea::new(&params, offset, superblock).unwrap();
        for threads in [1, 3] {
            let hash = Mutex::new(Vec::new());
            hash.resize(area.file_size()).unwrap();
            let root_hash = Builder::new(&params)
                .kernels(Kernels { hash: platform, fec: FecPlatform::Portable })
                .threads(NonZeroUsize::new(threads).unwrap())
                .build(&data, &hash, &area)
                .unwrap();
            prop_assert_eq!(root_hash.to_string(), hex::encode(&slow.root_hash));
            if superblock {
                let superblock = Superblock::new(params.clone(), Uuid::from_bytes(uuid));
                hash.write_all_at(&superblock.to_bytes(), offset).unwrap();
            }
            let mut hash = hash.into_inner().unwrap();
            prop_assert!(hash == expected);
            let trusted = TrustedParams::pinned(params.clone(), root_hash, area).unwrap();
            let verifier = Verifier::new(trusted)
                .kernels(Kernels { hash: platform, fec: FecPlatform::Portable })
                .threads(NonZeroUsize::new(threads).unwrap());
            let verified = verifier.verify(&data, &hash).unwrap();
            prop_assert_eq!(verified.data_blocks, data_blocks);
            prop_assert_eq!(verified.hash_blocks, params.geometry().hash_blocks());

            // T14, D01: a flipped bit of data or tree is found, and nothing else is blamed.
            let tree = area.tree_range();
            let place = damage.0 % (data.len() as u64 + tree.end - tree.start);
            let byte = match place.checked_sub(data.len() as u64) {
                None => &mut data[place as usize],
                Some(place) => &mut hash[(tree.start + place) as usize],
            };
            *byte ^= 1 << (damage.1 % 8);
            let tree = hash.get(tree.start as usize..tree.end as usize).unwrap_or(&[]);
            let bad = reference::verify(&data, tree, &scheme, &slow.root_hash);
            let Err(Error::Corrupt(report)) = verifier.verify_all(&data, &hash) else {
                panic!("a flipped bit went unnoticed");
            };
            let found: Vec<_> = report
                .corruptions
                .iter()
                .map(|range| match range.first {
                    BlockRef::Data { block } => BadBlock::Data(block),
                    BlockRef::Hash { level, block } => {
                        BadBlock::Hash { level: level.into(), block }
                    }
                })
                .collect();
            prop_assert_eq!(found, bad);
            let Err(Error::Corrupt(first)) = verifier.verify(&data, &hash) else {
                panic!("a flipped bit went unnoticed");
            };
            prop_assert_eq!(&first.corruptions[..], &report.corruptions[..1]);
            let is_mismatch = matches!(first.corruptions[0].corruption, Corruption::Digest { .. });
            prop_assert!(is_mismatch);
            // Undo it for the next round.
            let data_len = data.len() as u64;
            if place < data_len {
                data[place as usize] ^= 1 << (damage.1 % 8);
            }
        }
    }
}
