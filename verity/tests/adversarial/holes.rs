//! Holes: not read, and no different from the zeros that others read there.

#![expect(clippy::single_range_in_vec_init, reason = "a list of one hole is what it says")]

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use verity::io::{Extent, ReadAt};
use verity::{BlockRef, Builder, Error, Verified, Verifier};
use verity_testdata::pattern::Prng;
use verity_testdata::reference::Scheme;

use super::storage::Sparse;
use super::support::{Image, listed, report, small, threads, usize_of};

/// Data with zeros at those places, and its tree.
fn image(scheme: &Scheme, len: u64, holes: &[Range<u64>]) -> Image {
    let mut data = verity_testdata::pattern::sha256_stream(usize_of(len));
    holes.iter().for_each(|hole| data[usize_of(hole.start)..usize_of(hole.end)].fill(0));
    Image::of(scheme, data)
}

/// Builds from a source with holes; the tree must be that of the slow twin.
fn check_build(image: &Image, source: &impl ReadAt, count: usize) {
    let hash = Mutex::new(Vec::new());
    let built =
        Builder::new(&image.params).threads(threads(count)).build(source, &hash, &image.area);
    assert_eq!(built.expect("a tree"), image.root_hash);
    let hash = hash.into_inner().expect("no panic");
    let tree = usize_of(image.area.tree_range().start);
    assert!(hash.get(tree..).unwrap_or(&[]) == image.tree());
}

/// Verifies by either search, with zero blocks ignored or not.
fn verify(
    image: &Image,
    source: &impl ReadAt,
    count: usize,
    (all, ignore): (bool, bool),
) -> Result<Verified, Error> {
    let verifier = Verifier::new(image.pinned()).threads(threads(count)).ignore_zero_blocks(ignore);
    match all {
        true => verifier.verify_all(source, &image.hash),
        false => verifier.verify(source, &image.hash),
    }
}

const WAYS: [(bool, bool); 4] = [(false, false), (true, false), (false, true), (true, true)];

/// Everything that a source with holes goes through, and what of it is read.
fn check(scheme: &Scheme, len: u64, holes: &[Range<u64>], count: usize) {
    let image = image(scheme, len, holes);
    let block_size = usize_of(scheme.data_block_size.into());
    let sparse = || Sparse::new(&image.data, holes.to_vec());
    let source = sparse();
    check_build(&image, &source, count);
    source.assert_holes_unread(block_size);
    for way in WAYS {
        let source = sparse();
        let verified = verify(&image, &source, count, way).expect("intact");
        assert_eq!(verified, verify(&image, &image.data, count, way).expect("intact"));
        if !way.1 {
            source.assert_holes_unread(block_size);
        }
    }
}

#[test]
fn holes_at_the_start_in_the_middle_and_at_the_end_are_not_read() {
    const MIB: u64 = 1 << 20;
    let cases: [(&str, u64, Vec<Range<u64>>); 8] = [
        ("none", 3 * MIB, vec![]),
        ("all", 3 * MIB, vec![0..3 * MIB]),
        ("one block, all", 4096, vec![0..4096]),
        ("start", 3 * MIB, vec![0..MIB]),
        ("end", 3 * MIB, vec![2 * MIB..3 * MIB]),
        ("off the grid", 3 * MIB, vec![4097..9000, 500_001..1_700_003]),
        ("less than a block", 3 * MIB, vec![4096..8191, 12_289..16_384]),
        ("a block here and there", MIB, (0..128).map(|n| n * 8192..n * 8192 + 4096).collect()),
    ];
    for (name, len, holes) in cases {
        for (data_block_size, hash_block_size) in [(512, 512), (4096, 512), (4096, 4096)] {
            println!("{name}: {data_block_size} {hash_block_size}");
            let scheme = Scheme { data_block_size, hash_block_size, ..small() };
            [1, 3].into_iter().for_each(|count| check(&scheme, len, &holes, count));
        }
    }
}

#[test]
fn random_holes_make_no_difference() {
    let seed = verity_testdata::cases::seed();
    let mut prng = Prng::new(seed);
    for case in 0..60 {
        let data_block_size = 512 << prng.below(8);
        let len =
            u64::from(data_block_size) * prng.range(1..=(1 << 20) / u64::from(data_block_size));
        let mut holes = Vec::new();
        let mut at = prng.below(len / 4 + 1);
        let longest = 1 << prng.range(9..=20);
        while at < len {
            let end = (at + prng.range(1..=longest)).min(len);
            holes.push(at..end);
            at = end + prng.range(1..=longest);
        }
        let count = usize_of(prng.range(1..=4));
        println!(
            "seed {seed:#x} case {case}: {len} by {data_block_size}, {count} threads, {holes:?}"
        );
        let algorithm = if prng.below(2) == 0 { "sha256" } else { "sha1" }.to_owned();
        let salt = vec![7; usize_of(prng.below(40))];
        check(&Scheme { data_block_size, algorithm, salt, ..small() }, len, &holes, count);
    }
}

/// A hole is zeros, and where the tree says something else, that is corrupt.
#[test]
fn d01_a_hole_where_there_was_data_is_corrupt() {
    let image = Image::new(&small(), 9000);
    let hole = 3000 * 512 - 1..3004 * 512 + 1;
    let mut holed = image.data.clone();
    holed[usize_of(hole.start)..usize_of(hole.end)].fill(0);
    for count in [1, 3] {
        for ignore in [false, true] {
            let source = Sparse::new(&holed, vec![hole.clone()]);
            let first = report(verify(&image, &source, count, (false, ignore)));
            assert_eq!(listed(&first), [BlockRef::Data { block: 2999 }]);
            let all = report(verify(&image, &source, count, (true, ignore)));
            let expected: Vec<_> = (2999..3005).map(|block| BlockRef::Data { block }).collect();
            assert_eq!(listed(&all), expected);
        }
    }
}

/// Forwards to a file, and counts the bytes that are read.
struct Metered(File, AtomicU64);

impl ReadAt for Metered {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(&self.0)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let size = ReadAt::read_at(&self.0, buf, offset)?;
        self.1.fetch_add(size as u64, Ordering::SeqCst);
        Ok(size)
    }

    fn extent_at(&self, offset: u64) -> Extent {
        self.0.extent_at(offset)
    }
}

#[test]
fn the_holes_of_a_file_are_not_read() {
    const MIB: usize = 1 << 20;
    let mut data = vec![0; 8 * MIB];
    for start in [MIB, 5 * MIB] {
        data[start..start + MIB].fill(0x5a);
    }
    let image = Image::of(&Scheme::default(), data);
    let file = tempfile::tempfile().expect("a file");
    file.set_len(8 << 20).expect("long enough");
    for start in [MIB, 5 * MIB] {
        file.write_all_at(&image.data[start..start + MIB], start as u64).expect("room");
    }
    let source = Metered(file, AtomicU64::new(0));
    let read = || source.1.swap(0, Ordering::SeqCst);
    check_build(&image, &source, 2);
    assert_eq!(read(), 2 << 20);
    for way in WAYS {
        assert_eq!(verify(&image, &source, 2, way).expect("intact").hash_blocks, 17);
        assert_eq!(read(), 2 << 20, "{way:?}");
    }
    // Once more through the pointers that a caller may have.
    check_build(&image, &&source, 1);
    check_build(&image, &(Box::new(&source) as Box<dyn ReadAt>), 1);
    check_build(&image, &std::sync::Arc::new(&source), 1);
    assert_eq!(read(), 6 << 20);
}

/// Answers as it likes, in ways that make no sense.
struct Senseless<'a>(&'a [u8], fn(u64) -> Extent);

impl ReadAt for Senseless<'_> {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(self.0)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buf, offset)
    }

    fn extent_at(&self, offset: u64) -> Extent {
        (self.1)(offset)
    }
}

#[test]
fn answers_about_holes_that_make_no_sense_are_taken_for_data() {
    let image = Image::new(&Scheme { data_block_size: 4096, ..small() }, 700);
    let answers: [fn(u64) -> Extent; 6] = [
        |offset| Extent::Hole { end: offset },
        |offset| Extent::Data { end: offset },
        |offset| Extent::Hole { end: offset / 2 },
        |_| Extent::Hole { end: 0 },
        // Holes too small for a block, everywhere.
        |offset| Extent::Hole { end: offset + 1 },
        |offset| Extent::Data { end: offset + 1 },
    ];
    for answer in answers {
        let source = Senseless(&image.data, answer);
        check_build(&image, &source, 2);
        for way in WAYS {
            verify(&image, &source, 2, way).expect("intact");
        }
    }
}

/// A hole that has no end is zeros up to the end of the data.
#[test]
fn a_hole_beyond_the_end_ends_with_the_data() {
    let image = Image::of(&small(), vec![0; 700 * 512]);
    let source = Senseless(&image.data, |_| Extent::Hole { end: u64::MAX });
    check_build(&image, &source, 2);
    assert_eq!(verify(&image, &source, 2, (true, false)).expect("intact").data_blocks, 700);
}
