//! Builder throughput by threads: 64 and 256 MiB, from memory to memory and from file to file.

use std::sync::Mutex;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use verity::Builder;
use verity::io::{ReadAt, WriteAt};
use verity_benches::fixture::{Image, THREADS};

fn build(criterion: &mut Criterion) {
    for &size in Image::sizes() {
        let image = Image::new(size);
        let hash = Mutex::new(image.tree.clone());
        by_threads(criterion, &format!("build/memory/{size}MiB"), &image, &image.data, &hash);
        assert!(hash.into_inner().is_ok_and(|tree| tree == image.tree), "wrong tree");

        let (data, hash) = (Image::file(&image.data), Image::file(&[]));
        by_threads(criterion, &format!("build/file/{size}MiB"), &image, &data, &hash);
    }
}

fn by_threads<D: ReadAt, H: WriteAt>(
    criterion: &mut Criterion,
    name: &str,
    image: &Image,
    data: &D,
    hash: &H,
) {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10).throughput(Throughput::Bytes(image.size()));
    for threads in THREADS {
        let builder = Builder::new(&image.params).threads(threads);
        group.bench_function(BenchmarkId::new("threads", threads), |bencher| {
            bencher.iter(|| {
                let root_hash = builder.build(data, hash, &image.area).expect("a tree");
                assert_eq!(root_hash, image.root_hash);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, build);
criterion_main!(benches);
