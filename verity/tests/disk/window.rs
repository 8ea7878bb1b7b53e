//! A part of a file as a device.

use std::io::ErrorKind;
use std::sync::Mutex;

use verity::io::{Extent, ReadAt, Window, WriteAt};
use verity::{Builder, HashArea, Params, TrustedParams, Verifier};
use verity_testdata::pattern::painted;

#[test]
fn h13_nothing_outside_a_window_is_read_or_written() {
    let inner = Mutex::new(painted(1000));
    let before = inner.lock().unwrap().clone();
    let window = Window::new(&inner, 100..300).unwrap();
    assert_eq!(window.len().unwrap(), 200);
    let mut buf = [0; 300];
    assert_eq!(window.read_at(&mut buf, 0).unwrap(), 200);
    assert_eq!(buf[..200], before[100..300]);
    for offset in [200, 201, u64::MAX - 100, u64::MAX] {
        assert_eq!(window.read_at(&mut buf, offset).unwrap(), 0);
        let error = window.write_all_at(&[1], offset).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WriteZero);
    }
    assert_eq!(window.write_at(&[0xee; 300], 150).unwrap(), 50);
    assert!(window.resize(200).is_ok());
    assert_eq!(window.resize(201).unwrap_err().kind(), ErrorKind::StorageFull);
    let after = inner.lock().unwrap().clone();
    assert_eq!(after[..250], before[..250]);
    assert_eq!(after[250..300], [0xee; 50]);
    assert_eq!(after[300..], before[300..]);
    let backwards = std::ops::Range { start: 3, end: 2 };
    assert!(Window::new(&inner, backwards).is_err());
}

#[test]
fn holes_of_a_disk_are_holes_of_its_partition() {
    let file = tempfile::tempfile().unwrap();
    file.set_len(10 << 20).unwrap();
    file.write_all_at(&[1; 1 << 20], 4 << 20).unwrap();
    let window = Window::new(&file, 2 << 20..8 << 20).unwrap();
    assert_eq!(window.extent_at(0), Extent::Hole { end: 2 << 20 });
    assert_eq!(window.extent_at(2 << 20), Extent::Data { end: 3 << 20 });
    assert_eq!(window.extent_at(3 << 20), Extent::Hole { end: 6 << 20 });
    assert_eq!(window.extent_at(6 << 20), Extent::ALL_DATA);
    let data = Window::new(&file, 4 << 20..5 << 20).unwrap();
    assert_eq!(data.extent_at(0), Extent::Data { end: u64::MAX });
}

#[test]
fn a_tree_is_made_and_verified_inside_a_disk() {
    let disk = Mutex::new(painted(1 << 20));
    let params = Params::builder().data_blocks(64).build().unwrap();
    let area = HashArea::new(&params, 0, false).unwrap();
    let data = Window::new(&disk, 40960..40960 + 64 * 4096).unwrap();
    let hash = Window::new(&disk, 512 * 1024..600 * 1024).unwrap();
    let root_hash = Builder::new(&params).build(&data, &hash, &area).unwrap();
    let alone = disk.lock().unwrap()[40960..40960 + 64 * 4096].to_vec();
    assert_eq!(Builder::new(&params).build(&alone, &Mutex::new(vec![]), &area).unwrap(), root_hash);
    let trusted = TrustedParams::pinned(params, root_hash, area).unwrap();
    Verifier::new(trusted).verify(&data, &hash).unwrap();
}

/// Counts what is read of a source.
struct Counting(Vec<u8>, std::sync::atomic::AtomicU64);

impl ReadAt for Counting {
    fn len(&self) -> std::io::Result<u64> {
        ReadAt::len(&self.0)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<usize> {
        let read = self.0.read_at(buf, offset)?;
        self.1.fetch_add(read as u64, std::sync::atomic::Ordering::Relaxed);
        Ok(read)
    }
}

#[test]
fn copy_tree_and_parity_are_made_in_one_read() {
    let blocks = 1000;
    let params = Params::builder().data_blocks(blocks).build().unwrap();
    let area = HashArea::new(&params, 0, false).unwrap();
    let fec = verity::FecArea::behind_hash_area(&params, &area, 2).unwrap();
    let data = painted(1000 * 4096);
    for threads in [1, 3] {
        for parity in [false, true] {
            let source = Counting(data.clone(), std::sync::atomic::AtomicU64::new(0));
            let (copy, hash) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
            let builder = Builder::new(&params)
                .threads(std::num::NonZeroUsize::new(threads).unwrap())
                .copy_to(&copy, verity::CopiedHoles::Written);
            let root_hash = match parity {
                false => builder.build(&source, &hash, &area),
                true => builder.build_with_fec(&source, &hash, &area, &hash, &fec),
            };
            let alone = Builder::new(&params).build(&data, &Mutex::new(Vec::new()), &area);
            assert_eq!(root_hash.unwrap(), alone.unwrap());
            assert!(copy.into_inner().unwrap() == data);
            assert_eq!(source.1.into_inner(), blocks * 4096);
        }
    }
}

#[test]
fn holes_stay_holes_in_a_copy_and_a_copy_that_fails_ends_the_run() {
    let file = tempfile::tempfile().unwrap();
    file.set_len(8 << 20).unwrap();
    file.write_all_at(&painted(1 << 20), 3 << 20).unwrap();
    let params = Params::builder().data_size(8 << 20).build().unwrap();
    let area = HashArea::new(&params, 0, false).unwrap();
    let copy = tempfile::tempfile().unwrap();
    copy.set_len(8 << 20).unwrap();
    let builder = Builder::new(&params);
    let made = builder.clone().copy_to(&copy, verity::CopiedHoles::Kept);
    made.build(&file, &Mutex::new(Vec::new()), &area).unwrap();
    assert_eq!(copy.extent_at(0), Extent::Hole { end: 3 << 20 });
    let mut bytes = vec![0; 8 << 20];
    copy.read_exact_at(&mut bytes, 0).unwrap();
    let mut wanted = vec![0; 8 << 20];
    file.read_exact_at(&mut wanted, 0).unwrap();
    assert!(bytes == wanted);

    let short = Window::new(Mutex::new(vec![0; 1 << 20]), 0..1 << 20).unwrap();
    let failing = builder.copy_to(&short, verity::CopiedHoles::Kept);
    let error = failing.build(&file, &Mutex::new(Vec::new()), &area).unwrap_err();
    assert!(matches!(error, verity::Error::Write { .. }), "{error}");
}
