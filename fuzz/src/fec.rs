//! Repair by forward error correction. Input: a geometry, then damage in steps of four bytes. Every
//! input is valid.
//!
//! Invariants under test:
//! - no input panics; a refusal is one short printable line;
//! - a repair gives a block as it was before the damage, once, and only if it was damaged; so does
//!   a verified read with the parity at hand;
//! - the report agrees: the repaired blocks are those that were given, and "whole" means that no
//!   other is damaged;
//! - every block comes back that must: in each round as many damaged blocks as there are roots, if
//!   the digests above all of them are right, and half as many at any places;
//! - the check of parity names just the rounds whose parity was damaged;
//! - the number of bytes read is bounded by the size of the image and the hash blocks that came
//!   back.

use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use verity::internals::to_u64;
use verity::{
    Algorithm, BlockRef, BlockSize, Builder, Error, FecArea, FecRepair, HashArea, HashType, Params,
    RepairSink, Repaired, Repairer, RootHash, Salt, TrustedParams, VerifiedReader,
};
use verity_testdata::pattern::Prng;

use crate::message;
use crate::number::index;
use crate::source::Source;

/// The bytes before the steps.
const HEADER: usize = 8;
/// An input has at most this many steps; the rest is ignored.
const STEPS: usize = 64;
/// The most damaged blocks that are read one by one: each may cost its whole round.
const READS: usize = 2;

/// Checks the invariants for one input.
///
/// # Panics
/// If one does not hold.
pub fn run(data: &[u8]) {
    let _ = repaired_blocks(data);
}

/// Checks the invariants for one input, and counts the blocks that were repaired.
///
/// # Panics
/// If an invariant does not hold.
pub fn repaired_blocks(data: &[u8]) -> usize {
    let Some((header, steps)) = data.split_first_chunk() else { return 0 };
    let good = Image::new(*header);
    let mut image = good.clone();
    steps.as_chunks().0.iter().take(STEPS).for_each(|step| image.damage(*step));
    // Neither roots nor number of blocks need be true for that.
    let [flags, .., lie] = *header;
    let (roots, blocks) = (good.fec_area.roots(), good.fec_area.blocks());
    let claimed = match lie {
        1 => FecArea::new(&good.params, &good.hash_area, roots + 1, blocks, 0),
        2 => FecArea::new(&good.params, &good.hash_area, roots - 1, blocks, 0),
        3 => FecArea::new(&good.params, &good.hash_area, roots, blocks - 1, 0),
        4 => FecArea::new(&good.params, &good.hash_area, roots, blocks + 255, 0),
        _ => Ok(good.fec_area),
    };
    let fec_area = match claimed {
        Ok(fec_area) => fec_area,
        Err(error) => {
            message::check(&error);
            return 0;
        }
    };
    let run = Run { good, image, fec_area, flags };
    run.check_parity();
    run.check_reads();
    run.check_repair()
}

/// Inputs of many kinds: every number of roots, one block to three rounds, each kind of damage.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for roots in 0..23 {
        let header = [roots & 1, roots, 90, 1, roots, 0, roots, 0];
        seeds.push(seed(header, &[[4, 9, 0, 128 + roots], [3, 200, 0, 0]]));
    }
    for (flags, blocks, foreign) in [(0, 1, 0), (1, 20, 3), (2, 250, 0), (0b1100, 255, 4)] {
        for damage in [[0, 7, 9, 1], [1, 5, 0, 3], [3, 0, 0, 0], [4, 1, 0, 2], [5, 0, 0, 0]] {
            let header = [flags, 6, blocks, 0, foreign, 0, 9, 0];
            seeds.push(seed(header, &[damage]));
            // With parity that is damaged too, or cannot be read.
            seeds.push(seed(header, &[damage, [2, 1, 0, 0]]));
            seeds.push(seed(header, &[damage, [1, 77, 3, 4], [6, 1, 0, 0], [5, 3, 0, 0]]));
        }
    }
    // A block without a tree.
    for damage in [[0, 7, 9, 1], [3, 0, 0, 0], [5, 0, 0, 0]] {
        seeds.push(seed([0, 0, 0, 0, 0, 0, 9, 0], &[damage]));
    }
    seeds
}

fn seed(header: [u8; HEADER], steps: &[[u8; 4]]) -> Vec<u8> {
    [&header[..], steps.as_flattened()].concat()
}

#[derive(Clone)]
struct Image {
    params: Params,
    root_hash: RootHash,
    hash_area: HashArea,
    fec_area: FecArea,
    data: Vec<u8>,
    hash: Vec<u8>,
    fec: Vec<u8>,
    /// Covered blocks, and those of the parity.
    unreadable: Vec<bool>,
    unreadable_fec: Vec<bool>,
}

impl Image {
    fn new([flags, roots, low, high, foreign, shift, salt, _]: [u8; HEADER]) -> Image {
        let mut prng = Prng::new(salt.into());
        let block_size = BlockSize::new(512 << (shift % 2)).expect("a block size");
        let data_blocks = ((1 + to_u64(number(low, high)) % 600) >> (shift % 2)).max(1);
        let sha512 = flags & 1 > 0;
        let params = Params::builder()
            .algorithm(if sha512 { Algorithm::Sha512 } else { Algorithm::Sha256 })
            .hash_type(if flags & 2 > 0 { HashType::ChromeOs } else { HashType::Normal })
            .data_block_size(block_size)
            .hash_block_size(block_size)
            .salt(Salt::new(&prng.bytes(usize::from(salt))).expect("a short salt"))
            .data_blocks(data_blocks)
            .build()
            .expect("parameters of a tree");
        let hash_area = HashArea::new(&params, 0, flags & 4 > 0).expect("a place");
        let foreign = u64::from(foreign % 5);
        let blocks = data_blocks + hash_area.hash_blocks() + foreign;
        let roots = 2 + u32::from(roots) % 23;
        let fec_area = FecArea::new(&params, &hash_area, roots, blocks, 0).expect("a place");
        let mut data = prng.bytes(index(params.data_size()));
        for block in data.chunks_exact_mut(index(block_size.bytes())).skip(3).step_by(5) {
            block.fill(0);
        }
        let end = hash_area.end() + foreign * u64::from(block_size);
        let hash = Mutex::new(prng.bytes(index(end)));
        let fec = Mutex::new(Vec::new());
        let root_hash = Builder::new(&params)
            .threads(NonZeroUsize::MIN)
            .build_with_fec(&data, &hash, &hash_area, &fec, &fec_area)
            .expect("a tree and parity");
        let (hash, fec) =
            (hash.into_inner().expect("no panic"), fec.into_inner().expect("no panic"));
        let unreadable = vec![false; index(blocks)];
        let unreadable_fec = vec![false; fec.len() / index(block_size.bytes())];
        Image {
            params,
            root_hash,
            hash_area,
            fec_area,
            data,
            hash,
            fec,
            unreadable,
            unreadable_fec,
        }
    }

    fn block_size(&self) -> usize {
        index(self.params.data_block_size().bytes())
    }

    fn data_blocks(&self) -> usize {
        index(self.params.data_blocks())
    }

    /// How many blocks have digests: data and tree.
    fn hashed_blocks(&self) -> usize {
        self.data_blocks() + index(self.hash_area.hash_blocks())
    }

    /// How many blocks are covered.
    fn blocks(&self) -> usize {
        self.unreadable.len()
    }

    fn rounds(&self) -> usize {
        index(self.fec_area.rounds())
    }

    fn block(&mut self, block: usize) -> &mut [u8] {
        let (size, start) = (self.block_size(), index(self.hash_area.tree_range().start));
        match block.checked_sub(self.data_blocks()) {
            None => &mut self.data[block * size..][..size],
            Some(block) => &mut self.hash[start + block * size..][..size],
        }
    }

    fn bytes(&self, block: usize) -> &[u8] {
        let (size, start) = (self.block_size(), index(self.hash_area.tree_range().start));
        match block.checked_sub(self.data_blocks()) {
            None => &self.data[block * size..][..size],
            Some(block) => &self.hash[start + block * size..][..size],
        }
    }

    fn damage(&mut self, [kind, low, high, last]: [u8; 4]) {
        let (place, bit) = (number(low, high), 1 << (last % 8));
        let (blocks, size) = (self.blocks(), self.block_size());
        let mut prng = Prng::new(to_u64(place) * 256 + u64::from(last));
        match kind % 8 {
            // A byte of the data, of the tree and what follows it, of the parity.
            0 => self.block(place * 5 / size % self.data_blocks())[place * 5 % size] ^= bit,
            1 if blocks > self.data_blocks() => {
                let block = self.data_blocks() + place / size % (blocks - self.data_blocks());
                self.block(block)[place % size] ^= bit;
            }
            2 if !self.fec.is_empty() => {
                let len = self.fec.len();
                self.fec[place * 3 % len] ^= bit;
            }
            // A block, a burst of blocks, blocks of one round.
            3 => self.block(place % blocks).copy_from_slice(&prng.bytes(size)),
            4 => {
                let step = if last < 128 { 1 } else { self.rounds() };
                let burst = (place % blocks..blocks).step_by(step);
                for block in burst.take(1 + usize::from(last % 32)) {
                    self.block(block).copy_from_slice(&prng.bytes(size));
                }
            }
            5 => self.unreadable[place % blocks] = true,
            6 if !self.fec.is_empty() => {
                let block = place % (self.fec.len() / size).max(1);
                let len = size.min(self.fec.len());
                self.fec[block * size..][..len].copy_from_slice(&prng.bytes(len));
            }
            7 if low == 0 => {
                self.fec.truncate(self.fec.len() - usize::from(last).min(self.fec.len()))
            }
            7 => {
                let blocks = self.unreadable_fec.len();
                self.unreadable_fec[place % blocks] = true;
            }
            _ => {}
        }
    }

    /// The name of a block of the data or the tree.
    fn number(&self, block: BlockRef) -> usize {
        match block {
            BlockRef::Data { block } => index(block),
            BlockRef::Hash { level, block } => {
                let level = self.params.geometry().levels()[usize::from(level)];
                self.data_blocks() + index(level.start + block)
            }
        }
    }

    fn trusted(&self) -> TrustedParams {
        TrustedParams::pinned(self.params.clone(), self.root_hash, self.hash_area)
            .expect("consistent")
    }

    fn storage(&self) -> [Arc<Source<Vec<u8>>>; 3] {
        let size = self.params.data_block_size().bytes();
        let source = |bytes: &Vec<u8>, bad| Arc::new(Source::new(bytes.clone(), size, bad));
        let (data, tree) = self.unreadable.split_at(self.data_blocks());
        // In front of the tree.
        let header = index(self.hash_area.tree_range().start) / self.block_size();
        let hash = [&vec![false; header], tree].concat();
        [
            source(&self.data, data.to_vec()),
            source(&self.hash, hash),
            source(&self.fec, self.unreadable_fec.clone()),
        ]
    }
}

/// What is under test, and what it is measured by.
struct Run {
    good: Image,
    image: Image,
    /// The parity that the repair is told of.
    fec_area: FecArea,
    flags: u8,
}

/// Collects repaired blocks.
#[derive(Default)]
struct Collected(Mutex<Vec<(BlockRef, Vec<u8>)>>);

impl RepairSink for Collected {
    fn put(&self, block: BlockRef, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().expect("no panic").push((block, bytes.to_vec()));
        Ok(())
    }
}

impl Run {
    fn is_damaged(&self, block: usize) -> bool {
        self.image.unreadable[block] || self.image.bytes(block) != self.good.bytes(block)
    }

    fn has_whole_parity(&self) -> bool {
        let readable = !self.image.unreadable_fec.contains(&true);
        readable && self.image.fec == self.good.fec && self.fec_area == self.good.fec_area
    }

    /// Whether every block can be repaired.
    fn can_be_repaired(&self) -> bool {
        let (rounds, roots) = (self.good.rounds(), index(self.good.fec_area.roots()));
        let mut damaged = vec![0; rounds];
        let all = (0..self.good.blocks()).filter(|block| self.is_damaged(*block));
        all.for_each(|block| damaged[block % rounds] += 1);
        let only_data =
            (self.good.data_blocks()..self.good.blocks()).all(|block| !self.is_damaged(block));
        let most = if only_data { roots } else { roots / 2 };
        self.has_whole_parity() && damaged.iter().all(|damaged| *damaged <= most)
    }

    fn repairer(&self) -> Repairer<'static> {
        let threads = if self.flags & 8 > 0 { 2 } else { 1 };
        let limit = if self.flags & 16 > 0 { 2 } else { 1000 };
        Repairer::new(self.good.trusted(), self.fec_area)
            .expect("an area of these parameters")
            .threads(NonZeroUsize::new(threads).expect("one or two"))
            .limit(limit)
    }

    fn check_repair(&self) -> usize {
        let [data, hash, fec] = self.image.storage();
        let sink = Collected::default();
        let result = self.repairer().repair(&*data, &*hash, &*fec, &sink);
        let given = sink.0.into_inner().expect("no panic");
        let repaired = match result {
            Ok(repaired) => repaired,
            Err(error) => {
                message::check(&error);
                assert!(matches!(error, Error::ShortParity { .. }), "{error:?}");
                assert!(to_u64(self.image.fec.len()) < self.fec_area.range().end, "{error}");
                assert!(given.is_empty());
                return 0;
            }
        };
        let mut blocks = BTreeMap::new();
        for (block, bytes) in &given {
            let number = self.good.number(*block);
            assert!(bytes == self.good.bytes(number), "{block}: other bytes");
            assert!(self.is_damaged(number), "{block}: nothing to repair");
            assert!(blocks.insert(*block, number).is_none(), "{block}: twice");
        }
        self.check_report(&repaired, &blocks);
        let size = data.size() + hash.size() + fec.size();
        let asked = data.asked() + hash.asked() + fec.asked();
        let hash_blocks = to_u64(blocks.keys().filter(|block| block.level().is_some()).count());
        assert!(asked <= size * 8 * (2 + hash_blocks), "{asked} bytes asked of {size}");
        given.len()
    }

    fn check_report(&self, repaired: &Repaired, blocks: &BTreeMap<BlockRef, usize>) {
        assert_eq!(repaired.repaired_blocks, to_u64(blocks.len()));
        let listed: Vec<BlockRef> = repaired
            .repaired
            .iter()
            .flat_map(|range| {
                let first = range.first.block();
                (first..first + range.blocks).map(|block| match range.first {
                    BlockRef::Data { .. } => BlockRef::Data { block },
                    BlockRef::Hash { level, .. } => BlockRef::Hash { level, block },
                })
            })
            .collect();
        let given: Vec<BlockRef> = blocks.keys().copied().collect();
        assert_eq!(listed, given[..listed.len()], "the list");
        assert_eq!(repaired.truncated, listed.len() < given.len());
        let left =
            |block: &usize| self.is_damaged(*block) && !blocks.values().any(|it| it == block);
        let left_blocks = to_u64((0..self.good.hashed_blocks()).filter(left).count());
        let left_data = to_u64((0..self.good.data_blocks()).filter(left).count());
        match &repaired.beyond {
            None => assert_eq!(left_blocks, 0, "whole, but damaged"),
            Some(report) => {
                message::check(report);
                assert!(!self.can_be_repaired(), "{report}");
                assert!((1..=left_blocks).contains(&report.corrupt_blocks), "{report}");
                let known = report.corrupt_blocks + report.unchecked_data_blocks;
                assert!(left_data <= known, "{left_data} damaged, but {report}");
                for range in &report.corruptions {
                    assert!(left(&self.good.number(range.first)), "{}: blamed", range.first);
                }
            }
        }
    }

    /// Reads some of the damaged blocks, and some others.
    fn check_reads(&self) {
        let [data, hash, fec] = self.image.storage();
        let trusted = self.good.trusted();
        let repair =
            FecRepair::new(trusted.clone(), self.fec_area, data.clone(), hash.clone(), fec);
        let repair = match repair {
            Ok(repair) => Arc::new(repair),
            Err(error) => return message::check(&error),
        };
        let reader = VerifiedReader::new(trusted, data, hash).expect("long enough").repair(repair);
        let mut buf = vec![0; self.good.block_size()];
        let (damaged, others): (Vec<usize>, Vec<usize>) =
            (0..self.good.data_blocks()).partition(|block| self.is_damaged(*block));
        let some = |blocks: Vec<usize>| {
            let step = (blocks.len() / READS).max(1);
            blocks.into_iter().step_by(step).take(READS).collect::<Vec<_>>()
        };
        for block in some(damaged).into_iter().chain(some(others)) {
            match reader.read_at(&mut buf, to_u64(block * self.good.block_size())) {
                Ok(_) => assert!(buf == self.good.bytes(block), "block {block}: other bytes"),
                Err(error) => {
                    message::check(&error);
                    assert!(!self.can_be_repaired(), "block {block}: {error}");
                }
            }
        }
    }

    /// Checks the parity of an image that is whole.
    fn check_parity(&self) {
        if self.fec_area != self.good.fec_area {
            return;
        }
        let [data, hash, _] = self.good.storage();
        let [_, _, fec] = self.image.storage();
        let report = match self.repairer().verify_parity(&*data, &*hash, &*fec) {
            Ok(report) => report,
            Err(error) => {
                message::check(&error);
                let is_about_parity =
                    matches!(error, Error::ReadParity { .. } | Error::ShortParity { .. });
                assert!(is_about_parity, "{error:?}");
                let short = self.image.fec.len() < self.good.fec.len();
                return assert!(short || self.image.unreadable_fec.contains(&true), "{error}");
            }
        };
        let size = self.good.block_size() * index(self.good.fec_area.roots());
        let rounds = self.image.fec.chunks(size).zip(self.good.fec.chunks(size));
        let differ: Vec<u64> =
            (0..).zip(rounds).filter(|(_, (a, b))| a != b).map(|(round, _)| round).collect();
        assert_eq!(report.rounds, to_u64(differ.len()));
        let listed: Vec<u64> = report.ranges.iter().cloned().flatten().collect();
        assert_eq!(listed, differ[..listed.len()]);
        assert_eq!(report.truncated, listed.len() < differ.len());
    }
}

fn number(low: u8, high: u8) -> usize {
    usize::from(u16::from_le_bytes([low, high]))
}
