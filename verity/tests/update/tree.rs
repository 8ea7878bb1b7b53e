//! What two trees say of two images.

use verity::io::ReadAt;
use verity::update::{Difference, DigestIndex, Settings, VerifiedTree, is_zero, zero_rest};
use verity_testdata::pattern::Prng;

use super::edits;
use super::support::{BLOCK, Image};

#[test]
fn two_trees_say_the_same_as_the_data() {
    let settings = Settings::new();
    let bridges = [0, 1024, 8192, u64::MAX];
    for round in 0..50 {
        let prng = &mut Prng::new(round);
        let old = edits::image(prng);
        let new = Image::new(edits::edited(&old, prng), "same", true);
        let old = Image::new(old, "same", false);
        let tree = VerifiedTree::read(&new.trusted, &new.hash, &settings).unwrap();
        let old_tree = VerifiedTree::read(&old.trusted, &old.hash, &settings).unwrap();
        let mut by_trees = DigestIndex::new(&tree);
        assert!(by_trees.is_comparable(&old_tree));
        by_trees.add_tree(&old_tree);
        let by_trees = by_trees.difference(&bridges);
        let mut by_data = DigestIndex::new(&tree);
        by_data.add_slot(&old.data, &settings).unwrap();
        assert_eq!(by_data.difference(&bridges), by_trees);
        check(&by_trees);
        let other = Image::new(old.data, "other", true);
        let other = VerifiedTree::read(&other.trusted, &other.hash, &settings).unwrap();
        assert!(!DigestIndex::new(&tree).is_comparable(&other));
    }
}

fn check(found: &Difference) {
    let Difference { zero, same_place, elsewhere, repeated, missing, .. } = *found;
    assert_eq!(zero + same_place + elsewhere + repeated + missing, found.blocks);
    assert_eq!(found.requests[0].bytes, missing * BLOCK as u64);
    assert!(found.requests.is_sorted_by(|a, b| a.requests >= b.requests && a.bytes <= b.bytes));
    assert!(found.requests.last().unwrap().requests <= 1);
}

#[test]
fn what_lies_beside_an_image_becomes_zeros() {
    let settings = Settings::new();
    let file = verity::io::MemoryFile::from(vec![7; 3 << 20]);
    assert!(!is_zero(&file, 5..3 << 20, &settings).unwrap());
    assert!(zero_rest(&file, 5..(3 << 20) - 5, &settings).unwrap() >= (3 << 20) - 10);
    assert_eq!(zero_rest(&file, 5..(3 << 20) - 5, &settings).unwrap(), 0, "it is done");
    assert!(is_zero(&file, 5..(3 << 20) - 5, &settings).unwrap());
    assert!(is_zero(&file, 9..9, &settings).unwrap());
    let mut edges = [0; 2];
    file.read_exact_at(&mut edges, 4).unwrap();
    assert_eq!(edges, [7, 0]);
}
