//! Images, slots, and the judge of every write.

use std::io;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use verity::internals::to_len;
use verity::io::{MemoryFile, ReadAt, WriteAt};
use verity::update::{Applied, Counts, DigestIndex, Plan, Settings, VerifiedTree, apply};
use verity::{
    BlockSize, Builder, Error, HashArea, Params, Salt, Superblock, TrustedParams, Uuid, Verifier,
};

/// An image with its hash area.
pub(crate) struct Image {
    pub(crate) data: Vec<u8>,
    pub(crate) hash: Vec<u8>,
    pub(crate) trusted: TrustedParams,
}

pub(crate) const BLOCK: usize = 512;

impl Image {
    /// With blocks of 512 bytes, and a superblock if there is to be one.
    pub(crate) fn new(data: Vec<u8>, salt: &str, superblock: bool) -> Image {
        let params = Params::builder()
            .data_block_size(BlockSize::MIN)
            .hash_block_size(BlockSize::new(1024).unwrap())
            .salt(Salt::from_seed(salt))
            .data_size(data.len() as u64)
            .build()
            .unwrap();
        let area = HashArea::new(&params, 0, superblock).unwrap();
        let file = MemoryFile::from(vec![0; to_len(area.file_size())]);
        let root_hash = Builder::new(&params).build(&data, &file, &area).unwrap();
        if superblock {
            file.write_all_at(&Superblock::new(params.clone(), Uuid::nil()).to_bytes(), 0).unwrap();
        }
        let trusted = TrustedParams::pinned(params, root_hash, area).unwrap();
        Image { data, hash: file.into_bytes(), trusted }
    }

    pub(crate) fn area(&self) -> HashArea {
        self.trusted.hash_area()
    }

    pub(crate) fn region(&self) -> &[u8] {
        let region = self.area().superblock_region();
        &self.hash[to_len(region.start)..to_len(region.end)]
    }

    /// The bytes whose presence lets a slot verify.
    pub(crate) fn vouching(&self) -> Range<usize> {
        let (area, region) = (self.area(), self.area().superblock_region());
        match (region.is_empty(), area.hash_blocks()) {
            (false, _) => to_len(region.start)..to_len(region.end),
            (true, 0) => 0..0,
            (true, _) => to_len(area.tree_range().start)..to_len(area.tree_range().start) + 1024,
        }
    }

    /// Whether a slot is the image, as whoever mounts it would find.
    pub(crate) fn is_in(&self, data: &[u8], hash: &[u8]) -> bool {
        Verifier::new(self.trusted.clone()).verify(data, hash).is_ok()
            && hash.get(..self.region().len()) == Some(self.region())
    }
}

/// A device of a slot that lets nothing in but what the image has there, or zeros that destroy.
pub(crate) struct Judged<'a, T> {
    pub(crate) device: T,
    pub(crate) expected: &'a [u8],
    /// Where zeros may be written.
    pub(crate) destroyed: Range<usize>,
    pub(crate) writes: AtomicU64,
}

impl<'a> Judged<'a, MemoryFile> {
    /// The data device of a slot.
    pub(crate) fn data(image: &'a Image, bytes: Vec<u8>) -> Self {
        Judged::new(MemoryFile::from(bytes), &image.data, 0..0)
    }

    /// The hash device of a slot.
    pub(crate) fn hash(image: &'a Image, bytes: Vec<u8>) -> Self {
        let tree = image.area().tree_range();
        let destroyed = 0..(to_len(tree.start) + 1024).min(image.hash.len());
        Judged::new(MemoryFile::from(bytes), &image.hash, destroyed)
    }
}

impl<'a, T> Judged<'a, T> {
    pub(crate) fn new(device: T, expected: &'a [u8], destroyed: Range<usize>) -> Self {
        Judged { device, expected, destroyed, writes: AtomicU64::new(0) }
    }

    pub(crate) fn written(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }
}

impl<T: ReadAt> ReadAt for Judged<'_, T> {
    fn len(&self) -> io::Result<u64> {
        self.device.len()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.device.read_at(buf, offset)
    }
}

impl<T: WriteAt> WriteAt for Judged<'_, T> {
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let place = to_len(offset)..to_len(offset) + buf.len();
        let is_right = self.expected.get(place.clone()) == Some(buf);
        let is_zero = buf.iter().all(|byte| *byte == 0)
            && place.start >= self.destroyed.start
            && place.end <= self.destroyed.end;
        assert!(is_right || is_zero, "bytes {place:?} are not the image's");
        self.writes.fetch_add(buf.len() as u64, Ordering::Relaxed);
        self.device.write_at(buf, offset)
    }

    fn resize(&self, _len: u64) -> io::Result<()> {
        panic!("a slot keeps its size")
    }

    fn sync(&self) -> io::Result<()> {
        self.device.sync()
    }
}

/// A source that counts what is read of it.
pub(crate) struct Counting<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) read: AtomicU64,
    pub(crate) requests: AtomicU64,
}

impl<'a> Counting<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Counting<'a> {
        Counting { bytes, read: AtomicU64::new(0), requests: AtomicU64::new(0) }
    }
}

impl ReadAt for Counting<'_> {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(self.bytes)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.read.fetch_add(buf.len() as u64, Ordering::Relaxed);
        self.bytes.read_at(buf, offset)
    }
}

/// A source that other bytes may be put in.
pub(crate) struct Changing(pub(crate) Mutex<Vec<u8>>);

impl Changing {
    pub(crate) fn new(bytes: Vec<u8>) -> Changing {
        Changing(Mutex::new(bytes))
    }

    pub(crate) fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap()
    }
}

impl ReadAt for Changing {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes().len() as u64)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.bytes().read_at(buf, offset)
    }
}

pub(crate) fn settings(threads: usize) -> Settings<'static> {
    let threads = NonZeroUsize::new(threads).unwrap();
    Settings::new().threads(threads).max_requests(threads).bridge(0).chunk(16 * BLOCK as u64)
}

/// What came of an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Installed {
    pub(crate) counts: Counts,
    pub(crate) applied: Applied,
    /// What was read of the source's hash device.
    pub(crate) tree_bytes: u64,
}

/// Installs an image from sources.
pub(crate) fn install<D, H>(
    image: &Image,
    (source, source_hash): (&dyn ReadAt, &dyn ReadAt),
    seeds: &[&dyn ReadAt],
    (data, hash): (&D, &H),
    settings: &Settings<'_>,
) -> Result<Installed, Error>
where
    D: ReadAt + WriteAt,
    H: ReadAt + WriteAt,
{
    let slot_hash: &dyn ReadAt = hash;
    let tree = VerifiedTree::read_beside(&image.trusted, source_hash, Some(slot_hash), settings)?;
    let mut index = DigestIndex::new(&tree);
    index.add_slot(data, settings)?;
    for seed in seeds {
        index.add_seed(*seed, settings)?;
    }
    let plan = Plan::new(index, settings);
    let counts = plan.counts();
    let applied = apply(&plan, seeds, source, data, hash, image.region(), settings)?.finish()?;
    Ok(Installed { counts, applied, tree_bytes: tree.fetched_bytes() })
}
