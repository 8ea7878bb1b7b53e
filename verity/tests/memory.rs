//! Group R: memory does not grow with the image. Each test measures itself in a process of its own, by the
//! peak that the kernel counts (`VmHWM`).

use std::io;
use std::num::NonZeroUsize;
use std::process::Command;

use verity::io::ReadAt;
use verity::{
    Algorithm, BlockRef, BlockSize, Builder, Error, HashArea, Params, RootHash, TrustedParams,
    Verifier,
};

const CHILD: &str = "VERITY_MEMORY_TEST";
const MIB: u64 = 1 << 20;
/// What the work may take: far less than any of the trees here, and some times what it needs.
const BOUND: u64 = 32 * MIB;

/// Runs this test again, alone in a process, and there measures how far the peak rises during `work`.
fn bounded(name: &str, work: impl FnOnce()) {
    if std::env::var_os(CHILD).is_some() {
        let before = peak();
        work();
        let growth = peak() - before;
        println!("{name}: {} KiB", growth / 1024);
        assert!(growth < BOUND, "{growth} bytes");
        return;
    }
    let this = std::env::current_exe().expect("this test");
    let status = Command::new(this).args([name, "--exact"]).env(CHILD, "1").status();
    assert!(status.expect("runs").success(), "{name} in a process of its own");
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
