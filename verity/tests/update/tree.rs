//! What two trees say of two images.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use verity::io::{ReadAt, WriteAt};
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

/// A device full of ones, which counts what may not be on its storage.
#[derive(Default)]
struct Unsynced {
    now: AtomicU64,
    most: AtomicU64,
}

impl ReadAt for Unsynced {
    fn len(&self) -> io::Result<u64> {
        Ok(300 << 20)
    }

    fn read_at(&self, buf: &mut [u8], _offset: u64) -> io::Result<usize> {
        buf.fill(1);
        Ok(buf.len())
    }
}

impl WriteAt for Unsynced {
    fn write_at(&self, buf: &[u8], _offset: u64) -> io::Result<usize> {
        let now = self.now.fetch_add(buf.len() as u64, Ordering::Relaxed) + buf.len() as u64;
        self.most.fetch_max(now, Ordering::Relaxed);
        Ok(buf.len())
    }

    fn resize(&self, _len: u64) -> io::Result<()> {
        panic!("a slot keeps its size")
    }

    fn sync(&self) -> io::Result<()> {
        self.now.store(0, Ordering::Relaxed);
        Ok(())
    }
}

/// The sync at the end would hold up a signal.
#[test]
fn zeros_are_synced_before_they_are_many() {
    let device = Unsynced::default();
    assert_eq!(zero_rest(&device, 5..300 << 20, &Settings::new()).unwrap(), (300 << 20) - 5);
    assert!(device.most.into_inner() <= 65 << 20);
}
