//! Attacks `a`: numbers that nothing vouches for, and no end to what they claim.

#![expect(clippy::single_range_in_vec_init, reason = "a list of one range is meant")]

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use verity::io::ReadAt;
use verity::{
    BlockRange, BlockRef, Corruption, Error, FecArea, FecRepair, HashArea, Params, Repaired,
    Repairer, Report, RootHash, TrustedParams, VerifiedReader, Verifier,
};

use super::support::{Image, report, small, threads};

/// Storage without end: some bytes, and zeros behind them. It counts what is read, and loses
/// patience with who reads on and on.
pub(crate) struct Claims {
    bytes: Vec<u8>,
    read: AtomicU64,
    most: u64,
}

impl Claims {
    pub(crate) fn new(bytes: &[u8], most: u64) -> Claims {
        Claims { bytes: bytes.to_vec(), read: AtomicU64::new(0), most }
    }
}

impl ReadAt for Claims {
    fn len(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let before = self.read.fetch_add(buf.len() as u64, Ordering::Relaxed);
        assert!(before < self.most, "{before} bytes were read, and {} more", buf.len());
        buf.fill(0);
        if let Ok(start) = usize::try_from(offset)
            && let Some(bytes) = self.bytes.get(start..)
        {
            let size = bytes.len().min(buf.len());
            buf[..size].copy_from_slice(&bytes[..size]);
        }
        Ok(buf.len())
    }
}

fn trusted(params: &Params, root_hash: RootHash) -> TrustedParams {
    let area = HashArea::new(params, 0, true).unwrap();
    TrustedParams::from_unauthenticated_assumptions(params.clone(), root_hash, area).unwrap()
}

/// 2^49 blocks of 4096 bytes, by a superblock that anybody can write.
fn exabytes() -> (Params, TrustedParams) {
    let params = Params::builder().data_blocks(1 << 49).build().unwrap();
    let trusted = trusted(&params, "ab".repeat(32).parse().unwrap());
    (params, trusted)
}

fn all_data(params: &Params) -> [BlockRange; 1] {
    [BlockRange { first: BlockRef::Data { block: 0 }, blocks: params.data_blocks() }]
}

fn repair(trusted: &TrustedParams, hash: &[u8], most: u64) -> Repaired {
    let (params, area) = (trusted.params(), trusted.hash_area());
    let blocks = params.data_blocks() + area.hash_blocks();
    let fec_area = FecArea::new(params, &area, 2, blocks, 0).unwrap();
    let repairer = Repairer::new(trusted.clone(), fec_area).unwrap().threads(threads(2));
    let [data, fec] = [Claims::new(&[], most), Claims::new(&[], most)];
    repairer.repair(&data, &Claims::new(hash, most), &fec, &()).unwrap()
}

const MIB: u64 = 1 << 20;

#[test]
fn a02_what_hangs_from_a_corrupt_top_hash_block_is_a_range_and_not_walked() {
    let (params, trusted) = exabytes();
    let top = BlockRef::Hash { level: 6, block: 0 };
    let claims = || (Claims::new(&[], MIB), Claims::new(&[], MIB));
    let verifier = Verifier::new(trusted.clone());
    let (data, hash) = claims();
    let first = report(verifier.verify(&data, &hash));
    assert_eq!(first.corruptions[0].first, top);
    let (data, hash) = claims();
    let all = report(verifier.verify_all(&data, &hash));
    assert_eq!((all.corruptions[0].first, all.corrupt_blocks), (top, 1));
    assert_eq!(all.unchecked, all_data(&params));
    assert_eq!(all.unchecked_data_blocks, params.data_blocks());
    let beyond = repair(&trusted, &[], 4 * MIB).beyond.unwrap();
    assert_eq!((beyond.corruptions[0].first, beyond.corrupt_blocks), (top, 1));
    assert_eq!(beyond.unchecked, all_data(&params));
}

/// An unreadable top hash block is no end either.
#[test]
fn a02_what_hangs_from_an_unreadable_top_hash_block_is_not_walked() {
    let (params, trusted) = exabytes();
    let hash = Broken { bytes: Vec::new(), len: u64::MAX, broken: vec![0..u64::MAX] };
    let result = Verifier::new(trusted).verify_all(&Claims::new(&[], MIB), &hash);
    let Err(Error::Unreadable(report)) = result else { panic!("{result:?}") };
    assert_eq!((report.corrupt_blocks, report.unreadable_blocks), (1, 1));
    assert_eq!(report.unchecked, all_data(&params));
}

/// The tree of a real image, said to be the top of a much larger one. Its top hash block is right
/// under the root hash, and so are, as hash blocks, its lower levels and its data.
fn inflated(image: &Image) -> (TrustedParams, Vec<u8>) {
    let levels = image.params.geometry().levels();
    let tops = levels[levels.len() - 1].hashes;
    let params = crate::common::params(&image.scheme, tops * 16_u64.pow(10));
    let trusted = trusted(&params, image.root_hash);
    // Each level of the claimed tree begins where it is said to.
    let geometry = params.geometry();
    let claimed = geometry.levels().iter().rev();
    let mut hash = image.hash[..512].to_vec();
    let mut put = |start: u64, bytes: &[u8]| {
        let start = 512 + usize::try_from(start).unwrap() * 512;
        hash.resize(hash.len().max(start + bytes.len()), 0);
        hash[start..start + bytes.len()].copy_from_slice(bytes);
    };
    for (claimed, real) in claimed.clone().zip(levels.iter().rev()) {
        let start = usize::try_from(real.start).unwrap() * 512;
        let size = usize::try_from(real.blocks).unwrap() * 512;
        put(claimed.start, &image.tree()[start..start + size]);
    }
    put(claimed.clone().nth(levels.len()).unwrap().start, &image.data);
    (trusted, hash)
}

#[test]
fn a02_a_tree_that_is_said_to_be_higher_costs_what_is_proved_and_no_more() {
    for blocks in [20, 300] {
        let image = Image::new(&small(), blocks);
        let (trusted, hash) = inflated(&image);
        let proved = image.params.geometry().hash_blocks() + blocks;
        let most = 512 * 16 * 2 * proved + 2 * MIB;
        let claims = || (Claims::new(&[], most), Claims::new(&hash, most));
        let verifier = Verifier::new(trusted.clone()).threads(threads(2));
        let (data, storage) = claims();
        report(verifier.verify(&data, &storage));
        let (data, storage) = claims();
        let all = report(verifier.verify_all(&data, &storage));
        // Under each block that is right as a hash block all sixteen are wrong.
        assert!(all.corrupt_blocks >= 16 * blocks, "{}", all.corrupt_blocks);
        assert!(all.corrupt_blocks <= 16 * proved, "{}", all.corrupt_blocks);
        assert_eq!(all.unchecked, all_data(trusted.params()));
        let reader =
            VerifiedReader::new(trusted.clone(), Claims::new(&[], most), Claims::new(&hash, most));
        let size = VerifiedReader::<Claims, Claims>::cache_size_for(trusted.params());
        let result = reader.unwrap().cache_size(size).preload();
        assert!(matches!(result, Err(Error::Corrupt(_))), "{result:?}");
        if blocks == 20 {
            // Each corrupt block has a round of its own.
            let beyond = repair(&trusted, &hash, 400 * MIB).beyond.unwrap();
            assert_eq!(beyond.corrupt_blocks, all.corrupt_blocks);
            assert_eq!(beyond.unchecked, all.unchecked);
        }
    }
}

/// A hash block in the middle is corrupt: the data under it is one range of the report, and all
/// other blocks are looked at, those behind it too.
#[test]
fn a02_other_blocks_are_looked_at_around_what_cannot_be_proved() {
    let mut image = Image::new(&small(), 20_000);
    let [corrupt, before, behind] = [
        BlockRef::Hash { level: 2, block: 1 },
        BlockRef::Data { block: 4095 },
        BlockRef::Data { block: 8192 },
    ];
    [corrupt, before, behind].iter().for_each(|block| image.spoil(*block));
    // Whatever lies under it is not looked at.
    image.spoil(BlockRef::Data { block: 5000 });
    image.spoil(BlockRef::Hash { level: 0, block: 300 });
    let all = report(image.verify_all());
    let found: Vec<BlockRef> = all.corruptions.iter().map(|range| range.first).collect();
    assert_eq!(found, [corrupt, before, behind]);
    let under = BlockRange { first: BlockRef::Data { block: 4096 }, blocks: 4096 };
    assert_eq!((all.unchecked, all.unchecked_data_blocks), (vec![under], 4096));
}

/// The same in a repair, where what cannot be proved is long enough not to be walked, and has
/// blocks before and behind it.
#[test]
fn a02_a_repair_looks_around_what_cannot_be_proved() {
    let mut image = Image::new(&small(), 140_000);
    let [corrupt, before, behind] = [
        BlockRef::Hash { level: 3, block: 1 },
        BlockRef::Data { block: 65_535 },
        BlockRef::Data { block: 131_072 },
    ];
    [corrupt, before, behind].iter().for_each(|block| image.spoil(*block));
    let blocks = image.params.data_blocks() + image.area.hash_blocks();
    let fec_area = FecArea::new(&image.params, &image.area, 2, blocks, 0).unwrap();
    let repairer = Repairer::new(image.pinned(), fec_area).unwrap().threads(threads(2));
    // This parity gives nothing back.
    let fec = Claims::new(&[], 64 * MIB);
    let beyond = repairer.repair(&image.data, &image.hash, &fec, &()).unwrap().beyond.unwrap();
    let found: Vec<BlockRef> = beyond.corruptions.iter().map(|range| range.first).collect();
    assert_eq!(found, [corrupt, before, behind]);
    let under = BlockRange { first: BlockRef::Data { block: 65_536 }, blocks: 65_536 };
    assert_eq!((beyond.unchecked, beyond.unchecked_data_blocks), (vec![under], 65_536));
}

/// What comes first in the order is what counts: behind a corrupt hash block, others of its level
/// need not be read.
#[test]
fn a_corrupt_hash_block_comes_before_one_that_cannot_be_read() {
    let mut image = Image::new(&small(), 40_000);
    let (corrupt, lost) =
        (BlockRef::Hash { level: 0, block: 3 }, BlockRef::Hash { level: 0, block: 2000 });
    image.spoil(corrupt);
    let range = image.range(lost);
    let hash = Broken::new(&image.hash, vec![range.start as u64..range.end as u64]);
    for count in [1, 2, 4] {
        let verifier = Verifier::new(image.pinned()).threads(threads(count));
        let found = report(verifier.verify(&image.data, &hash));
        assert_eq!(found.corruptions[0].first, corrupt);
    }
}

/// Storage of which some bytes cannot be read.
struct Broken {
    bytes: Vec<u8>,
    len: u64,
    broken: Vec<Range<u64>>,
}

impl Broken {
    fn new(bytes: &[u8], broken: Vec<Range<u64>>) -> Broken {
        Broken { bytes: bytes.to_vec(), len: bytes.len() as u64, broken }
    }
}

impl ReadAt for Broken {
    fn len(&self) -> io::Result<u64> {
        Ok(self.len)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let end = offset.saturating_add(buf.len() as u64);
        match self.broken.iter().any(|range| range.start < end && offset < range.end) {
            true => Err(io::Error::from_raw_os_error(5)),
            false => self.bytes.read_at(buf, offset),
        }
    }
}

fn listed(report: &Report) -> Vec<(BlockRef, u64, bool)> {
    let is_unreadable = |corruption| matches!(corruption, Corruption::Unreadable { .. });
    let ranges = report.corruptions.iter();
    ranges.map(|range| (range.first, range.blocks, is_unreadable(range.corruption))).collect()
}

#[test]
fn a_search_for_all_goes_on_past_blocks_that_cannot_be_read() {
    let mut image = Image::new(&small(), 5000);
    let data = |block| BlockRef::Data { block };
    // In a run with others, at its edges, over two runs; and a hash block with all under it.
    let lost = BlockRef::Hash { level: 0, block: 200 };
    let range = image.range(lost);
    let hash = Broken::new(&image.hash, vec![range.start as u64..range.end as u64]);
    let broken = vec![7 * 512 + 100..7 * 512 + 101, 511 * 512..514 * 512, 4999 * 512..5000 * 512];
    let verifier = Verifier::new(image.pinned());
    for count in [1, 4] {
        let verifier = verifier.clone().threads(threads(count));
        let result = verifier.verify_all(&Broken::new(&image.data, broken.clone()), &hash);
        let Err(Error::Unreadable(found)) = result else { panic!("{result:?}") };
        let expected =
            [(lost, 1, true), (data(7), 1, true), (data(511), 3, true), (data(4999), 1, true)];
        assert_eq!(listed(&found), expected);
        assert_eq!((found.corrupt_blocks, found.unreadable_blocks), (6, 6));
        assert_eq!(found.unchecked, [BlockRange { first: data(3200), blocks: 16 }]);
    }
    // Something that is corrupt beside them makes it another answer.
    image.spoil(data(8));
    let storage = Broken::new(&image.data, broken.clone());
    let found = report(verifier.verify_all(&storage, &hash));
    assert_eq!(listed(&found)[1..3], [(data(7), 1, true), (data(8), 1, false)]);
    assert_eq!((found.corrupt_blocks, found.unreadable_blocks), (7, 6));
    // A search for the first finding ends there.
    let result = verifier.verify(&storage, &image.hash);
    assert!(matches!(result, Err(Error::Read { block: BlockRef::Data { block: 7 }, .. })));
}

/// Every block is corrupt and the parity is garbage: where nothing vouches for the parameters, a
/// few rounds show that.
#[test]
fn a02_parity_of_something_else_is_not_tried_on_every_round() {
    let image = Image::new(&small(), 10_000);
    let blocks = 10_000 + image.area.hash_blocks();
    let fec_area = FecArea::new(&image.params, &image.area, 24, blocks, 0).unwrap();
    assert!(fec_area.rounds() > 40);
    let garbage = |len| verity_testdata::pattern::Prng::new(7).bytes(len);
    let fec = garbage(usize::try_from(fec_area.size()).unwrap());
    let read = |trusted: TrustedParams| {
        let repairer = Repairer::new(trusted, fec_area).unwrap().threads(threads(2));
        let data = Claims::new(&garbage(10_000 * 512), u64::MAX);
        let beyond = repairer.repair(&data, &image.hash, &fec, &()).unwrap().beyond.unwrap();
        assert_eq!(beyond.corrupt_blocks, 10_000);
        data.read.into_inner()
    };
    // All blocks once, and 231 of each of 16 rounds, twice.
    let most = 10_000 * 512 + 16 * 231 * 512 * 2 + MIB / 4;
    let root_hash = image.pinned().root_hash();
    assert!(read(trusted(&image.params, root_hash)) <= most);
    assert!(read(image.pinned()) > most);
}

/// A round that cannot be solved is tried once, whichever of its blocks are asked for.
#[test]
fn a06_rounds_that_cannot_be_solved_are_remembered() {
    let image = Image::new(&small(), 3000);
    let blocks = 3000 + image.area.hash_blocks();
    let fec_area = FecArea::new(&image.params, &image.area, 24, blocks, 0).unwrap();
    let garbage = |len| verity_testdata::pattern::Prng::new(5).bytes(len);
    let fec = garbage(usize::try_from(fec_area.size()).unwrap());
    let storage = |bytes: &[u8]| Arc::new(Claims::new(bytes, u64::MAX));
    let (data, hash) = (storage(&garbage(3000 * 512)), storage(&image.hash));
    let repair = FecRepair::new(image.pinned(), fec_area, data.clone(), hash.clone(), fec);
    let reader = VerifiedReader::new(image.pinned(), data.clone(), hash.clone()).unwrap();
    let reader = reader.repair(Arc::new(repair.unwrap()));
    let read_all = || {
        let before = data.read.load(Ordering::Relaxed);
        for block in 0..3000 {
            reader.read_at(&mut [0; 512], block * 512).unwrap_err();
        }
        data.read.load(Ordering::Relaxed) - before
    };
    // A round has 231 blocks of 512 bytes: at most two reads of each, and three of the lost ones.
    assert!(read_all() <= 3000 * 512 + 5 * fec_area.rounds() * 231 * 512);
    assert_eq!(read_all(), 3000 * 512);
}
