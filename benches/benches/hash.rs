//! One thread, no tree: how fast blocks turn into digests, ours beside ring and sha2 used directly.
//!
//! 256 KiB of blocks that stay in the level-2 cache, at two page offsets; for blocks of 4096 bytes also
//! 64 MiB from memory.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ring::digest::{Context, SHA256};
use sha2::Digest as _;
use verity::Params;
use verity::internals::BlockHasher;
use verity_benches::{fixture, is_measuring};
use verity_testdata::pattern::Prng;
use verity_testdata::reference::{self, Scheme};

const DIGEST_SIZE: usize = 32;
/// Where the blocks begin: at a page, and at no boundary of anything.
const OFFSETS: [usize; 2] = [0, 1000];

/// Hashes blocks of that size into digests.
type HashMany = Box<dyn Fn(&[u8], usize, &mut [u8])>;

fn contenders() -> [(&'static str, HashMany); 3] {
    let params = Params::builder()
        .salt(verity::Salt::new(&fixture::salt()).expect("a short salt"))
        .data_blocks(1)
        .build()
        .expect("valid parameters");
    let ours = BlockHasher::new(&params);
    let salted_sha2 = sha2::Sha256::new_with_prefix(fixture::salt());
    let mut salted_ring = Context::new(&SHA256);
    salted_ring.update(&fixture::salt());
    [
        ("verity", Box::new(move |blocks, size, out| ours.hash_many(blocks, size, out))),
        (
            "sha2",
            each_block(move |block, out| {
                out.copy_from_slice(&salted_sha2.clone().chain_update(block).finalize());
            }),
        ),
        (
            "ring",
            each_block(move |block, out| {
                let mut context = salted_ring.clone();
                context.update(block);
                out.copy_from_slice(context.finish().as_ref());
            }),
        ),
    ]
}

fn each_block(hash: impl Fn(&[u8], &mut [u8]) + 'static) -> HashMany {
    Box::new(move |blocks, size, out| {
        for (block, out) in blocks.chunks_exact(size).zip(out.chunks_exact_mut(DIGEST_SIZE)) {
            hash(block, out);
        }
    })
}

fn hash(criterion: &mut Criterion) {
    for block_size in [512, 4096, 65_536] {
        compare(criterion, &format!("hash/cache/{block_size}"), block_size, 256 << 10);
    }
    let size = if is_measuring() { 64 << 20 } else { 1 << 20 };
    compare(criterion, "hash/memory/4096", 4096, size);
}

fn compare(criterion: &mut Criterion, name: &str, block_size: usize, size: usize) {
    let blocks = Prng::new(1).bytes(size);
    let expected = expected(&blocks, block_size);
    let mut placed: Vec<_> = OFFSETS.map(|offset| Placed::new(&blocks, offset)).into();
    let mut out = vec![0; expected.len()];
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Bytes(u64::try_from(size).expect("a length")));
    for (name, hash_many) in contenders() {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                placed.rotate_left(1);
                hash_many(black_box(placed[0].bytes()), block_size, &mut out);
            });
        });
        // A filter on the command line may have skipped it, so once more.
        out.fill(0);
        hash_many(placed[0].bytes(), block_size, &mut out);
        assert!(out == expected, "{name}: wrong digests");
    }
    group.finish();
}

/// The digests by the slow twin.
fn expected(blocks: &[u8], block_size: usize) -> Vec<u8> {
    let scheme = Scheme { salt: fixture::salt().to_vec(), ..Scheme::default() };
    blocks
        .chunks_exact(block_size)
        .flat_map(|block| reference::hash_block(&scheme, block))
        .collect()
}

/// Bytes that begin at a chosen offset in a page.
struct Placed {
    buffer: Vec<u8>,
    start: usize,
    len: usize,
}

impl Placed {
    const PAGE: usize = 4096;

    fn new(bytes: &[u8], offset: usize) -> Placed {
        let mut buffer = vec![0; bytes.len() + 2 * Self::PAGE];
        let start = buffer.as_ptr().align_offset(Self::PAGE) + offset;
        buffer[start..start + bytes.len()].copy_from_slice(bytes);
        Placed { buffer, start, len: bytes.len() }
    }

    fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.start + self.len]
    }
}

criterion_group!(benches, hash);
criterion_main!(benches);
