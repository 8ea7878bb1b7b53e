//! What is read for a read, and what of it is given.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::sync::Mutex;

use verity::io::{Cursor, ReadAt};
use verity::{BlockRef, Error, HashArea, ReadError, TrustedParams, VerifiedReader};
use verity_testdata::reference::{self, Scheme};

use super::{UNTOUCHED, assert_right, corrupt, over, read_block, reader};
use crate::adversarial::support::{Image, params, root, small, usize_of};

/// Remembers what was read.
struct Recorded<'a, S>(&'a S, Mutex<Vec<(u64, usize)>>);

impl<'a, S> Recorded<'a, S> {
    fn new(source: &'a S) -> Recorded<'a, S> {
        Recorded(source, Mutex::default())
    }

    fn reads(&self) -> Vec<(u64, usize)> {
        std::mem::take(&mut *self.1.lock().expect("no panic"))
    }
}

impl<S: ReadAt> ReadAt for Recorded<'_, S> {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.1.lock().expect("no panic").push((offset, buf.len()));
        self.0.read_at(buf, offset)
    }
}

/// Of runs that nobody wants any more nothing is read; whoever has had enough of one gets no more
/// of it either.
#[test]
fn who_has_had_enough_is_handed_no_more() {
    let image = Image::new(&small(), 2000);
    let run = 256 << 10;
    let size = image.data.len() as u64;
    assert!(size > 3 * run);
    for wanted in 1..=3 {
        let data = Recorded::new(&image.data);
        let reader = over(&image, &data, &image.hash[..]);
        let mut parts = 0;
        let mut bytes = Vec::new();
        let done = reader.read_with(100..size, |part| {
            bytes.extend_from_slice(part);
            parts += 1;
            if parts == wanted { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        done.unwrap();
        assert_eq!((parts, data.reads().len()), (wanted, wanted));
        assert!(bytes == image.data[100..usize_of(wanted as u64 * run)]);
    }
}

/// What is handed out is the memory that was hashed: a reader that is used meanwhile, even the same
/// one, gets other memory.
#[test]
fn reading_on_while_bytes_are_lent_changes_none_of_them() {
    let image = Image::new(&small(), 300);
    let reader = reader(&image);
    let block_size = image.data.len() / 300;
    let mut seen = 0;
    let done = reader.read_with(0..image.data.len() as u64, |bytes| {
        for block in [299, 0, 7] {
            assert_right(&image, block, read_block(&reader, block));
        }
        let inner = reader.read_with((5 * block_size) as u64..u64::MAX, |others| {
            assert!(others == &image.data[5 * block_size..][..others.len()]);
            ControlFlow::Break(())
        });
        inner.unwrap();
        assert!(bytes == &image.data[seen..][..bytes.len()]);
        seen += bytes.len();
        ControlFlow::Continue(())
    });
    done.unwrap();
    assert_eq!(seen, image.data.len());
}

#[test]
fn a_first_read_of_4_gib_reads_the_blocks_of_its_path() {
    let (trusted, data, hash) = crate::zeros::four_gib();
    let params = trusted.params().clone();
    let levels = params.geometry().levels().to_vec();
    assert_eq!(levels.len(), 3);
    for block in [0, 127, 128, 777_777, (1 << 20) - 1] {
        let (data, hash) = (Recorded::new(&data), Recorded::new(&hash));
        let reader = VerifiedReader::new(trusted.clone(), &data, &hash).unwrap();
        assert!(data.reads().is_empty() && hash.reads().is_empty());
        let mut bytes = [UNTOUCHED; 10];
        assert_eq!(reader.read_at(&mut bytes, block * 4096 + 50).unwrap(), 10);
        assert_eq!(bytes, [0; 10]);
        assert_eq!(data.reads(), [(block * 4096, 4096)]);
        let (low, high) = (levels[0].start + block / 128, levels[1].start + block / 128 / 128);
        assert_eq!(hash.reads(), [(0, 4096), (high * 4096, 4096), (low * 4096, 4096)]);
        // The next one beside it needs no more of the tree.
        reader.read_at(&mut bytes, (block ^ 1) * 4096).unwrap();
        assert_eq!(data.reads(), [((block ^ 1) * 4096, 4096)]);
        assert_eq!(hash.reads(), []);
        let counters = reader.counters();
        assert_eq!((counters.data_blocks_read, counters.hash_blocks_read), (2, 3));
        assert_eq!((counters.corruptions, counters.read_errors), (0, 0));
    }
}

/// A level of more hash blocks than are read at once.
#[test]
fn each_hash_block_is_preloaded_with_one_read() {
    let image = Image::new(&small(), 16 * 520);
    let hash = Recorded::new(&image.hash);
    let reader = over(&image, &image.data[..], &hash);
    reader.preload().unwrap();
    let mut reads = hash.reads();
    reads.sort_unstable();
    // The levels lie one behind the other, the superblock before them.
    let end = reads.into_iter().fold(512, |end, (offset, len)| {
        assert_eq!(offset, end);
        offset + len as u64
    });
    assert_eq!(end, image.hash.len() as u64);
    assert_eq!(reader.counters().hash_blocks_read, image.area.hash_blocks());
}

#[test]
fn d03_what_lies_before_a_bad_block_is_given_and_nothing_behind_it_is_touched() {
    let good = Image::new(&small(), 1500);
    for bad in [BlockRef::Data { block: 1100 }, BlockRef::Hash { level: 0, block: 70 }] {
        let mut image = good.clone();
        image.spoil(bad);
        let first = bad.level().map_or(1100, |_| 70 * 16);
        for (offset, len) in [(0, 1500 * 512), (first * 512 - 700, 5000), (first * 512 + 3, 900)] {
            let mut bytes = vec![UNTOUCHED; usize::try_from(len).unwrap()];
            let ReadError { verified, error, .. } =
                reader(&image).read_at(&mut bytes, offset).unwrap_err();
            assert_eq!(verified as u64, (first * 512).saturating_sub(offset));
            let start = usize::try_from(offset).unwrap();
            assert!(bytes[..verified] == good.data[start..start + verified]);
            assert!(bytes[verified..].iter().all(|byte| *byte == UNTOUCHED));
            assert_eq!(corrupt::<()>(Err(error)), bad);
        }
    }
}

#[test]
fn d04_reads_at_the_end_and_beyond() {
    for scheme in [small(), Scheme { data_block_size: 4096, ..small() }] {
        let image = Image::new(&scheme, 5);
        let (reader, end) = (reader(&image), image.data.len() as u64);
        for (offset, len, expected) in [
            (0, 0, 0),
            (end - 1, 1, 1),
            (end - 1, 100, 1),
            (end - 600, 10_000, 600),
            (end, 1, 0),
            (end, 0, 0),
            (end + 1, 100, 0),
            (u64::MAX, 100, 0),
            (u64::MAX - 99, 100, 0),
            (1 << 63, 1, 0),
        ] {
            let mut bytes = vec![UNTOUCHED; len];
            assert_eq!(reader.read_at(&mut bytes, offset).unwrap(), expected, "{offset}");
            assert!(bytes[expected..].iter().all(|byte| *byte == UNTOUCHED));
            if expected > 0 {
                assert!(image.data.ends_with(&bytes[..expected]));
            }
            assert_eq!(ReadAt::read_at(&reader, &mut bytes, offset).unwrap(), expected);
        }
        let mut cursor = Cursor::new(&reader);
        assert_eq!(cursor.seek(SeekFrom::End(-5)).unwrap(), end - 5);
        let mut bytes = Vec::new();
        assert_eq!(cursor.read_to_end(&mut bytes).unwrap(), 5);
        assert!(image.data.ends_with(&bytes));
        assert!(cursor.seek(SeekFrom::Current(-1 << 40)).is_err());
        assert_eq!(cursor.seek(SeekFrom::Start(u64::MAX)).unwrap(), u64::MAX);
        assert_eq!(cursor.read(&mut [0; 10]).unwrap(), 0);
    }
}

/// Holes are read as what they are: the source's word for them is not asked.
#[test]
fn d10_a_sparse_file_and_a_dense_copy_give_the_same_reads() {
    let mut data = vec![0; 1 << 20];
    data[300_000..310_000].fill(7);
    data[900_000] = 1;
    let mut image = Image::of(&small(), data.clone());
    let sparse = |data: &[u8]| -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.set_len(1 << 20).unwrap();
        for (number, block) in data.chunks(4096).enumerate() {
            if block.iter().any(|byte| *byte != 0) {
                file.seek(SeekFrom::Start(number as u64 * 4096)).unwrap();
                file.write_all(block).unwrap();
            }
        }
        file
    };
    let mut from_file = vec![UNTOUCHED; 1 << 20];
    let file = sparse(&data);
    for ignore in [false, true] {
        let reader = over(&image, &file, &image.hash).ignore_zero_blocks(ignore);
        assert_eq!(reader.read_at(&mut from_file, 0).unwrap(), 1 << 20);
        assert!(from_file == data);
    }
    // A hole where data was is no excuse.
    image.data[300_000..310_000].fill(0);
    let file = sparse(&image.data);
    let reader = over(&image, &file, &image.hash);
    let found = corrupt(read_block(&reader, 300_000 / 512));
    assert_eq!(found, BlockRef::Data { block: 300_000 / 512 });
}

#[test]
fn t08_ignored_zero_blocks_are_zeros_whatever_lies_there() {
    let mut data = Image::new(&small(), 300).data;
    for block in [0, 5, 6, 299] {
        data[block * 512..(block + 1) * 512].fill(0);
    }
    let good = Image::of(&Scheme { salt: vec![2; 5], ..small() }, data);
    let mut image = good.clone();
    image.data[5 * 512..6 * 512].fill(0xee);
    image.spoil(BlockRef::Data { block: 299 });
    // Not zeros by its digest, but by what lies there.
    image.bytes_mut(BlockRef::Data { block: 7 }).fill(0);

    let (data, hash) = (Recorded::new(&image.data), Recorded::new(&image.hash));
    let ignoring = over(&image, &data, &hash).ignore_zero_blocks(true);
    for block in [0, 5, 6, 299] {
        assert_right(&good, block, read_block(&ignoring, block));
    }
    assert_eq!(data.reads(), []);
    assert_eq!(ignoring.counters().zero_blocks, 4);
    assert_eq!(corrupt(read_block(&ignoring, 7)), BlockRef::Data { block: 7 });
    let mut bytes = vec![UNTOUCHED; 2000 * 512];
    let error = ignoring.read_at(&mut bytes, 0).unwrap_err();
    assert_eq!(error.verified, 7 * 512);
    assert!(bytes[..7 * 512] == good.data[..7 * 512]);
    let error = ignoring.read_at(&mut bytes, 8 * 512);
    assert_eq!(error.unwrap(), 292 * 512);
    assert!(bytes[..292 * 512] == good.data[8 * 512..]);

    let looking = reader(&image);
    assert_eq!(corrupt(read_block(&looking, 5)), BlockRef::Data { block: 5 });
    assert_eq!(corrupt(read_block(&looking, 299)), BlockRef::Data { block: 299 });
    assert_right(&good, 6, read_block(&looking, 6));
}

/// A verified image in a verified image: of other block sizes, so that one read of the outer one is
/// some of the inner one.
#[test]
fn nested_readers_prove_both_and_name_both() {
    let mut inner = Image::new(&small(), 320);
    let outer_scheme = Scheme { data_block_size: 4096, algorithm: "sha1".to_owned(), ..small() };
    let outer = Image::of(&outer_scheme, inner.data.clone());
    let mut bytes = vec![UNTOUCHED; 100_000];
    for preload in [false, true] {
        let reader = over(&outer, reader(&inner), &outer.hash);
        if preload {
            reader.preload().unwrap();
        }
        assert_eq!(reader.read_at(&mut bytes, 5000).unwrap(), 100_000);
        assert!(bytes == outer.data[5000..105_000]);
    }
    // Data block 100 of the inner one is in data block 12 of the outer one.
    inner.spoil(BlockRef::Data { block: 100 });
    let reader = over(&outer, reader(&inner), &outer.hash);
    bytes.fill(UNTOUCHED);
    let ReadError { verified, error, .. } = reader.read_at(&mut bytes, 5000).unwrap_err();
    assert_eq!(verified, 12 * 4096 - 5000);
    assert!(bytes[..verified] == outer.data[5000..5000 + verified]);
    assert!(bytes[verified..].iter().all(|byte| *byte == UNTOUCHED));
    let Error::Read { block: BlockRef::Data { block: 12 }, source } = error else {
        panic!("{error:?}");
    };
    assert_eq!(source.kind(), io::ErrorKind::InvalidData);
    let cause = source.downcast::<ReadError>().unwrap();
    assert_eq!(corrupt::<()>(Err(cause.error)), BlockRef::Data { block: 100 });
}

/// The hash tree may be on a verified device too, the same one as the data.
#[test]
fn nested_readers_below_the_tree_as_well() {
    let image = Image::new(&small(), 100);
    let mut both = image.data.clone();
    let scheme = Scheme { salt: vec![9; 9], ..small() };
    let root_hash = reference::write_hash_area(&mut both, &image.data, &scheme, None, 100 * 512);
    let below = Image::of(&small(), both);
    let place = params(&scheme, 100);
    let area = HashArea::new(&place, 100 * 512, false).unwrap();
    let trusted = TrustedParams::pinned(place, root(&root_hash), area).unwrap();
    let below = reader(&below);
    let reader = VerifiedReader::new(trusted, &below, &below).unwrap();
    for block in 0..100 {
        assert_right(&image, block, read_block(&reader, block));
    }
}
