//! Sources, seeds and slots that lie: time is lost, and nothing wrong is written.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use verity::internals::to_len;
use verity::io::{ReadAt, WriteAt};
use verity::update::{DigestIndex, Plan, TreeDevice, VerifiedTree, apply};
use verity::{BlockRef, Builder, Error, FecArea};
use verity_testdata::pattern::Prng;

use super::edits;
use super::support::{BLOCK, Changing, Image, Judged, install, settings};

fn image() -> Image {
    let data = (0..100_u64).flat_map(|block| [(block + 1).to_le_bytes()].concat().repeat(64));
    Image::new(data.collect(), "new", true)
}

fn empty(new: &Image) -> (Judged<'_, verity::io::MemoryFile>, Judged<'_, verity::io::MemoryFile>) {
    let (data, hash) = (vec![0; new.data.len()], vec![0; new.hash.len()]);
    (Judged::data(new, data), Judged::hash(new, hash))
}

#[test]
fn u04_a_wrong_block_of_the_source_is_named_and_never_written() {
    let new = image();
    for block in [0, 1, 15, 16, 57, 99] {
        let mut wrong = new.data.clone();
        wrong[block * BLOCK + 100] ^= 1;
        let (data, hash) = empty(&new);
        let done = install(&new, (&wrong, &new.hash), &[], (&data, &hash), &settings(2));
        let Err(Error::Corrupt(report)) = done else { panic!("unnoticed") };
        assert_eq!(report.corruptions[0].first, BlockRef::Data { block: block as u64 });
        assert!(!new.is_in(&data.device.to_bytes(), &hash.device.to_bytes()));
    }
    // Two blocks that have changed places are both wrong.
    let mut swapped = new.data.clone();
    let (a, b) = swapped.split_at_mut(50 * BLOCK);
    a[..BLOCK].swap_with_slice(&mut b[..BLOCK]);
    let (data, hash) = empty(&new);
    let done = install(&new, (&swapped, &new.hash), &[], (&data, &hash), &settings(1));
    assert!(matches!(done, Err(Error::Corrupt(_))));
}

#[test]
fn u05_a_wrong_hash_block_of_the_source_ends_it_before_anything_is_written() {
    let new = image();
    let other = Image::new(edits::image(&mut Prng::new(3)), "new", true);
    let tree = new.area().tree_range();
    let mut sources: Vec<_> = (tree.start..tree.end)
        .step_by(1024)
        .map(|offset| {
            let mut wrong = new.hash.clone();
            wrong[to_len(offset) + 40] ^= 1;
            wrong
        })
        .collect();
    sources.push(other.hash.iter().copied().chain([0; 1 << 16]).collect());
    for source in sources {
        let (data, hash) = empty(&new);
        let done = install(&new, (&new.data, &source), &[], (&data, &hash), &settings(1));
        let Err(Error::Corrupt(report)) = done else { panic!("unnoticed") };
        assert!(report.corruptions[0].first.level().is_some());
        assert_eq!((data.written(), hash.written()), (0, 0));
    }
}

#[test]
fn u06_a_seed_that_changes_after_it_was_indexed_costs_a_fetch_and_nothing_else() {
    let new = image();
    let prng = &mut Prng::new(11);
    for round in 0..50 {
        let seed = Changing::new(new.data.clone());
        let (data, hash) = empty(&new);
        let settings = settings(1 + round % 2);
        let tree = VerifiedTree::read(&new.trusted, &new.hash, &settings).unwrap();
        let mut index = DigestIndex::new(&tree);
        index.add_slot(&data, &settings).unwrap();
        index.add_seed(&seed, &settings).unwrap();
        let plan = Plan::new(index, &settings);
        assert_eq!((plan.counts().copied, plan.counts().fetched), (100, 0));
        let changed = prng.below(100);
        for block in 0..changed {
            seed.bytes()[to_len(block) * BLOCK] ^= 0x80;
        }
        if round == 7 {
            // It is cut off too.
            seed.bytes().truncate(60 * BLOCK);
        }
        let seeds: [&dyn ReadAt; 1] = [&seed];
        let done = apply(&plan, &seeds, &new.data, &data, &hash, new.region(), &settings);
        let applied = done.unwrap().finish().unwrap();
        let lost = if round == 7 { changed.max(60) } else { changed };
        assert!(applied.changed_blocks >= lost.min(changed), "{applied:?}");
        assert!(applied.requests > 0 || changed == 0);
        assert!(new.is_in(&data.device.into_bytes(), &hash.device.into_bytes()));
    }
}

/// A slot of which blocks read otherwise than they were written.
struct Forgetful<T> {
    device: T,
    reads: AtomicU64,
}

impl<T: ReadAt> ReadAt for Forgetful<T> {
    fn len(&self) -> io::Result<u64> {
        self.device.len()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let size = self.device.read_at(buf, offset)?;
        if self.reads.fetch_add(1, Ordering::Relaxed) % 3 == 1 && size > 0 {
            buf[0] ^= 1;
        }
        Ok(size)
    }
}

impl<T: WriteAt> WriteAt for Forgetful<T> {
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.device.write_at(buf, offset)
    }

    fn resize(&self, len: u64) -> io::Result<()> {
        self.device.resize(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.device.sync()
    }
}

#[test]
fn u06_a_slot_that_reads_back_other_bytes_gets_nothing_wrong_written() {
    for round in 0..20 {
        let prng = &mut Prng::new(round);
        let old = edits::image(prng);
        let new = Image::new(edits::edited(&old, prng), "new", true);
        let mut slot = edits::edited(&old, prng);
        slot.resize(slot.len().max(new.data.len()), 0);
        let (data, hash) = (Judged::data(&new, slot), Judged::hash(&new, vec![0; new.hash.len()]));
        let data = Forgetful { device: data, reads: AtomicU64::new(round) };
        let sources: (&dyn ReadAt, &dyn ReadAt) = (&new.data, &new.hash);
        // What it says at the end is for the read-back to judge.
        install(&new, sources, &[&old], (&data, &hash), &settings(1)).unwrap();
    }
}

/// Fails every read, or those of some blocks.
struct Broken<'a>(&'a [u8], u64);

impl ReadAt for Broken<'_> {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(self.0)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        match offset / BLOCK as u64 % self.1 {
            0 => Err(io::Error::from_raw_os_error(5)),
            _ => self.0.read_at(buf, offset),
        }
    }
}

#[test]
fn u07_a_seed_that_cannot_be_read_is_no_seed_and_a_source_that_cannot_is_an_error() {
    let new = image();
    let (data, hash) = empty(&new);
    let seed = Broken(&new.data, 1);
    let sources: (&dyn ReadAt, &dyn ReadAt) = (&new.data, &new.hash);
    let done = install(&new, sources, &[&seed], (&data, &hash), &settings(1)).unwrap();
    assert_eq!((done.counts.copied, done.counts.fetched), (0, 100));
    assert!(new.is_in(&data.device.into_bytes(), &hash.device.into_bytes()));

    let (data, hash) = empty(&new);
    let source = Broken(&new.data, 50);
    let done = install(&new, (&source, &new.hash), &[], (&data, &hash), &settings(2));
    let Err(error @ Error::Read { .. }) = done else { panic!("unnoticed") };
    assert_eq!(error.block(), Some(BlockRef::Data { block: 0 }));
}

#[test]
fn u08_parity_is_made_from_what_the_tree_proves_or_not_at_all() {
    let data: Vec<u8> = (1..65_u8).flat_map(|block| [block; 4096]).collect();
    let params = verity::Params::builder().data_size(data.len() as u64).build().unwrap();
    let area = verity::HashArea::new(&params, 0, true).unwrap();
    let fec = FecArea::behind_hash_area(&params, &area, 2).unwrap();
    let file = verity::io::MemoryFile::new();
    let builder = Builder::new(&params);
    let root = builder.build_with_fec(&data, &file, &area, &file, &fec).unwrap();
    let trusted = verity::TrustedParams::pinned(params.clone(), root, area).unwrap();
    let tree = VerifiedTree::read(&trusted, &file, &settings(1)).unwrap();
    let device: TreeDevice<'_> = tree.as_device();
    let parity = verity::io::MemoryFile::new();
    let made = builder.build_with_fec(&data, &device, &area, &parity, &fec).unwrap();
    let place = to_len(fec.range().start)..to_len(fec.range().end);
    assert_eq!(made, root);
    assert!(parity.to_bytes()[place.clone()] == file.to_bytes()[place]);
    // Data that is read back as another one makes no parity.
    let mut other = data;
    other[20 * 4096] ^= 1;
    let failed = builder.build_with_fec(&other, &device, &area, &parity, &fec).unwrap_err();
    assert!(matches!(failed, Error::Write { .. }), "{failed}");
}
