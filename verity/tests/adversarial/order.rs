//! Which corruption is reported first, and what a complete list holds: with damage at many places
//! at once.

use std::collections::BTreeSet;

use verity::{BlockRef, Verifier};
use verity_testdata::pattern::Prng;
use verity_testdata::reference::Scheme;

use super::support::{Image, listed, report, small, threads};

/// Damages random blocks of random levels and returns them.
fn plant(image: &mut Image, prng: &mut Prng) -> BTreeSet<BlockRef> {
    let count = prng.range(1..=6);
    let planted: BTreeSet<_> = (0..count)
        .map(|_| {
            // Every level as likely as the data, and the ends of each as likely as the rest.
            let level = prng.below(u64::from(image.levels()) + 1);
            let (blocks, level) = match level.checked_sub(1) {
                None => (image.params.data_blocks(), None),
                Some(level) => {
                    let level = u8::try_from(level).expect("few levels");
                    (image.hash_blocks_of(level), Some(level))
                }
            };
            let block = match prng.below(4) {
                0 => 0,
                1 => blocks - 1,
                _ => prng.below(blocks),
            };
            level.map_or(BlockRef::Data { block }, |level| BlockRef::Hash { level, block })
        })
        .collect();
    planted.iter().for_each(|block| image.spoil(*block));
    planted
}

/// The first in order, every one in order, and what could not be checked.
fn check(good: &Image, cases: u32) {
    let seed = verity_testdata::cases::seed();
    let mut prng = Prng::new(seed);
    let mut image = good.clone();
    for case in 0..cases {
        let planted = plant(&mut image, &mut prng);
        let under_corrupt =
            |block: &BlockRef| image.ancestors(*block).any(|a| planted.contains(&a));
        let visible: Vec<_> = planted.iter().copied().filter(|b| !under_corrupt(b)).collect();
        let unchecked =
            image.blocks().filter(|block| block.level().is_none() && under_corrupt(block)).count();
        for count in [1, 2, 7] {
            let words = format!("seed {seed:#x} case {case} threads {count}: {planted:?}");
            let verifier = Verifier::new(image.pinned()).threads(threads(count));
            let first = report(verifier.verify(&image.data, &image.hash));
            assert_eq!(listed(&first), visible[..1], "{words}");
            assert!(first.truncated, "{words}");
            let all = report(verifier.verify_all(&image.data, &image.hash));
            assert_eq!(listed(&all), visible, "{words}");
            assert_eq!(all.corrupt_blocks, visible.len() as u64, "{words}");
            assert_eq!(all.unchecked_data_blocks, unchecked as u64, "{words}");
            assert!(!all.truncated, "{words}");
        }
        planted.iter().for_each(|block| image.spoil(*block));
    }
    image.verify().expect("intact again");
}

#[test]
fn the_first_corruption_is_the_highest_and_then_the_lowest_in_position() {
    check(&Image::new(&small(), 300), 200);
    check(&Image::new(&small(), 5000), 60);
}

/// The lowest level of this tree is larger than what is held of it at once.
#[test]
fn the_order_holds_across_the_pieces_in_which_a_large_tree_is_read() {
    let scheme = Scheme { algorithm: "sha512".to_owned(), ..small() };
    let mut image = Image::new(&scheme, 150_001);
    check(&image, 8);

    // Of two in one level, or in the data, the one in an earlier piece; of two levels, the higher
    // one in a later.
    let data = |block| BlockRef::Data { block };
    let hash = |level, block| BlockRef::Hash { level, block };
    let verifier = Verifier::new(image.pinned()).threads(threads(2));
    for (first, later) in [
        (data(3), data(150_000)),
        (hash(0, 2), hash(0, 18_750)),
        (hash(1, 2), hash(1, 2343)),
        (hash(2, 2), hash(2, 292)),
        (hash(0, 18_750), data(3)),
        (hash(1, 2343), hash(0, 2)),
        (hash(3, 36), hash(2, 2)),
    ] {
        [first, later].iter().for_each(|block| image.spoil(*block));
        let found = report(verifier.verify(&image.data, &image.hash));
        assert_eq!(listed(&found), [first], "before {later}");
        [first, later].iter().for_each(|block| image.spoil(*block));
    }
}

#[test]
fn r05_the_limit_keeps_the_first_ranges_and_counts_all_blocks() {
    let blocks = 20_000;
    let image = Image::new(&small(), blocks);
    let mut damaged = image.data.clone();
    damaged.chunks_exact_mut(512).step_by(2).for_each(|block| block[0] ^= 1);
    for limit in [1, 10, 1000, 1 << 20] {
        let verifier = Verifier::new(image.pinned()).limit(limit).threads(threads(4));
        let report = report(verifier.verify_all(&damaged, &image.hash));
        let found = usize::try_from(blocks / 2).unwrap();
        assert_eq!(report.corrupt_blocks, blocks / 2);
        assert_eq!(report.corruptions.len(), limit.min(found));
        assert_eq!(report.truncated, limit < found);
        let in_order = (0..blocks).step_by(2).map(|block| BlockRef::Data { block });
        assert!(report.corruptions.iter().map(|range| range.first).eq(in_order.take(limit)));
    }
}
