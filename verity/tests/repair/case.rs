//! Images with parity, damage to them, and a sink that knows what is right.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use verity::io::{ReadAt, WriteAt};
use verity::{
    Algorithm, BlockRef, BlockSize, Builder, FecArea, HashArea, HashType, Params, RepairSink,
    Repaired, Repairer, RootHash, Salt, TrustedParams,
};
use verity_testdata::pattern::Prng;

/// What an image is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) algorithm: Algorithm,
    pub(crate) hash_type: HashType,
    pub(crate) block_size: u32,
    pub(crate) data_blocks: u64,
    /// How many blocks' length of it are zeros, in one piece.
    pub(crate) zeros: u64,
    pub(crate) roots: u32,
    /// Covered blocks behind the tree.
    pub(crate) behind: u64,
    /// Whether the parity lies on the hash device.
    pub(crate) same_device: bool,
}

impl Shape {
    /// The usual parameters, but for the size of a block.
    pub(crate) fn small(data_blocks: u64, roots: u32) -> Shape {
        Shape {
            algorithm: Algorithm::Sha256,
            hash_type: HashType::Normal,
            block_size: 512,
            data_blocks,
            zeros: 0,
            roots,
            behind: 0,
            same_device: false,
        }
    }
}

/// An image as it was made.
#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) params: Params,
    pub(crate) hash_area: HashArea,
    pub(crate) fec_area: FecArea,
    pub(crate) root_hash: RootHash,
    pub(crate) data: Vec<u8>,
    /// With the parity, if that is on the same device.
    pub(crate) hash: Vec<u8>,
    pub(crate) fec: Vec<u8>,
}

impl Image {
    pub(crate) fn new(prng: &mut Prng, shape: Shape) -> Image {
        let block_size = BlockSize::new(shape.block_size).unwrap();
        let params = Params::builder()
            .algorithm(shape.algorithm)
            .hash_type(shape.hash_type)
            .data_block_size(block_size)
            .hash_block_size(block_size)
            .data_blocks(shape.data_blocks)
            .salt(Salt::new(&prng.bytes(7)).unwrap())
            .build()
            .unwrap();
        let mut data = prng.bytes(usize::try_from(params.data_size()).unwrap());
        let zeros = size(prng.below(params.data_size()));
        let end = data.len().min(zeros + size(shape.zeros) * size(shape.block_size));
        data[zeros..end].fill(0);
        let hash_area = HashArea::new(&params, 0, true).unwrap();
        let hash = Mutex::new(Vec::new());
        let behind = prng.bytes(size(shape.behind) * size(shape.block_size));
        hash.write_all_at(&behind, hash_area.end()).unwrap();
        let end = hash_area.end() + behind.len() as u64;
        hash.resize(end).unwrap();
        let blocks = shape.data_blocks + hash_area.hash_blocks() + shape.behind;
        let offset = if shape.same_device { end } else { 0 };
        let fec_area = FecArea::new(&params, &hash_area, shape.roots, blocks, offset).unwrap();
        let fec = Mutex::new(Vec::new());
        let target = if shape.same_device { &hash } else { &fec };
        let root_hash = Builder::new(&params)
            .build_with_fec(&data, &hash, &hash_area, target, &fec_area)
            .unwrap();
        let (hash, fec) = (hash.into_inner().unwrap(), fec.into_inner().unwrap());
        let fec = if shape.same_device { hash.clone() } else { fec };
        Image { params, hash_area, fec_area, root_hash, data, hash, fec }
    }

    pub(crate) fn trusted(&self) -> TrustedParams {
        TrustedParams::pinned(self.params.clone(), self.root_hash, self.hash_area).unwrap()
    }

    pub(crate) fn repairer(&self) -> Repairer<'static> {
        Repairer::new(self.trusted(), self.fec_area).unwrap()
    }

    pub(crate) fn block_size(&self) -> usize {
        size(self.params.data_block_size().bytes())
    }

    /// The numbers of data and hash blocks.
    pub(crate) fn proved(&self) -> Range<u64> {
        0..self.params.data_blocks() + self.hash_area.hash_blocks()
    }

    /// The number of a hash block.
    pub(crate) fn hash_number(&self, level: usize, block: u64) -> u64 {
        self.params.data_blocks() + self.params.geometry().levels()[level].start + block
    }

    pub(crate) fn number(&self, block: BlockRef) -> u64 {
        match block {
            BlockRef::Data { block } => block,
            BlockRef::Hash { level, block } => self.hash_number(level.into(), block),
        }
    }

    pub(crate) fn name(&self, number: u64) -> BlockRef {
        let data_blocks = self.params.data_blocks();
        if number < data_blocks {
            return BlockRef::Data { block: number };
        }
        let levels = self.params.geometry().levels();
        let in_level = |level: &usize| {
            let start = self.hash_number(*level, 0);
            (start..start + levels[*level].blocks).contains(&number)
        };
        let level = (0..levels.len()).find(in_level).expect("a block of the tree");
        let block = number - self.hash_number(level, 0);
        BlockRef::Hash { level: u8::try_from(level).unwrap(), block }
    }

    /// Where a covered block lies: on the data device or not, and its bytes there.
    pub(crate) fn place(&self, number: u64) -> (bool, Range<usize>) {
        let data_blocks = self.params.data_blocks();
        let is_data = number < data_blocks;
        let start = match is_data {
            true => size(number) * self.block_size(),
            false => {
                let tree = size(self.hash_area.tree_range().start);
                tree + size(number - data_blocks) * self.block_size()
            }
        };
        (is_data, start..start + self.block_size())
    }

    pub(crate) fn block(&self, number: u64) -> &[u8] {
        let (is_data, range) = self.place(number);
        if is_data { &self.data[range] } else { &self.hash[range] }
    }

    pub(crate) fn is_zeros(&self, number: u64) -> bool {
        self.block(number).iter().all(|byte| *byte == 0)
    }

    /// The covered blocks of a round.
    pub(crate) fn round(&self, round: u64) -> Vec<u64> {
        (round..self.fec_area.blocks()).step_by(size(self.fec_area.rounds())).collect()
    }

    /// The devices of this image.
    pub(crate) fn disks(&self) -> Disks {
        let disk = |bytes: &Vec<u8>| Disk { bytes: bytes.clone(), ..Disk::default() };
        Disks { data: disk(&self.data), hash: disk(&self.hash), fec: disk(&self.fec) }
    }
}

/// What happened to a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    /// Every byte is another one.
    Changed,
    /// Reads fail.
    Unreadable,
}

pub(crate) type Damages = BTreeMap<u64, Damage>;

/// The three devices.
pub(crate) struct Disks {
    pub(crate) data: Disk,
    pub(crate) hash: Disk,
    pub(crate) fec: Disk,
}

impl Disks {
    pub(crate) fn damage(&mut self, image: &Image, prng: &mut Prng, damages: &Damages) {
        for (&number, damage) in damages {
            let (is_data, range) = image.place(number);
            let disk = if is_data { &mut self.data } else { &mut self.hash };
            match damage {
                Damage::Changed => {
                    let change =
                        |byte: &mut u8| *byte ^= u8::try_from(prng.range(1..=255)).unwrap();
                    disk.bytes[range].iter_mut().for_each(change);
                }
                Damage::Unreadable => disk.broken.push(range),
            }
        }
    }

    pub(crate) fn repair(
        &self,
        repairer: &Repairer<'_>,
        sink: &impl RepairSink,
    ) -> Result<Repaired, verity::Error> {
        repairer.repair(&self.data, &self.hash, &self.fec, sink)
    }
}

const EIO: i32 = 5;
/// What the system says of a disk that was taken away.
pub(crate) const ENODEV: i32 = 19;

/// Bytes in memory, read as badly as storage is.
#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) bytes: Vec<u8>,
    /// Where every read fails.
    pub(crate) broken: Vec<Range<usize>>,
    /// Where a read finds that the whole disk was taken away.
    pub(crate) gone: Vec<Range<usize>>,
    /// Whether nothing is broken or gone any more.
    pub(crate) healed: AtomicBool,
    /// The most bytes that one call gives; any number if 0.
    pub(crate) most: usize,
    /// One in so many calls changes a byte of what it gives, or fails; none if 0.
    pub(crate) lies: u64,
    pub(crate) calls: AtomicU64,
    pub(crate) read: AtomicU64,
}

impl ReadAt for Disk {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(&self.bytes)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let most = if self.most == 0 { buf.len() } else { self.most };
        let room = buf.len().min(most);
        let start = size(offset);
        let hit = |range: &Range<usize>| range.start < start + room && range.end > start;
        if !self.healed.load(Ordering::Relaxed) {
            let of = |ranges: &[Range<usize>]| {
                let hits = ranges.iter().filter(|range| hit(range));
                hits.map(|range| range.start).min().unwrap_or(usize::MAX)
            };
            // Of several faults the first one counts.
            let (gone, broken) = (of(&self.gone), of(&self.broken));
            if gone.min(broken) < usize::MAX {
                let code = if gone < broken { ENODEV } else { EIO };
                return Err(io::Error::from_raw_os_error(code));
            }
        }
        let count = self.bytes.read_at(&mut buf[..room], offset)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        let mut prng = Prng::new(call);
        if self.lies > 0 && prng.one_in(self.lies) && count > 0 {
            if prng.one_in(2) {
                return Err(io::Error::from_raw_os_error(EIO));
            }
            buf[size(prng.below(count as u64))] ^= 1 << prng.below(8);
        }
        Ok(count)
    }
}

/// Takes repaired blocks, none twice, all of them right.
pub(crate) struct Checked<'a> {
    image: &'a Image,
    pub(crate) seen: Mutex<BTreeSet<u64>>,
}

impl<'a> Checked<'a> {
    pub(crate) fn new(image: &'a Image) -> Checked<'a> {
        Checked { image, seen: Mutex::default() }
    }

    pub(crate) fn count(&self) -> u64 {
        self.seen.lock().unwrap().len() as u64
    }
}

impl RepairSink for Checked<'_> {
    fn put(&self, block: BlockRef, bytes: &[u8]) -> io::Result<()> {
        let number = self.image.number(block);
        assert!(bytes == self.image.block(number), "{block} is not as it was");
        assert!(self.seen.lock().unwrap().insert(number), "{block} came twice");
        Ok(())
    }
}

/// A number that counts bytes or blocks in memory.
pub(crate) fn size<N: TryInto<usize>>(number: N) -> usize {
    number.try_into().ok().expect("in memory")
}

/// Some of a list, each once.
pub(crate) fn some_of(prng: &mut Prng, list: &[u64], count: usize) -> Vec<u64> {
    let mut list = list.to_vec();
    for index in 0..count.min(list.len()) {
        let other = index + size(prng.below((list.len() - index) as u64));
        list.swap(index, other);
    }
    list.truncate(count);
    list
}
