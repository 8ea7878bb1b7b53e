//! One thread, no tree: how fast blocks turn into digests, every kernel of ours beside ring and
//! sha2.
//!
//! 256 KiB of blocks that stay in the level-2 cache: block sizes, salts and hash types, and where
//! the blocks begin in a page. Then 64 MiB from memory. `-- sha256/type1/salt32` picks some.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use verity::internals::to_u64;
use verity_benches::{fixture, is_measuring, kernels};
use verity_testdata::pattern::Prng;
use verity_testdata::reference::Scheme;

/// Stays in the level-2 cache.
const CACHED: usize = 256 << 10;
const BLOCK_SIZES: [u32; 3] = [512, 4096, 65_536];
/// Salts: empty, half a cache line, and one after which every word of a block crosses lines.
const SALTS: [usize; 3] = [0, 32, 13];
/// Where the blocks begin in a page.
const OFFSETS: [usize; 3] = [0, 64, 1000];

fn hash(criterion: &mut Criterion) {
    for algorithm in ["sha256", "sha512", "sha3-256", "blake2b-512"] {
        shapes(criterion, algorithm);
        places(criterion, algorithm);
    }
}

/// Blocks and salts of every shape, in the cache, at the start of a page.
fn shapes(criterion: &mut Criterion, algorithm: &str) {
    let size = if is_measuring() { CACHED } else { 128 << 10 };
    for block_size in BLOCK_SIZES {
        for salt in SALTS {
            let scheme = scheme(algorithm, 1, block_size, salt);
            compare(criterion, &scheme, "cache", &Placed::new(size, 0));
        }
    }
    compare(criterion, &scheme(algorithm, 0, 4096, 32), "cache", &Placed::new(size, 0));
}

/// The usual blocks and salt at other places.
fn places(criterion: &mut Criterion, algorithm: &str) {
    let scheme = fixture::scheme(algorithm);
    for offset in OFFSETS {
        compare(criterion, &scheme, &format!("offset{offset}"), &Placed::new(CACHED, offset));
    }
    let size = if is_measuring() { 64 << 20 } else { CACHED };
    compare(criterion, &scheme, "memory", &Placed::new(size, 0));
}

fn scheme(algorithm: &str, hash_type: u32, data_block_size: u32, salt: usize) -> Scheme {
    let salt = Prng::new(2).bytes(salt);
    // A hash block must hold two digests of sha512 only; it is not hashed here.
    Scheme {
        algorithm: algorithm.to_owned(),
        hash_type,
        data_block_size,
        hash_block_size: 4096,
        salt,
    }
}

fn compare(criterion: &mut Criterion, scheme: &Scheme, place: &str, blocks: &Placed) {
    let blocks = blocks.bytes();
    let expected = kernels::expected(scheme, blocks);
    let mut out = vec![0; expected.len()];
    let Scheme { algorithm, hash_type, data_block_size, salt, .. } = scheme;
    let salt = salt.len();
    let name = format!("hash/{algorithm}/type{hash_type}/salt{salt}/{place}/{data_block_size}");
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Bytes(to_u64(blocks.len())));
    for contender in kernels::contenders(scheme) {
        group.bench_function(contender.label(), |bencher| {
            bencher.iter(|| contender.hash_many(black_box(blocks), &mut out));
        });
        // A filter on the command line may have skipped it, so once more.
        out.fill(0);
        contender.hash_many(blocks, &mut out);
        assert!(out == expected, "{}: wrong digests", contender.label());
    }
    group.finish();
}

/// Random bytes that begin at a chosen offset in a page.
struct Placed {
    buffer: Vec<u8>,
    start: usize,
    len: usize,
}

impl Placed {
    const PAGE: usize = 4096;

    fn new(len: usize, offset: usize) -> Placed {
        let buffer = Prng::new(1).bytes(len + 2 * Self::PAGE);
        let start = buffer.as_ptr().align_offset(Self::PAGE) + offset;
        Placed { buffer, start, len }
    }

    fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.start + self.len]
    }
}

/// Short runs, as there are many; the command line may say otherwise.
fn config() -> Criterion {
    let criterion = Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(100));
    criterion.measurement_time(Duration::from_millis(400))
}

criterion_group!(name = benches; config = config(); targets = hash);
criterion_main!(benches);
