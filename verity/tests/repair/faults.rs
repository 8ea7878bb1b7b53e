//! Storage that fails, sinks that fail, and work that is cancelled.

use std::io;
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use verity::io::ReadAt;
use verity::{BlockRef, Corruption, Error, Progress, RepairSink};
use verity_testdata::pattern::Prng;

use super::case::{Checked, Damage, Damages, Disk, ENODEV, Image, Shape, size};

fn image(seed: u64) -> (Prng, Image) {
    let mut prng = Prng::new(seed);
    let image = Image::new(&mut prng, Shape::small(600, 4));
    (prng, image)
}

#[test]
fn what_cannot_be_read_and_not_be_recovered_is_said_to_be_unreadable() {
    let (mut prng, image) = image(1);
    let mut disks = image.disks();
    let blocks = image.round(0)[..5].to_vec();
    disks.damage(&image, &mut prng, &blocks.iter().map(|b| (*b, Damage::Unreadable)).collect());
    let repaired = disks.repair(&image.repairer(), &Checked::new(&image)).unwrap();
    let report = repaired.beyond.unwrap();
    assert_eq!((report.corrupt_blocks, report.unreadable_blocks), (5, 5));
    assert!(matches!(report.corruptions[0].corruption, Corruption::Unreadable { .. }));
    assert!(report.to_string().contains("Input/output error"), "{report}");
    assert!(report.to_string().contains("(5 unreadable blocks in all)"), "{report}");
}

/// Neighbours of which some are corrupt and some cannot be read are told apart.
#[test]
fn what_is_corrupt_is_told_from_what_cannot_be_read() {
    let (mut prng, image) = image(8);
    let mut disks = image.disks();
    // Five rows of two rounds that lie side by side.
    let of =
        |round, damage| image.round(round).into_iter().take(5).map(move |block| (block, damage));
    let (lost, changed) = (of(0, Damage::Unreadable), of(1, Damage::Changed));
    disks.damage(&image, &mut prng, &lost.chain(changed).collect());
    let report = disks.repair(&image.repairer(), &()).unwrap().beyond.unwrap();
    assert_eq!((report.corrupt_blocks, report.unreadable_blocks), (10, 5));
    assert_eq!(report.corruptions.len(), 10);
    for (index, range) in report.corruptions.iter().enumerate() {
        let is_unreadable = matches!(range.corruption, Corruption::Unreadable { .. });
        assert_eq!((range.blocks, is_unreadable), (1, index % 2 == 0), "{range}");
    }
    assert!(report.to_string().contains("5 corrupt and 5 unreadable blocks"), "{report}");
}

/// Other blocks of it would fail too, perhaps each after a timeout.
#[test]
fn a06_a_source_that_fails_as_a_whole_ends_the_repair() {
    let (mut prng, image) = image(9);
    let everything = |bytes: &[u8]| std::iter::once(0..bytes.len()).collect();
    let damaged = |prng: &mut Prng| {
        let mut disks = image.disks();
        disks.damage(&image, prng, &Damages::from([(9, Damage::Changed)]));
        disks
    };
    let is_gone = |error: &io::Error| error.raw_os_error() == Some(ENODEV);
    let mut disks = damaged(&mut prng);
    disks.fec.gone = everything(&image.fec);
    let error = disks.repair(&image.repairer(), &()).unwrap_err();
    let round = 9 % image.fec_area.rounds();
    let Error::ReadParity { round: named, source } = &error else { panic!("{error:?}") };
    assert!(*named == round && is_gone(source), "{error:?}");
    assert_eq!(disks.fec.calls.into_inner(), 1);

    for number in [image.hash_number(2, 0), image.hash_number(1, 1), image.hash_number(0, 7), 500] {
        let mut disks = damaged(&mut prng);
        let (is_data, range) = image.place(number);
        let disk = if is_data { &mut disks.data } else { &mut disks.hash };
        disk.gone.push(range.clone());
        let error = disks.repair(&image.repairer(), &()).unwrap_err();
        let Error::Read { block, source } = &error else { panic!("{error:?}") };
        assert_eq!(block.level(), image.name(number).level());
        assert!(is_gone(source), "{error:?}");

        // The same for what is covered, when parity is compared.
        let error = image.repairer().verify_parity(&disks.data, &disks.hash, &disks.fec);
        let error = error.unwrap_err();
        assert!(matches!(&error, Error::Read { source, .. } if is_gone(source)), "{error:?}");
    }
}

/// Of several rounds that are read at once the right one is named.
#[test]
fn the_round_at_whose_parity_a_source_failed_is_named() {
    let (mut prng, image) = image(11);
    let mut disks = image.disks();
    let damages = [image.round(1)[3], image.round(2)[5]];
    disks.damage(&image, &mut prng, &damages.map(|block| (block, Damage::Changed)).into());
    // What is read at once fails for another reason.
    disks.fec.broken.push(5 * 512..6 * 512);
    disks.fec.gone.push(8 * 512..9 * 512);
    let error = disks.repair(&image.repairer(), &()).unwrap_err();
    assert!(matches!(error, Error::ReadParity { round: 2, .. }), "{error:?}");
}

/// A disk on which a block is right the first time that it is read, and never again.
struct Decaying<'a> {
    disk: &'a Disk,
    block: Range<usize>,
    was_read: AtomicBool,
}

impl ReadAt for Decaying<'_> {
    fn len(&self) -> io::Result<u64> {
        self.disk.len()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let count = self.disk.read_at(buf, offset)?;
        let start = size(offset);
        let hit = self.block.start.max(start)..self.block.end.min(start + count);
        if !hit.is_empty() && self.was_read.swap(true, Ordering::Relaxed) {
            buf[hit.start - start] ^= 1;
        }
        Ok(count)
    }
}

#[test]
fn a_block_that_goes_bad_during_the_repair_is_recovered_or_reported() {
    let (mut prng, image) = image(12);
    let round = image.round(1);
    let (decaying, lost) = (round[0], &round[1..5]);
    for (count, is_recovered) in [(3, true), (4, false)] {
        let mut disks = image.disks();
        let damages = lost[..count].iter().map(|block| (*block, Damage::Changed));
        disks.damage(&image, &mut prng, &damages.collect());
        let (block, was_read) = (image.place(decaying).1, AtomicBool::new(false));
        let data = Decaying { disk: &disks.data, block, was_read };
        let sink = Checked::new(&image);
        let repaired = image.repairer().repair(&data, &disks.hash, &disks.fec, &sink).unwrap();
        let wrong = count as u64 + 1;
        if is_recovered {
            assert_eq!((repaired.beyond, sink.count()), (None, wrong));
            assert!(sink.seen.lock().unwrap().contains(&decaying));
        } else {
            let report = repaired.beyond.unwrap();
            assert_eq!((report.corrupt_blocks, sink.count()), (wrong, 0));
            let decayed = BlockRef::Data { block: decaying };
            assert!(report.corruptions.iter().any(|range| range.first == decayed), "{report}");
        }
    }
}

/// Of blocks that are read one by one the right one is named.
#[test]
fn the_block_at_which_a_source_failed_is_named() {
    let (_, image) = image(10);
    let mut disks = image.disks();
    // What is read at once fails for another reason.
    disks.data.broken.push(3 * 512..4 * 512);
    disks.data.gone.push(40 * 512..41 * 512);
    let error = disks.repair(&image.repairer(), &()).unwrap_err();
    let named = BlockRef::Data { block: 40 };
    assert!(matches!(error, Error::Read { block, .. } if block == named), "{error:?}");
}

/// A whole round's parity is lost: its blocks are, the others come back.
#[test]
fn unreadable_parity_costs_its_rounds_only() {
    let (mut prng, image) = image(2);
    let mut disks = image.disks();
    let lost = image.round(1)[4];
    let damages = [image.round(0)[3], lost, image.round(2)[5]];
    disks.damage(&image, &mut prng, &damages.map(|block| (block, Damage::Changed)).into());
    disks.fec.broken.push(4 * 512..8 * 512);
    let sink = Checked::new(&image);
    let repaired = disks.repair(&image.repairer(), &sink).unwrap();
    assert_eq!(sink.count(), 2);
    assert_eq!(repaired.beyond.unwrap().corruptions[0].first, BlockRef::Data { block: lost });
    let error = image.repairer().verify_parity(&disks.data, &disks.hash, &disks.fec).unwrap_err();
    assert!(matches!(error, Error::ReadParity { round: 1, .. }), "{error:?}");
}

/// Data, tree and parity change from read to read. Whatever comes of it, no wrong byte does.
#[test]
fn d06_storage_that_lies_gets_no_wrong_byte_through() {
    let (mut prng, image) = image(3);
    let mut damages = Damages::new();
    for round in 0..image.fec_area.rounds() {
        damages.extend(image.round(round)[..2].iter().map(|block| (*block, Damage::Changed)));
    }
    let top = image.params.geometry().levels().len() - 1;
    damages.insert(image.hash_number(top, 0), Damage::Changed);
    for lies in [3, 10, 40, 200] {
        for _ in 0..10 {
            let mut disks = image.disks();
            disks.damage(&image, &mut prng, &damages);
            for disk in [&mut disks.data, &mut disks.hash, &mut disks.fec] {
                disk.lies = lies;
                disk.calls = AtomicU64::new(prng.next_u64() >> 1);
            }
            let sink = Checked::new(&image);
            let repaired = disks.repair(&image.repairer(), &sink).unwrap();
            assert_eq!(repaired.repaired_blocks, sink.count());
            if let Some(report) = repaired.beyond {
                assert!(report.corrupt_blocks > 0 && !report.corruptions.is_empty());
            }
        }
    }
}

#[test]
fn a_sink_that_fails_ends_the_repair() {
    struct Full;
    impl RepairSink for Full {
        fn put(&self, _block: BlockRef, _bytes: &[u8]) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }
    let (mut prng, image) = image(4);
    let mut disks = image.disks();
    disks.damage(&image, &mut prng, &Damages::from([(9, Damage::Changed)]));
    let error = disks.repair(&image.repairer(), &Full).unwrap_err();
    let Error::Write { block, source } = error else { panic!("{error:?}") };
    assert_eq!((block, source.kind()), (BlockRef::Data { block: 9 }, io::ErrorKind::StorageFull));
}

struct Count(AtomicU64, u64);

impl Progress for Count {
    fn advance(&self, bytes: u64) -> ControlFlow<()> {
        match self.0.fetch_add(bytes, Ordering::Relaxed) >= self.1 {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

#[test]
fn progress_adds_up_and_cancels() {
    let (mut prng, image) = image(5);
    let mut disks = image.disks();
    let damages = [9, image.hash_number(1, 0)].map(|block| (block, Damage::Changed));
    disks.damage(&image, &mut prng, &damages.into());
    let count = Count(AtomicU64::new(0), u64::MAX);
    let repaired = disks.repair(&image.repairer().progress(&count), &()).unwrap();
    assert_eq!((repaired.beyond, repaired.repaired_blocks), (None, 2));
    assert_eq!(count.0.into_inner(), image.proved().end * 512);

    for limit in [0, 512, 100 * 512] {
        let stop = Count(AtomicU64::new(0), limit);
        let cancelled = disks.repair(&image.repairer().progress(&stop), &());
        assert!(matches!(cancelled, Err(Error::Cancelled)), "{cancelled:?}");
        let stop = Count(AtomicU64::new(0), limit);
        let repairer = image.repairer().progress(&stop);
        let cancelled = repairer.verify_parity(&disks.data, &disks.hash, &disks.fec);
        assert!(matches!(cancelled, Err(Error::Cancelled)), "{cancelled:?}");
    }
}

#[test]
fn r05_lists_end_at_the_limit_and_say_so() {
    let (mut prng, image) = image(6);
    let mut disks = image.disks();
    // Three ranges that come back, three that do not.
    let rounds = image.fec_area.rounds();
    let beyond = (0..5).map(|row| 2 * row * rounds + 2);
    let damages = [10 * rounds, 12 * rounds, 14 * rounds].into_iter().chain(beyond);
    disks.damage(&image, &mut prng, &damages.map(|block| (block, Damage::Changed)).collect());
    let repaired = disks.repair(&image.repairer().limit(2), &()).unwrap();
    assert_eq!(
        (repaired.repaired.len(), repaired.repaired_blocks, repaired.truncated),
        (2, 3, true)
    );
    let report = repaired.beyond.unwrap();
    assert_eq!((report.corruptions.len(), report.corrupt_blocks, report.truncated), (2, 5, true));
    let repaired = disks.repair(&image.repairer(), &()).unwrap();
    assert!(!repaired.truncated && !repaired.beyond.unwrap().truncated);
}

#[test]
fn an_intact_image_needs_no_repair_and_no_parity() {
    let (_, image) = image(7);
    let mut disks = image.disks();
    // Whole or not, parity is not read.
    disks.fec.broken.push(0..image.fec.len());
    let repaired = disks.repair(&image.repairer(), &Checked::new(&image)).unwrap();
    assert_eq!((repaired.beyond, repaired.repaired_blocks), (None, 0));
    assert!(repaired.repaired.is_empty());
}
