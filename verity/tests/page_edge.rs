//! Feature `mmap`: blocks that end where memory ends. A kernel that reads a byte behind them, or a
//! line ahead, dies of it, and this program with it.

#![expect(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod common;

use std::fs::File;
use std::os::unix::fs::FileExt;

use memmap2::{MmapOptions, MmapRaw};
use verity::internals::{BlockHasher, Encoder, FecPlatform, Platform};
use verity::{BlockSize, FecArea, HashArea, Params};
use verity_testdata::files;
use verity_testdata::pattern::painted;
use verity_testdata::reference::{self, Scheme};

use self::common::params;

/// A multiple of every page size; more than [`MOST`] blocks of 4096 bytes.
const FILE_SIZE: usize = 256 << 10;
/// At least one page.
const BEHIND: usize = 64 << 10;
/// More than one of the widest groups, and every tail.
const MOST: usize = 40;

/// A file of [`FILE_SIZE`] bytes, mapped with [`BEHIND`] bytes that it does not have: touched, they
/// raise SIGBUS.
struct Edge(MmapRaw);

impl Edge {
    fn of(file: &File) -> Edge {
        let map = MmapOptions::new().len(FILE_SIZE + BEHIND).map_raw_read_only(file).unwrap();
        Edge(map)
    }

    #[expect(unsafe_code, reason = "no safe type has mapped memory that must not be touched")]
    fn bytes(&self) -> &[u8] {
        // SAFETY: the file has these bytes, nothing writes them, and the map lives as long as
        // `self`.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr(), FILE_SIZE) }
    }

    /// Whether the byte at an offset can be read: the kernel looks for us, and returns an error if
    /// not.
    fn can_be_read(&self, offset: usize) -> bool {
        let address = u64::try_from(self.0.as_ptr().addr() + offset).unwrap();
        File::open("/proc/self/mem").unwrap().read_exact_at(&mut [0], address).is_ok()
    }
}

/// Bytes at whose end memory ends.
fn edge() -> Edge {
    let directory = files::tempdir();
    let path = directory.path().join("blocks");
    files::write(&path, &painted(FILE_SIZE));
    let edge = Edge::of(&File::open(&path).unwrap());
    assert!(edge.can_be_read(FILE_SIZE - 1));
    assert!(!edge.can_be_read(FILE_SIZE), "nothing shows a byte read too many");
    edge
}

#[test]
fn no_kernel_reads_behind_the_last_block() {
    let edge = edge();
    for algorithm in ["sha256", "sha512"] {
        for hash_type in [0, 1] {
            for salt in [0, 13, 32] {
                for block_size in [512, 4096] {
                    let scheme = Scheme {
                        algorithm: algorithm.to_owned(),
                        hash_type,
                        data_block_size: block_size,
                        hash_block_size: block_size,
                        salt: painted(salt),
                    };
                    every_count(&scheme, edge.bytes());
                }
            }
        }
    }
}

/// Hashes the last 1, 2, 3 ... blocks by every platform.
fn every_count(scheme: &Scheme, bytes: &[u8]) {
    let size = usize::try_from(scheme.data_block_size).unwrap();
    let last = |count: usize| &bytes[bytes.len() - count * size..];
    let twin = |block| reference::hash_block(scheme, block);
    let digests: Vec<_> = last(MOST).chunks_exact(size).map(twin).collect();
    for platform in Platform::available() {
        let hasher = BlockHasher::with_platform(&params(scheme, 1), platform);
        for count in 1..=MOST {
            let expected = digests[MOST - count..].concat();
            let mut actual = vec![0; expected.len()];
            hasher.hash_many(last(count), size, &mut actual);
            assert!(actual == expected, "{platform}: {scheme:?}, {count} blocks");
        }
    }
}

#[test]
fn no_kernel_for_parity_reads_behind_the_last_row() {
    let edge = edge();
    for block_size in [512, 4096] {
        let block_size = BlockSize::new(block_size).unwrap();
        let params = Params::builder().data_block_size(block_size).hash_block_size(block_size);
        let params = params.data_blocks(300).build().unwrap();
        let hash_area = HashArea::new(&params, 0, false).unwrap();
        for roots in FecArea::ROOTS {
            let fec_area = FecArea::new(&params, &hash_area, roots, 1000, 0).unwrap();
            every_count_of_rows(fec_area, edge.bytes());
        }
    }
}

/// Adds the last 1, 2, 3 ... rows to sums by every platform.
fn every_count_of_rows(fec_area: FecArea, bytes: &[u8]) {
    let row_len = usize::try_from(fec_area.block_size().bytes()).unwrap();
    let sums_len = usize::try_from(fec_area.roots()).unwrap() * row_len;
    let sums = |encoder: &Encoder, count: usize| {
        let mut sums = vec![0; sums_len];
        encoder.add_rows(0, &bytes[bytes.len() - count * row_len..], &mut sums);
        sums
    };
    let counts = || [1, 2, 3, 5, 8, MOST].into_iter();
    let portable = Encoder::new(fec_area, FecPlatform::Portable);
    let expected: Vec<_> = counts().map(|count| sums(&portable, count)).collect();
    for platform in FecPlatform::available() {
        let encoder = Encoder::new(fec_area, platform);
        for (count, expected) in counts().zip(&expected) {
            assert!(sums(&encoder, count) == *expected, "{platform}: {fec_area:?}, {count} rows");
        }
    }
}
