//! Damaged images that are read through a repair.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use verity::internals::{FecPlatform, Kernels};
use verity::{BlockRef, Error, FecRepair, Repair, VerifiedReader};
use verity_testdata::pattern::Prng;

use super::case::{Damage, Damages, Disk, Disks, ENODEV, Image, Shape, size, some_of};

type Shared = (Arc<Disk>, Arc<Disk>, Arc<Disk>);

fn share(disks: Disks) -> Shared {
    (Arc::new(disks.data), Arc::new(disks.hash), Arc::new(disks.fec))
}

fn reader(
    image: &Image,
    (data, hash, fec): &Shared,
    platform: FecPlatform,
    cache_size: u64,
) -> VerifiedReader<Arc<Disk>, Arc<Disk>> {
    let (data, hash, fec) = (data.clone(), hash.clone(), fec.clone());
    let repair = FecRepair::new(image.trusted(), image.fec_area, data.clone(), hash.clone(), fec);
    let repair = repair
        .unwrap()
        .kernels(Kernels { fec: platform, ..Kernels::detect(image.params.algorithm()) });
    let reader = VerifiedReader::new(image.trusted(), data, hash).unwrap();
    reader.cache_size(cache_size).repair(Arc::new(repair))
}

fn read_all(image: &Image, reader: &VerifiedReader<Arc<Disk>, Arc<Disk>>) -> Vec<u8> {
    let mut bytes = vec![0; size(image.params.data_size())];
    assert_eq!(reader.read_at(&mut bytes, 0).unwrap(), bytes.len());
    bytes
}

/// One block fewer than roots in each round, of data and of every level, with and without a cache.
#[test]
fn everything_is_read_while_each_round_has_lost_less_than_the_roots() {
    let mut prng = Prng::new(1);
    for (roots, data_blocks) in [(2, 300), (3, 600), (8, 600), (24, 1000)] {
        let shape = Shape { behind: 2, ..Shape::small(data_blocks, roots) };
        let image = Image::new(&mut prng, shape);
        let mut damages = Damages::new();
        for round in 0..image.fec_area.rounds() {
            let (data, tree): (Vec<u64>, Vec<u64>) =
                image.round(round).into_iter().partition(|block| *block < data_blocks);
            let hash_blocks = some_of(&mut prng, &tree, 1 + size(roots - 2) / 2);
            let blocks = some_of(&mut prng, &data, size(roots - 1) - hash_blocks.len());
            for block in hash_blocks.into_iter().chain(blocks) {
                let damage = *prng.pick(&[Damage::Changed, Damage::Unreadable]);
                damages.insert(block, damage);
            }
        }
        for platform in FecPlatform::available() {
            for cache_size in [0, 1 << 20] {
                let mut disks = image.disks();
                disks.damage(&image, &mut prng, &damages);
                let disks = share(disks);
                let reader = reader(&image, &disks, platform, cache_size);
                assert!(read_all(&image, &reader) == image.data, "{roots} roots, {platform}");
                assert!(reader.counters().repairs > 0);
            }
        }
    }
}

/// The whole path from the root to a block is corrupt, and the round of each has all it can take.
#[test]
fn a_block_is_read_whose_whole_path_is_corrupt() {
    let mut prng = Prng::new(2);
    let image = Image::new(&mut prng, Shape::small(5000, 4));
    let levels = image.params.geometry().levels().len();
    assert_eq!(levels, 4);
    let mut damages = Damages::from([(0, Damage::Changed)]);
    damages.extend((0..levels).map(|level| (image.hash_number(level, 0), Damage::Changed)));
    let mut disks = image.disks();
    disks.damage(&image, &mut prng, &damages);
    let disks = share(disks);
    // Also without anybody who asks for the hash blocks first.
    let (data, hash, fec) = disks.clone();
    let repair = FecRepair::new(image.trusted(), image.fec_area, data, hash, fec).unwrap();
    let mut bytes = [0; 512];
    assert!(repair.repair(BlockRef::Data { block: 0 }, &mut bytes).unwrap());
    assert!(bytes == image.data[..512]);
    for cache_size in [0, 1 << 20] {
        let reader = reader(&image, &disks, FecPlatform::detect(), cache_size);
        assert!(read_all(&image, &reader) == image.data);
    }
}

/// All roots, where the tree is whole.
#[test]
fn f06_all_roots_are_read_and_one_more_is_an_error() {
    let mut prng = Prng::new(3);
    for roots in [2, 7] {
        let image = Image::new(&mut prng, Shape::small(400, roots));
        let data: Vec<u64> = image.round(1).into_iter().filter(|block| *block < 400).collect();
        for (count, is_right) in [(size(roots), true), (size(roots) + 1, false)] {
            let blocks = some_of(&mut prng, &data, count);
            let mut disks = image.disks();
            disks.damage(
                &image,
                &mut prng,
                &blocks.iter().map(|b| (*b, Damage::Changed)).collect(),
            );
            let reader = reader(&image, &share(disks), FecPlatform::detect(), 1 << 20);
            for &block in &blocks {
                let mut bytes = [0; 512];
                let read = reader.read_at(&mut bytes, block * 512);
                assert_eq!(read.is_ok(), is_right);
                let right = image.block(block);
                assert!(if is_right { bytes == right } else { bytes == [0; 512] });
            }
        }
    }
}

/// Where everything is lost, zeros are still read, and beside zeros as many others as there are
/// roots.
#[test]
fn blocks_of_zeros_are_read_without_parity() {
    let mut prng = Prng::new(9);
    let image = Image::new(&mut prng, Shape { zeros: 300, ..Shape::small(600, 4) });
    let (zeros, others): (Vec<u64>, Vec<u64>) = (0..600).partition(|block| image.is_zeros(*block));
    let of_each_round = |count: usize| -> Vec<u64> {
        let rounds = image.fec_area.rounds();
        let of = |round| others.iter().copied().filter(move |block| block % rounds == round);
        (0..rounds).flat_map(|round| of(round).take(count)).collect()
    };
    for (lost, is_right) in [(4, true), (5, false)] {
        let lost = of_each_round(lost);
        let mut disks = image.disks();
        let damages = zeros.iter().chain(&lost).map(|block| (*block, Damage::Changed)).collect();
        disks.damage(&image, &mut prng, &damages);
        let reader = reader(&image, &share(disks), FecPlatform::detect(), 1 << 20);
        for block in zeros.iter().chain(&lost) {
            let mut bytes = [1; 512];
            let read = reader.read_at(&mut bytes, block * 512);
            assert_eq!(read.is_ok(), is_right || image.is_zeros(*block), "{block}");
            assert!(read.is_err() || bytes == image.block(*block), "{block}");
        }
    }
}

/// A failure to read a block, or parity, may pass: the round is tried again.
#[test]
fn a_round_that_could_not_be_read_is_tried_again() {
    let mut prng = Prng::new(10);
    let image = Image::new(&mut prng, Shape::small(600, 2));
    let data: Vec<u64> = image.round(1).into_iter().filter(|block| *block < 600).collect();
    let parity_of = |round: usize| round * 2 * 512..(round + 1) * 2 * 512;
    for case in 0..3 {
        let (mut disks, mut bytes) = (image.disks(), [0; 512]);
        let mut damages = Damages::from([(data[0], Damage::Changed), (data[1], Damage::Changed)]);
        match case {
            0 => drop(damages.insert(data[2], Damage::Unreadable)),
            1 => disks.fec.broken.push(parity_of(1)),
            _ => {
                damages.insert(data[2], Damage::Changed);
            }
        }
        disks.damage(&image, &mut prng, &damages);
        let disks = share(disks);
        let reader = reader(&image, &disks, FecPlatform::detect(), 1 << 20);
        let read = |bytes: &mut [u8]| reader.read_at(bytes, data[0] * 512).map(drop);
        let error = read(&mut bytes).unwrap_err();
        assert!(matches!(error.error, Error::Corrupt(_)), "{case}: {error:?}");
        for disk in [&disks.0, &disks.2] {
            disk.healed.store(true, Ordering::Relaxed);
        }
        let before = disks.2.calls.load(Ordering::Relaxed);
        assert_eq!(read(&mut bytes).is_ok(), case < 2, "{case}");
        // What could be read and not be solved is remembered.
        assert_eq!(disks.2.calls.load(Ordering::Relaxed) > before, case < 2, "{case}");
    }
}

/// The read ends with that failure, nothing is remembered, and nothing else is asked for.
#[test]
fn a06_a_source_that_fails_as_a_whole_ends_a_read_with_its_error() {
    let mut prng = Prng::new(11);
    let image = Image::new(&mut prng, Shape::small(600, 2));
    let data: Vec<u64> = image.round(1).into_iter().filter(|block| *block < 600).collect();
    for case in 0..3 {
        let mut disks = image.disks();
        // Where another block is lost too, all rows are asked for their digests.
        let lost = &data[..if case == 2 { 2 } else { 1 }];
        let damages = lost.iter().map(|block| (*block, Damage::Changed)).collect();
        disks.damage(&image, &mut prng, &damages);
        match case {
            0 => disks.fec.gone.push(0..image.fec.len()),
            1 => disks.data.gone.push(image.place(data[5]).1),
            // Which is needed for digests of the round alone.
            _ => disks.hash.gone.push(image.place(image.hash_number(0, 20)).1),
        }
        let disks = share(disks);
        let reader = reader(&image, &disks, FecPlatform::detect(), 1 << 20);
        let mut bytes = [0xee; 512];
        let error = reader.read_at(&mut bytes, data[0] * 512).unwrap_err();
        let Error::Recovery { block, source } = &error.error else { panic!("{case}: {error:?}") };
        assert_eq!(*block, BlockRef::Data { block: data[0] });
        let mut reason: &(dyn StdError + 'static) = source.get_ref().unwrap();
        while !reason.is::<io::Error>() {
            reason = reason.source().unwrap();
        }
        let reason = reason.downcast_ref().and_then(io::Error::raw_os_error);
        assert_eq!(reason, Some(ENODEV), "{case}");
        assert_eq!((bytes, reader.counters().repairs), ([0xee; 512], 0));
        for disk in [&disks.0, &disks.1, &disks.2] {
            disk.healed.store(true, Ordering::Relaxed);
        }
        reader.read_at(&mut bytes, data[0] * 512).unwrap();
        assert!(bytes == image.block(data[0]));
    }
    // What is read itself is not tried block by block.
    let mut disks = image.disks();
    disks.data.gone.push(0..image.data.len());
    let disks = share(disks);
    let reader = reader(&image, &disks, FecPlatform::detect(), 1 << 20);
    let error = reader.read_at(&mut [0; 64 * 512], 0).unwrap_err();
    assert!(matches!(error.error, Error::Read { .. }), "{error:?}");
    assert_eq!(
        (disks.0.calls.load(Ordering::Relaxed), disks.2.calls.load(Ordering::Relaxed)),
        (1, 0)
    );
}

#[test]
fn blocks_that_do_not_exist_have_no_other_bytes() {
    let image = Image::new(&mut Prng::new(4), Shape::small(600, 4));
    let disks = image.disks();
    let repair =
        FecRepair::new(image.trusted(), image.fec_area, &disks.data, &disks.hash, &disks.fec);
    let repair = repair.unwrap();
    let mut bytes = [0x11; 512];
    for block in [
        BlockRef::Data { block: 600 },
        BlockRef::Data { block: u64::MAX },
        BlockRef::Hash { level: 0, block: 38 },
        BlockRef::Hash { level: 3, block: 0 },
        BlockRef::Hash { level: 255, block: u64::MAX },
    ] {
        assert!(!repair.repair(block, &mut bytes).unwrap(), "{block}");
    }
    // Buffers of another length neither.
    assert!(!repair.repair(BlockRef::Data { block: 0 }, &mut bytes[1..]).unwrap());
    assert_eq!(bytes, [0x11; 512]);
}

/// Many threads read what lies over damage, while the storage changes its mind.
#[test]
fn d06_x03_storage_that_lies_gets_no_wrong_byte_to_any_reader() {
    let mut prng = Prng::new(5);
    let image = Image::new(&mut prng, Shape::small(600, 4));
    let mut damages = Damages::new();
    for round in 0..image.fec_area.rounds() {
        damages.extend(image.round(round)[..2].iter().map(|block| (*block, Damage::Changed)));
    }
    damages.insert(image.hash_number(1, 0), Damage::Changed);
    for lies in [5, 30, 200] {
        let mut disks = image.disks();
        disks.damage(&image, &mut prng, &damages);
        for disk in [&mut disks.data, &mut disks.hash, &mut disks.fec] {
            disk.lies = lies;
            disk.calls = AtomicU64::new(prng.next_u64() >> 1);
        }
        let reader = reader(&image, &share(disks), FecPlatform::detect(), 4096);
        let right = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for thread in 0..3_u64 {
                let (reader, image, right) = (&reader, &image, &right);
                scope.spawn(move || {
                    for index in 0..200 {
                        let block = (index * 7 + thread * 200) % 600;
                        let mut bytes = [0xee; 512];
                        match reader.read_at(&mut bytes, block * 512) {
                            Ok(_) => {
                                assert!(bytes == image.block(block), "block {block}");
                                right.fetch_add(1, Ordering::Relaxed);
                            }
                            Err(_) => assert_eq!(bytes, [0xee; 512]),
                        }
                    }
                });
            }
        });
        assert!(right.into_inner() > 0);
    }
}
