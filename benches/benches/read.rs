//! Verified reads beside reads alone and what else could prove them: single random reads by size,
//! sequential reads, one thread and two, the first read of a new reader.
//!
//! The image lies in the page cache and has 256 MiB, or as many as `VERITY_READ_MIB` says.
//! `-- read/random/4096` picks some of the benchmarks.

use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use verity::VerifiedReader;
use verity::internals::to_len;
use verity_benches::is_measuring;
use verity_benches::reads::{BLOCK_SIZE, Contender, KnownImage, Walk, run};

/// Lengths of random reads, in bytes: parts of a block, a block, several.
const SIZES: [usize; 4] = [4096, 512, 1024, 16_384];
/// Lengths of sequential reads, in bytes.
const SEQUENTIAL: usize = 128 << 10;
/// How many places are read: enough to be all over the image.
const PLACES: usize = 1 << 16;
/// Random reads of each thread where threads are compared.
const READS: usize = 1 << 15;

fn read(criterion: &mut Criterion) {
    let image = KnownImage::temporary(image_size());
    let memory = image.bytes_at(0, to_len(image.size()));
    for size in SIZES {
        random(criterion, &image, &memory, size);
    }
    sequential(criterion, &image, &memory);
    threads(criterion, &image);
    first(criterion, &image);
}

/// The image; a small one where nothing is measured.
fn image_size() -> u64 {
    let asked = std::env::var("VERITY_READ_MIB").ok().and_then(|text| text.parse::<u64>().ok());
    let mebibytes = if is_measuring() { asked.unwrap_or(256) } else { 2 };
    mebibytes << 20
}

/// One read after the other, uniform over the image, the cache holding the whole tree.
fn random(criterion: &mut Criterion, image: &KnownImage, memory: &[u8], size: usize) {
    let contenders = [
        Contender::verity(image).expect("a reader"),
        Contender::pread_ring(image),
        Contender::pread(image),
        Contender::verity_slice(image, memory).expect("a reader"),
        Contender::verity_once(image).expect("a reader"),
    ];
    let walk = Walk::random(1, image, size, PLACES);
    let mut group = criterion.benchmark_group(format!("read/random/{size}"));
    group.throughput(Throughput::Bytes(size as u64));
    for contender in contenders {
        contender.check(image, &walk).expect("the bytes of the image");
        let (mut buf, mut places) = (vec![0; size], walk.offsets().iter().cycle());
        group.bench_function(contender.name, |bencher| {
            bencher.iter(|| places.next().map(|&offset| contender.read(&mut buf, offset).is_ok()));
        });
    }
    group.finish();
}

/// The whole image in order, and its hashing alone.
fn sequential(criterion: &mut Criterion, image: &KnownImage, memory: &[u8]) {
    let contenders = [
        Contender::verity(image).expect("a reader"),
        Contender::verity_no_copy(image).expect("a reader"),
        Contender::verity_slice(image, memory).expect("a reader"),
        Contender::hashing(image, memory),
        Contender::pread(image),
        Contender::verity_once(image).expect("a reader"),
    ];
    let walks = [Walk::sequential(0..image.size(), SEQUENTIAL)];
    let mut group = criterion.benchmark_group(format!("read/sequential/{SEQUENTIAL}"));
    group.sample_size(10).throughput(Throughput::Bytes(image.size()));
    for contender in contenders {
        contender.check(image, &walks[0]).expect("the bytes of the image");
        group.bench_function(contender.name, |bencher| {
            bencher.iter_custom(|passes| time(&contender, image, &walks, passes));
        });
    }
    group.finish();
}

/// As many random reads on each thread; the halves of the image in order.
fn threads(criterion: &mut Criterion, image: &KnownImage) {
    let contender = Contender::verity(image).expect("a reader");
    let reads = if is_measuring() { READS } else { 100 };
    let random = |threads: u64| {
        let walk = |seed| Walk::random(seed, image, BLOCK_SIZE, reads);
        (0..threads).map(walk).collect::<Vec<_>>()
    };
    let sequential = |threads: u64| {
        let part = image.size() / threads;
        let walk = |number| Walk::sequential(number * part..(number + 1) * part, SEQUENTIAL);
        (0..threads).map(walk).collect::<Vec<_>>()
    };
    by_threads(criterion, "read/threads/random", image, &contender, random);
    by_threads(criterion, "read/threads/sequential", image, &contender, sequential);
}

fn by_threads(
    criterion: &mut Criterion,
    name: &str,
    image: &KnownImage,
    contender: &Contender<'_>,
    walks: impl Fn(u64) -> Vec<Walk>,
) {
    let mut group = criterion.benchmark_group(name);
    for threads in [1, 2] {
        let walks = walks(threads);
        group.sample_size(10).throughput(Throughput::Bytes(walks.iter().map(Walk::bytes).sum()));
        group.bench_function(BenchmarkId::new("threads", threads), |bencher| {
            bencher.iter_custom(|passes| time(contender, image, &walks, passes));
        });
    }
    group.finish();
}

/// Checks what every read begins with, outside of the time.
fn time(contender: &Contender<'_>, image: &KnownImage, walks: &[Walk], passes: u64) -> Duration {
    (0..passes).map(|_| run(contender, image, walks).expect("the bytes of the image")).sum()
}

/// A block by a reader that has read nothing before: the block, and the hash blocks above it.
fn first(criterion: &mut Criterion, image: &KnownImage) {
    let trusted = image.trusted().expect("a root hash of its length");
    let reader =
        || VerifiedReader::new(trusted.clone(), &image.file, &image.tree).expect("a reader");
    let walk = Walk::random(1, image, BLOCK_SIZE, PLACES);
    for &offset in &walk.offsets()[..10] {
        let mut buf = [0; BLOCK_SIZE];
        reader().read_at(&mut buf, offset).expect("an intact image");
        assert!(image.bytes_at(offset, BLOCK_SIZE) == buf, "other bytes");
    }
    let mut places = walk.offsets().iter().cycle();
    let mut group = criterion.benchmark_group("read/first");
    group.bench_function("verity", |bencher| {
        bencher.iter_batched(
            || (reader(), places.next().copied().unwrap_or_default()),
            |(reader, offset)| {
                let mut buf = [0; BLOCK_SIZE];
                (reader.read_at(&mut buf, offset).is_ok(), buf, reader)
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

/// Short runs, as there are many; the command line may say otherwise.
fn config() -> Criterion {
    let criterion = Criterion::default().warm_up_time(Duration::from_millis(500));
    criterion.measurement_time(Duration::from_secs(2))
}

criterion_group!(name = benches; config = config(); targets = read);
criterion_main!(benches);
