//! Verifier throughput by threads: 64 and 256 MiB, from memory and from files.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use verity::io::ReadAt;
use verity::{TrustedParams, Verifier};
use verity_benches::fixture::{Image, THREADS};

fn verify(criterion: &mut Criterion) {
    for &size in Image::sizes() {
        let image = Image::new(size);
        by_threads(
            criterion,
            &format!("verify/memory/{size}MiB"),
            &image,
            &image.data,
            &image.tree,
        );

        let (data, hash) = (Image::file(&image.data), Image::file(&image.tree));
        by_threads(criterion, &format!("verify/file/{size}MiB"), &image, &data, &hash);
    }
}

fn by_threads<D: ReadAt, H: ReadAt>(
    criterion: &mut Criterion,
    name: &str,
    image: &Image,
    data: &D,
    hash: &H,
) {
    let trusted = TrustedParams::pinned(image.params.clone(), image.root_hash, image.area);
    let verifier = Verifier::new(trusted.expect("a root hash of its length"));
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10).throughput(Throughput::Bytes(image.size()));
    for threads in THREADS {
        let verifier = verifier.clone().threads(threads);
        group.bench_function(BenchmarkId::new("threads", threads), |bencher| {
            bencher.iter(|| {
                let verified = verifier.verify(data, hash).expect("an intact image");
                assert_eq!(verified.data_blocks, image.params.data_blocks());
            });
        });
    }
    group.finish();
}

criterion_group!(benches, verify);
criterion_main!(benches);
