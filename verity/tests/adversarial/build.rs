//! Building from hostile sources and onto hostile hash devices.

use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use verity::io::WriteAt;
use verity::{BlockRef, Builder, Error, HashArea, HashAreaError};
use verity_testdata::reference::Scheme;

use super::storage::{BadSector, BadTarget, Counting, Fault, Faulty, FaultyTarget};
use super::support::{Image, params, small, threads, usize_of};

/// Some 340 KiB of data in many reads and writes.
fn image() -> Image {
    Image::new(&Scheme { salt: vec![4; 9], ..small() }, 700)
}

#[test]
fn every_byte_of_the_data_is_read_once_and_none_after_it() {
    let image = image();
    let mut longer = image.data.clone();
    longer.extend([1; 1000]);
    let source = Counting::new(&longer);
    let hash = Mutex::new(Vec::new());
    let built = Builder::new(&image.params).threads(threads(3)).build(&source, &hash, &image.area);
    assert_eq!(built.unwrap(), image.root_hash);
    source.assert_once(0..image.data.len());
}

#[test]
fn only_the_tree_is_written() {
    let image = image();
    let area = HashArea::new(&image.params, 1536, true).unwrap();
    let hash = Mutex::new(vec![0xee; 100_000]);
    Builder::new(&image.params).build(&image.data, &hash, &area).unwrap();
    let hash = hash.into_inner().unwrap();
    let tree = usize_of(area.tree_range().start)..usize_of(area.tree_range().end);
    assert!(hash[tree.clone()] == *image.tree());
    assert!(hash[..tree.start].iter().chain(&hash[tree.end..]).all(|byte| *byte == 0xee));
    assert_eq!(hash.len(), 100_000);
}

#[test]
fn g07_a_source_shorter_than_its_blocks_is_refused_before_anything_is_written() {
    let image = image();
    for missing in [1, 512, image.data.len()] {
        let hash = Mutex::new(Vec::new());
        let short = &image.data[..image.data.len() - missing];
        let result = Builder::new(&image.params).build(short, &hash, &image.area);
        assert!(matches!(result, Err(Error::ShortData { .. })), "{result:?}");
        assert!(hash.lock().unwrap().is_empty());
    }
}

#[test]
fn a_hash_area_of_other_parameters_is_refused() {
    let image = image();
    let area = HashArea::new(&params(&small(), 7), 0, true).unwrap();
    let hash = Mutex::new(Vec::new());
    let result = Builder::new(&image.params).build(&image.data, &hash, &area);
    assert!(matches!(result, Err(Error::HashArea(HashAreaError::OtherParams))), "{result:?}");
    assert!(hash.lock().unwrap().is_empty());
}

#[test]
fn i01_every_fault_of_every_read_is_an_error_or_makes_no_difference() {
    let image = image();
    let most = 4096;
    let build = |source: &Faulty<'_>| {
        let hash = Mutex::new(Vec::new());
        let built =
            Builder::new(&image.params).threads(threads(1)).build(source, &hash, &image.area);
        built.map(|root_hash| (root_hash, hash.into_inner().unwrap()))
    };
    let count = Faulty::new(&image.data, most, usize::MAX, Fault::Error);
    build(&count).unwrap();
    assert!(count.calls() > 80, "{} reads", count.calls());
    for at in 0..count.calls() {
        for fault in [Fault::Error, Fault::Short, Fault::End, Fault::Interrupted, Fault::TooMany] {
            let result = build(&Faulty::new(&image.data, most, at, fault));
            match (fault, result) {
                (Fault::Short | Fault::Interrupted, Ok((root_hash, hash))) => {
                    assert_eq!(root_hash, image.root_hash);
                    assert!(hash[512..] == *image.tree());
                }
                (
                    Fault::Error | Fault::End | Fault::TooMany,
                    Err(Error::Read { block: BlockRef::Data { block }, .. }),
                ) => assert!(block < 700),
                (fault, result) => panic!("{fault:?} at {at}: {result:?}"),
            }
        }
    }
}

#[test]
fn i02_every_fault_of_every_write_is_an_error_or_makes_no_difference() {
    let image = image();
    let most = 1000;
    let build = |target: &FaultyTarget| {
        Builder::new(&image.params).threads(threads(1)).build(&image.data, target, &image.area)
    };
    let count = FaultyTarget::new(most, usize::MAX, Fault::Error);
    build(&count).unwrap();
    assert!(count.calls() > 20, "{} writes", count.calls());
    for at in 0..count.calls() {
        for fault in [Fault::Error, Fault::Short, Fault::End, Fault::Interrupted, Fault::TooMany] {
            let target = FaultyTarget::new(most, at, fault);
            match (fault, build(&target)) {
                (Fault::Short | Fault::Interrupted, Ok(root_hash)) => {
                    assert_eq!(root_hash, image.root_hash);
                    assert!(target.bytes.lock().unwrap()[512..] == *image.tree());
                }
                (
                    Fault::Error | Fault::End | Fault::TooMany,
                    Err(Error::Write { block: BlockRef::Hash { .. }, .. }),
                ) => {}
                (fault, result) => panic!("{fault:?} at {at}: {result:?}"),
            }
        }
    }
}

#[test]
fn d11_a_bad_sector_of_the_source_names_its_block() {
    let image = Image::new(&small(), 9000);
    for broken in [vec![0], vec![8999], vec![2048, 2047], vec![7000, 3000, 5000]] {
        let lowest = *broken.iter().min().unwrap();
        let broken: Vec<_> = broken.iter().map(|block| block * 512..block * 512 + 512).collect();
        for slow in 0..20 {
            let source = BadSector {
                bytes: &image.data,
                broken: broken.clone(),
                slow,
                failing: AtomicUsize::new(0),
            };
            let hash = Mutex::new(Vec::new());
            let builder = Builder::new(&image.params).threads(threads(8));
            let result = builder.build(&source, &hash, &image.area);
            let Err(Error::Read { block: BlockRef::Data { block }, .. }) = result else {
                panic!("{result:?}");
            };
            assert_eq!(block, lowest);
        }
    }
}

/// Of a block that cannot be read and a hash block that cannot be written, the one that comes first
/// when run after run is read and its hash blocks are written.
#[test]
fn d11_reads_and_writes_that_fail_are_told_in_order_whatever_the_threads() {
    let image = Image::new(&small(), 20_000);
    let data = |block| BlockRef::Data { block };
    let hash = |level, block| BlockRef::Hash { level, block };
    // Sixteen digests in a hash block, 512 blocks in a run.
    for (read, write, first) in [
        (data(100), hash(0, 6), data(100)),
        (data(511), hash(0, 6), data(511)),
        (data(512), hash(0, 6), hash(0, 6)),
        (data(19_000), hash(0, 700), hash(0, 700)),
        (data(10_000), hash(0, 700), data(10_000)),
        (data(1023), hash(1, 3), data(1023)),
        (data(1024), hash(1, 3), hash(1, 3)),
        (data(16_384), hash(2, 3), hash(2, 3)),
        (data(19_999), hash(3, 0), data(19_999)),
    ] {
        for count in [1, 2, 3, 8] {
            let bytes = |block| {
                let range = image.range(block);
                range.start as u64..range.end as u64
            };
            let source = BadSector {
                bytes: &image.data,
                broken: Vec::from([bytes(read)]),
                slow: 0,
                failing: AtomicUsize::new(0),
            };
            let range = image.range(write);
            let target =
                BadTarget { bytes: Mutex::default(), broken: range.start as u64..range.end as u64 };
            let builder = Builder::new(&image.params).threads(threads(count));
            let failed = match builder.build(&source, &target, &image.area) {
                Err(Error::Read { block, .. } | Error::Write { block, .. }) => block,
                result => panic!("{result:?}"),
            };
            assert_eq!(failed, first, "{read} or {write}, {count} threads");
        }
    }
}

#[test]
fn a_hash_device_that_is_full_is_an_error() {
    /// A device of 5000 bytes.
    struct Full(Mutex<Vec<u8>>);

    impl WriteAt for Full {
        fn write_at(&self, buf: &[u8], offset: u64) -> std::io::Result<usize> {
            let room = usize_of(5000_u64.saturating_sub(offset)).min(buf.len());
            self.0.write_at(&buf[..room], offset)
        }

        fn resize(&self, _len: u64) -> std::io::Result<()> {
            Ok(())
        }

        fn sync(&self) -> std::io::Result<()> {
            Ok(())
        }
    }

    let image = image();
    let result =
        Builder::new(&image.params).build(&image.data, &Full(Mutex::default()), &image.area);
    let Err(Error::Write { source, .. }) = result else { panic!("{result:?}") };
    assert_eq!(source.kind(), std::io::ErrorKind::WriteZero);
}
