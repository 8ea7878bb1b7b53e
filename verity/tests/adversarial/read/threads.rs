//! X03, X04: many threads on one reader.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use verity::io::ReadAt;
use verity::{BlockRef, Repair};
use verity_testdata::pattern::Prng;

use super::{assert_right, over, read_block, reader};
use crate::adversarial::support::{Image, small};

#[test]
fn x03_sixteen_threads_find_the_same_right_and_wrong_blocks() {
    let mut image = Image::new(&small(), 1000);
    for block in [
        BlockRef::Hash { level: 1, block: 2 },
        BlockRef::Hash { level: 0, block: 7 },
        BlockRef::Hash { level: 0, block: 20 },
        BlockRef::Data { block: 0 },
        BlockRef::Data { block: 444 },
        BlockRef::Data { block: 999 },
    ] {
        image.spoil(block);
    }
    let say = |block, reader: &verity::VerifiedReader<&[u8], &[u8]>| match read_block(reader, block)
    {
        Ok(bytes) => Ok(bytes),
        Err(error) => Err(error.to_string()),
    };
    let alone: Vec<_> = (0..1000).map(|block| say(block, &reader(&image))).collect();
    assert!(alone.iter().filter(|result| result.is_err()).count() > 250);
    for bound in [0, 2000, 20_000, u64::MAX] {
        let reader = reader(&image).cache_size(bound);
        std::thread::scope(|scope| {
            for thread in 0..16 {
                let (reader, alone) = (&reader, &alone);
                scope.spawn(move || {
                    let mut prng = Prng::new(thread);
                    for _ in 0..2000 {
                        let block = prng.below(1000);
                        assert!(say(block, reader) == alone[usize::try_from(block).unwrap()]);
                    }
                });
            }
        });
    }
}

/// Panics when a byte of a block is read, as often as it is told.
struct Panics<'a> {
    bytes: &'a [u8],
    at: u64,
    times: AtomicU64,
}

impl Panics<'_> {
    fn count(&self) -> bool {
        let less = |times: u64| times.checked_sub(1);
        self.times.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok()
    }
}

impl ReadAt for Panics<'_> {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(self.bytes)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let end = offset + u64::try_from(buf.len()).expect("a length");
        assert!(!((offset..end).contains(&self.at) && self.count()), "a source that panics");
        self.bytes.read_at(buf, offset)
    }
}

/// A repair that panics, too.
struct PanicsAsWell;

impl Repair for PanicsAsWell {
    fn repair(&self, block: BlockRef, _bytes: &mut [u8]) -> io::Result<bool> {
        panic!("a repair that panics at {block}");
    }
}

#[test]
fn x04_a_source_that_panics_takes_nothing_from_the_other_threads() {
    let image = Image::new(&small(), 1000);
    // Level 0 of data block 900, the top block, and the data block itself.
    let level_0 = image.range(BlockRef::Hash { level: 0, block: 900 / 16 }).start as u64;
    let top = image.range(BlockRef::Hash { level: 2, block: 0 }).start as u64;
    for (data_at, hash_at) in [(900 * 512, u64::MAX), (u64::MAX, level_0), (u64::MAX, top)] {
        let source = |bytes, at| Panics { bytes, at, times: AtomicU64::new(3) };
        let (data, hash) = (source(&image.data[..], data_at), source(&image.hash[..], hash_at));
        let reader = over(&image, &data, &hash);
        let panics = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (reader, image, panics) = (&reader, &image, &panics);
                scope.spawn(move || {
                    for turn in 0..300 {
                        let block = (turn * 37 + thread * 100) % 1000;
                        match catch_unwind(AssertUnwindSafe(|| read_block(reader, block))) {
                            Ok(result) => assert_right(image, block, result),
                            Err(_) => drop(panics.fetch_add(1, Ordering::SeqCst)),
                        }
                    }
                });
            }
        });
        assert!((1..=3).contains(&panics.load(Ordering::SeqCst)));
        (0..1000).for_each(|block| {
            let result = catch_unwind(AssertUnwindSafe(|| read_block(&reader, block)));
            result.into_iter().for_each(|result| assert_right(&image, block, result));
        });
        (0..1000).for_each(|block| assert_right(&image, block, read_block(&reader, block)));
    }
}

#[test]
fn x04_a_repair_that_panics_takes_nothing_from_the_other_reads() {
    let good = Image::new(&small(), 300);
    let mut image = good.clone();
    image.spoil(BlockRef::Data { block: 100 });
    image.spoil(BlockRef::Hash { level: 0, block: 10 });
    let reader = reader(&image).repair(Arc::new(PanicsAsWell));
    for block in (0..300).chain(0..300) {
        let result = catch_unwind(AssertUnwindSafe(|| read_block(&reader, block)));
        assert_eq!(result.is_err(), block == 100 || block / 16 == 10);
        result.into_iter().for_each(|result| assert_right(&good, block, result));
    }
}
