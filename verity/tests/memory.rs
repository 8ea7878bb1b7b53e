//! Attacks `r` of `docs/ATTACKS.md`: memory does not grow with the image. Each test measures itself
//! in a process of its own, by the peak that the kernel counts (`VmHWM`).

use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::process::Command;

use verity::io::{Cursor, ReadAt, WriteAt};
use verity::{
    Algorithm, BlockRef, BlockSize, Builder, Error, FecArea, HashArea, Params, Repairer, RootHash,
    StreamBuilder, TrustedParams, VerifiedReader, Verifier,
};
use verity_testdata::pattern::Prng;

mod common;
#[path = "common/zeros.rs"]
mod zeros;

const CHILD: &str = "VERITY_MEMORY_TEST";
const MIB: u64 = 1 << 20;
/// What the work may take: far less than any of the trees here, and some times what it needs.
const BOUND: u64 = 32 * MIB;
/// What a whole process may take, with any image.
const RESIDENT: u64 = 64 * MIB;

/// Runs this test again, alone in a process, and does `work` there.
fn alone(name: &str, work: impl FnOnce()) {
    if std::env::var_os(CHILD).is_some() {
        return work();
    }
    let this = std::env::current_exe().expect("this test");
    let status = Command::new(this).args([name, "--exact", "--nocapture"]).env(CHILD, "1").status();
    assert!(status.expect("runs").success(), "{name} in a process of its own");
}

/// Measures how far the peak rises during `work`.
fn bounded(name: &str, work: impl FnOnce()) {
    alone(name, || {
        let before = peak();
        work();
        let growth = peak() - before;
        println!("{name}: {} KiB more", growth / 1024);
        assert!(growth < BOUND, "{growth} bytes");
    });
}

/// Measures all that the process ever had in memory.
fn resident(name: &str, most: u64, work: impl FnOnce()) {
    alone(name, || {
        work();
        println!("{name}: {} KiB in all", peak() / 1024);
        assert!(peak() < most, "{} bytes", peak());
    });
}

/// The most memory that this process ever had, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kibibytes * 1024
}

/// Blocks of 512 bytes that hold their number; every second one is damaged if asked for.
struct Numbered {
    blocks: u64,
    damaged: bool,
}

impl ReadAt for Numbered {
    fn len(&self) -> io::Result<u64> {
        Ok(self.blocks * 512)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        buf.fill(0);
        for (number, block) in (offset / 512..).zip(buf.chunks_exact_mut(512)) {
            block[..8].copy_from_slice(&number.to_le_bytes());
            block[8] = u8::from(self.damaged && number % 2 == 0);
        }
        Ok(buf.len())
    }
}

fn params(algorithm: Algorithm, data_blocks: u64) -> (Params, HashArea) {
    let params = Params::builder()
        .algorithm(algorithm)
        .data_block_size(BlockSize::MIN)
        .hash_block_size(BlockSize::MIN)
        .data_blocks(data_blocks)
        .build()
        .expect("parameters");
    let area = HashArea::new(&params, 0, false).expect("a place");
    (params, area)
}

fn threads() -> NonZeroUsize {
    NonZeroUsize::new(4).expect("four")
}

/// Eight digests in a hash block: the tree is a seventh of the data, 91 MiB.
#[test]
fn r01_neither_builder_nor_verifier_holds_the_tree() {
    bounded("r01_neither_builder_nor_verifier_holds_the_tree", || {
        let (params, area) = params(Algorithm::Sha512, 640 * MIB / 512);
        assert!(area.end() > 90 * MIB);
        let data = Numbered { blocks: params.data_blocks(), damaged: false };
        let hash = tempfile::tempfile().expect("a file");
        let builder = Builder::new(&params).threads(threads());
        let root_hash = builder.build(&data, &hash, &area).expect("a tree");
        let trusted = TrustedParams::pinned(params, root_hash, area).expect("consistent");
        Verifier::new(trusted).threads(threads()).verify(&data, &hash).expect("intact");
    });
}

#[test]
fn r01_data_that_is_pushed_is_not_kept() {
    bounded("r01_data_that_is_pushed_is_not_kept", || {
        let params = Params::builder().data_size(256 * MIB).build().expect("parameters");
        let area = HashArea::new(&params, 0, true).expect("a place");
        let data = Numbered { blocks: 256 * MIB / 512, damaged: false };
        let file = || tempfile::tempfile().expect("a file");
        let expected = Builder::new(&params).threads(threads()).build(&data, &file(), &area);
        let mut stream = StreamBuilder::with_unknown_length(Params::builder(), file(), 0, true)
            .expect("a place")
            .threads(threads());
        let read = stream.read_from(Cursor::new(&data).take(256 * MIB)).expect("taken");
        assert_eq!(read, params.data_size());
        let streamed = stream.finish().expect("a tree");
        assert_eq!(Some(streamed.root_hash), expected.ok());
    });
}

#[test]
fn r05_a_million_corrupt_blocks_make_a_bounded_report() {
    bounded("r05_a_million_corrupt_blocks_make_a_bounded_report", || {
        let (params, area) = params(Algorithm::Sha256, 1 << 21);
        let good = Numbered { blocks: params.data_blocks(), damaged: false };
        let damaged = Numbered { blocks: params.data_blocks(), damaged: true };
        let hash = tempfile::tempfile().expect("a file");
        let builder = Builder::new(&params).threads(threads());
        let root_hash = builder.build(&good, &hash, &area).expect("a tree");
        let trusted = TrustedParams::pinned(params, root_hash, area).expect("consistent");
        let result = Verifier::new(trusted).threads(threads()).verify_all(&damaged, &hash);
        let Err(Error::Corrupt(report)) = result else { panic!("{result:?}") };
        assert_eq!((report.corrupt_blocks, report.corruptions.len()), (1 << 20, 1000));
        assert!(report.truncated);
        assert_eq!(report.corruptions[999].first, BlockRef::Data { block: 1998 });
    });
}

/// Says that it is as long as anything, and has nothing to give.
struct Endless;

impl ReadAt for Endless {
    fn len(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }

    fn read_at(&self, _buf: &mut [u8], _offset: u64) -> io::Result<usize> {
        Ok(0)
    }
}

#[test]
fn g12_claimed_sizes_are_not_allocated() {
    bounded("g12_claimed_sizes_are_not_allocated", || {
        let root_hash: RootHash = "ab".repeat(32).parse().expect("a digest");
        for (data_blocks, hash_block_size) in
            [(1 << 50, BlockSize::MIN), (1 << 50, BlockSize::default()), (1 << 50, BlockSize::MAX)]
        {
            let params = Params::builder()
                .hash_block_size(hash_block_size)
                .data_blocks(data_blocks)
                .build()
                .expect("parameters");
            let area = HashArea::new(&params, 0, true).expect("a place");
            let trusted = TrustedParams::pinned(params, root_hash, area).expect("consistent");
            let verifier = Verifier::new(trusted).threads(threads());
            for result in
                [verifier.verify(&Endless, &Endless), verifier.verify_all(&Endless, &Endless)]
            {
                assert!(matches!(result, Err(Error::Read { .. })), "{result:?}");
            }
        }
    });
}

/// 64 GiB, the usual parameters: the tree alone is 516 MiB.
fn large() -> (Params, HashArea) {
    let params = Params::builder().data_size(64 << 30).build().expect("parameters");
    let area = HashArea::new(&params, 0, false).expect("a place");
    (params, area)
}

#[test]
fn r01_a_sparse_file_of_64_gib_takes_no_more_than_any_other() {
    resident("r01_a_sparse_file_of_64_gib_takes_no_more_than_any_other", RESIDENT, || {
        let (params, area) = large();
        let data = tempfile::tempfile().expect("a file");
        data.set_len(params.data_size()).expect("a hole");
        let hash = tempfile::tempfile().expect("a file");
        let builder = Builder::new(&params).threads(threads());
        let root_hash = builder.build(&data, &hash, &area).expect("a tree");
        let trusted = TrustedParams::pinned(params, root_hash, area).expect("consistent");
        Verifier::new(trusted).threads(threads()).verify(&data, &hash).expect("intact");
    });
}

/// Blocks of 4096 bytes that differ in their first eight: what is before in the buffer stays, since
/// nobody looks at it, and hashing is all that takes time.
struct Cheap(u64);

impl ReadAt for Cheap {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        for (number, block) in (offset / 4096..).zip(buf.chunks_exact_mut(4096)) {
            block[..8].copy_from_slice(&number.to_le_bytes());
        }
        Ok(buf.len())
    }
}

/// Takes everything and keeps nothing.
struct Nowhere;

impl WriteAt for Nowhere {
    fn write_at(&self, buf: &[u8], _offset: u64) -> io::Result<usize> {
        Ok(buf.len())
    }

    fn resize(&self, _len: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn r01_64_gib_without_holes_take_no_more_than_any_other() {
    resident("r01_64_gib_without_holes_take_no_more_than_any_other", RESIDENT, || {
        let (params, area) = large();
        let builder = Builder::new(&params).threads(threads());
        builder.build(&Cheap(params.data_size()), &Nowhere, &area).expect("a tree");
    });
}

/// A sparse image with its tree and parity.
struct Protected {
    trusted: TrustedParams,
    fec_area: FecArea,
    data: File,
    hash: File,
    fec: File,
}

impl Protected {
    /// A hole, but for the first `written` bytes.
    fn new(block_size: u32, roots: u32, size: u64, written: u64) -> Protected {
        let block_size = BlockSize::new(block_size).expect("a block size");
        let params = Params::builder().data_block_size(block_size).hash_block_size(block_size);
        let params = params.data_size(size).build().expect("parameters");
        let area = HashArea::new(&params, 0, false).expect("a place");
        let blocks = params.data_blocks() + area.hash_blocks();
        let fec_area = FecArea::new(&params, &area, roots, blocks, 0).expect("a place");
        let file = || tempfile::tempfile().expect("a file");
        let (data, hash, fec) = (file(), file(), file());
        data.set_len(size).expect("a hole");
        let mut prng = Prng::new(2);
        for offset in (0..written).step_by(1 << 20) {
            data.write_all_at(&prng.bytes(1 << 20), offset).expect("a write");
        }
        let builder = Builder::new(&params).threads(threads());
        let root_hash =
            builder.build_with_fec(&data, &hash, &area, &fec, &fec_area).expect("tree and parity");
        let trusted = TrustedParams::pinned(params, root_hash, area).expect("consistent");
        Protected { trusted, fec_area, data, hash, fec }
    }

    fn damage(&self, block: u64, prng: &mut Prng) {
        let block_size = u64::from(self.fec_area.block_size());
        let bytes = prng.bytes(usize::try_from(block_size).expect("small"));
        self.data.write_all_at(&bytes, block * block_size).expect("a write");
    }
}

/// Few and many roots; blocks as usual, and large ones. Tree and parity are larger than the bound
/// together.
const PROTECTED: [(u32, u32, u64); 4] =
    [(4096, 2, 8 << 30), (4096, 24, 1 << 30), (65536, 2, 8 << 30), (65536, 24, 1 << 30)];

#[test]
fn r01_parity_of_sparse_images_takes_no_more_than_any_other() {
    resident("r01_parity_of_sparse_images_takes_no_more_than_any_other", RESIDENT, || {
        for (block_size, roots, size) in PROTECTED {
            let made = Protected::new(block_size, roots, size, 0);
            let len = made.fec.metadata().expect("a file").len();
            assert_eq!(len, made.fec_area.range().end);
            assert!(len > 60 * MIB, "{len} bytes of parity");
        }
    });
}

/// As much damage in a row as there are roots, and rounds with more than can be repaired.
#[test]
fn r01_repair_takes_no_more_than_any_other() {
    resident("r01_repair_takes_no_more_than_any_other", RESIDENT, || {
        let mut prng = Prng::new(1);
        for (block_size, roots, _) in PROTECTED {
            let written = 64 << 20;
            let image = Protected::new(block_size, roots, 512 << 20, written);
            let (rounds, roots) = (image.fec_area.rounds(), u64::from(roots));
            let lost = rounds / 2;
            // Blocks of zeros would come back without parity.
            assert!((roots + 1) * rounds * u64::from(block_size) <= written);
            (0..rounds * roots).for_each(|block| image.damage(block, &mut prng));
            // One row more than there are roots, in the first rounds.
            (0..lost.min(16)).for_each(|round| image.damage(roots * rounds + round, &mut prng));
            let repairer = Repairer::new(image.trusted, image.fec_area).expect("its area");
            let repaired = repairer
                .threads(threads())
                .repair(&image.data, &image.hash, &image.fec, &())
                .expect("readable");
            assert_eq!(repaired.repaired_blocks, (rounds - lost.min(16)) * roots);
            let beyond = repaired.beyond.expect("more than the roots");
            assert_eq!(beyond.corrupt_blocks, lost.min(16) * (roots + 1));
        }
    });
}

/// Reads here and there, and in a row, over 4 GiB, whose tree is 33 MiB.
fn read_4_gib(threads: u64, cache_size: u64) {
    let (trusted, data, hash) = zeros::four_gib();
    let size = trusted.params().data_size();
    let reader = VerifiedReader::new(trusted, &data, &hash).expect("whole").cache_size(cache_size);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let reader = &reader;
            scope.spawn(move || {
                let mut buf = vec![0xaa; 128 * 1024];
                let mut prng = Prng::new(thread);
                for _ in 0..40_000 / threads {
                    let offset = prng.below(size - 4096);
                    assert_eq!(reader.read_at(&mut buf[..4096], offset).expect("intact"), 4096);
                }
                let part = size / threads;
                for offset in (thread * part..).step_by(buf.len()).take(4096 / 8) {
                    assert_eq!(reader.read_at(&mut buf, offset).expect("intact"), buf.len());
                }
                assert!(buf.iter().all(|byte| *byte == 0));
            });
        }
    });
    // The cache was full all the time.
    let held = cache_size / 4096;
    assert!(reader.counters().hash_blocks_read > 3 * held, "{:?}", reader.counters());
}

#[test]
fn r01_reads_of_one_thread_take_their_cache_and_little_more() {
    let bound = 8 * MIB;
    let most = bound + 16 * MIB;
    resident("r01_reads_of_one_thread_take_their_cache_and_little_more", most, || {
        read_4_gib(1, bound);
    });
}

#[test]
fn r01_reads_of_eight_threads_take_their_cache_and_little_more() {
    let bound = 4 * MIB;
    let most = bound + 16 * MIB;
    resident("r01_reads_of_eight_threads_take_their_cache_and_little_more", most, || {
        read_4_gib(8, bound);
    });
}

/// As long as anything, and full of zeros.
struct EndlessZeros;

impl ReadAt for EndlessZeros {
    fn len(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }

    fn read_at(&self, buf: &mut [u8], _offset: u64) -> io::Result<usize> {
        buf.fill(0);
        Ok(buf.len())
    }
}

/// A reader of 2^49 blocks whose cache may hold all of the tree, and that remembers which blocks it
/// has checked.
#[test]
fn a01_a14_a_reader_takes_no_memory_by_claims() {
    bounded("a01_a14_a_reader_takes_no_memory_by_claims", || {
        let root_hash: RootHash = "ab".repeat(32).parse().expect("a digest");
        let params = Params::builder().data_blocks(1 << 49).build().expect("parameters");
        let area = HashArea::new(&params, 0, true).expect("a place");
        let size = VerifiedReader::<EndlessZeros, EndlessZeros>::cache_size_for(&params);
        let trusted = TrustedParams::pinned(params, root_hash, area).expect("consistent");
        for _ in 0..100 {
            let reader = VerifiedReader::new(trusted.clone(), EndlessZeros, EndlessZeros);
            let reader = reader.expect("long enough").cache_size(size).check_at_most_once(true);
            let result = reader.preload();
            assert!(matches!(result, Err(Error::Corrupt(_))), "{result:?}");
            for offset in [0, 1 << 60] {
                let error = reader.read_at(&mut [0; 4096], offset).expect_err("nothing is right");
                assert!(matches!(error.error, Error::Corrupt(_)), "{error}");
            }
        }
    });
}

/// A sparse image that is right everywhere: bits and hash blocks are for what was read of it.
#[test]
fn a14_what_is_remembered_is_for_what_was_read() {
    bounded("a14_what_is_remembered_is_for_what_was_read", || {
        let (trusted, data, hash) = zeros::four_gib();
        let reader = VerifiedReader::new(trusted, &data, &hash).expect("whole");
        let reader = reader.cache_size(u64::MAX).check_at_most_once(true);
        for offset in (0..4_u64 << 30).step_by(64 << 20) {
            for _ in 0..2 {
                assert_eq!(reader.read_at(&mut [0; 4096], offset).expect("intact"), 4096);
            }
        }
        assert_eq!(reader.counters().unchecked_data_blocks, 64);
    });
}
