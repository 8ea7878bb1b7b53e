//! Forward error correction: encoding and recovering in memory, every kernel of ours beside the
//! crates that work codeword by codeword; building with parity and repair, by threads.
//! `-- encode/2` picks some of them.

use std::sync::Mutex;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use verity::internals::to_len;
use verity::io::{ReadAt, WriteAt};
use verity::{BlockRef, Builder, FecArea, RepairSink, Repairer, TrustedParams};
use verity_benches::fec::{self, Contender, Damage, Loss, Message, ROOTS, decoders, encoders};
use verity_benches::fixture::{Image, THREADS};
use verity_benches::is_measuring;

fn memory(criterion: &mut Criterion) {
    for roots in ROOTS {
        let message = || fec::random_message(if is_measuring() { 64 << 8 } else { 300 }, roots, 1);
        let message = message();
        let size = message.parity.len();
        compare(criterion, &format!("fec/encode/{roots}"), &encoders(message.area), &message, size);
        let loss = Loss::new(message, 2);
        let decoders = decoders(loss.message.area);
        compare(criterion, &format!("fec/recover/{roots}"), &decoders, &loss, loss.lost());
    }
}

/// `size` is the length of the output.
fn compare<I: AsRef<[u8]> + 'static>(
    criterion: &mut Criterion,
    name: &str,
    contenders: &[Contender<I>],
    input: &I,
    size: usize,
) {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10).throughput(Throughput::Bytes(input.as_ref().len() as u64));
    let mut out = vec![0; size];
    for contender in contenders {
        group.bench_function(contender.label(), |bencher| {
            bencher.iter(|| contender.run(input, &mut out));
        });
        // A filter on the command line may have skipped it, so once more.
        out.fill(0);
        contender.run(input, &mut out);
        contender.check(input, &out).expect("the right bytes");
    }
    group.finish();
}

/// Tree and parity of an image.
struct WithParity {
    image: Image,
    area: FecArea,
    parity: Vec<u8>,
}

impl WithParity {
    fn new(mebibytes: usize, roots: u32) -> WithParity {
        let image = Image::new(mebibytes);
        let blocks = image.params.data_blocks() + image.area.hash_blocks();
        let area = FecArea::new(&image.params, &image.area, roots, blocks, 0).expect("2 to 24");
        let message = [&image.data[..], &image.tree].concat();
        let mut parity = vec![0; to_len(area.range().end)];
        let contenders = encoders(area);
        let message = Message { bytes: message, area, parity: Vec::new() };
        contenders[0].run(&message, &mut parity);
        WithParity { image, area, parity }
    }
}

fn build(criterion: &mut Criterion) {
    for roots in ROOTS {
        for &size in Image::sizes() {
            let with = WithParity::new(size, roots);
            let (hash, fec) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
            let name = |place| format!("fec/build/{roots}/{place}/{size}MiB");
            build_by_threads(criterion, &name("memory"), &with, &with.image.data, &hash, &fec);
            let data = Image::file(&with.image.data);
            let (hash, fec) = (Image::file(&[]), Image::file(&[]));
            build_by_threads(criterion, &name("file"), &with, &data, &hash, &fec);
        }
    }
}

fn build_by_threads<D: ReadAt, H: ReadAt + WriteAt>(
    criterion: &mut Criterion,
    name: &str,
    with: &WithParity,
    data: &D,
    hash: &H,
    fec: &H,
) {
    let WithParity { image, area, parity } = with;
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10).throughput(Throughput::Bytes(image.size()));
    for threads in THREADS {
        let builder = Builder::new(&image.params).threads(threads);
        let build = || {
            let root_hash = builder.build_with_fec(data, hash, &image.area, fec, area);
            assert_eq!(root_hash.expect("tree and parity"), image.root_hash);
        };
        group.bench_function(BenchmarkId::new("threads", threads), |bencher| bencher.iter(build));
        build();
        let mut made = vec![0; parity.len()];
        fec.read_exact_at(&mut made, 0).expect("the parity just made");
        assert!(made == *parity, "wrong parity");
    }
    group.finish();
}

/// In memory, one block in a thousand with 2 roots and one in a hundred with 24.
fn repair(criterion: &mut Criterion) {
    for (roots, one_in) in [(2, 1000), (24, 100)] {
        for &size in Image::sizes() {
            let with = WithParity::new(size, roots);
            let name = format!("fec/repair/{roots}/{size}MiB");
            repair_by_threads(criterion, &name, &with, one_in);
        }
    }
}

fn repair_by_threads(criterion: &mut Criterion, name: &str, with: &WithParity, one_in: u64) {
    let WithParity { image, area, parity } = with;
    let corrupt = to_len((area.blocks() / one_in).max(1));
    let damage = Damage::scattered(&image.params, area, corrupt, 1);
    let (data, hash) = (Image::file(&image.data), Image::file(&image.tree));
    let trusted = TrustedParams::pinned(image.params.clone(), image.root_hash, image.area);
    let repairer = Repairer::new(trusted.expect("a root hash of its length"), *area);
    let repairer = repairer.expect("an area of these parameters");
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10).throughput(Throughput::Bytes(image.size()));
    for threads in THREADS {
        let repairer = repairer.clone().threads(threads);
        let inflict = || damage.inflict(&image.params, &image.area, &data, &hash).expect("space");
        let repair = |()| {
            let sink = InPlace { image, data: &data, hash: &hash };
            let repaired =
                repairer.repair(&data, &hash, parity, &sink).expect("what can be repaired");
            assert!(repaired.beyond.is_none(), "{repaired:?}");
            assert_eq!(repaired.repaired_blocks, damage.blocks.len() as u64);
        };
        group.bench_function(BenchmarkId::new("threads", threads), |bencher| {
            bencher.iter_batched(inflict, repair, BatchSize::PerIteration);
        });
        inflict();
        repair(());
        let (mut data_now, mut hash_now) = (image.data.clone(), image.tree.clone());
        data.read_exact_at(&mut data_now, 0).expect("the image");
        hash.read_exact_at(&mut hash_now, 0).expect("the tree");
        assert!(data_now == image.data && hash_now == image.tree, "not what it was");
    }
    group.finish();
}

/// Puts repaired blocks back where they came from.
struct InPlace<'a, F> {
    image: &'a Image,
    data: &'a F,
    hash: &'a F,
}

impl<F: WriteAt> RepairSink for InPlace<'_, F> {
    fn put(&self, block: BlockRef, bytes: &[u8]) -> std::io::Result<()> {
        let size = u64::from(self.image.params.data_block_size());
        match block {
            BlockRef::Data { block } => self.data.write_all_at(bytes, block * size),
            BlockRef::Hash { level, block } => {
                let level = self.image.params.geometry().levels()[usize::from(level)];
                let start = self.image.area.tree_range().start;
                self.hash.write_all_at(bytes, start + (level.start + block) * size)
            }
        }
    }
}

/// Short runs, as there are many; the command line may say otherwise.
fn config() -> Criterion {
    let criterion = Criterion::default().warm_up_time(Duration::from_millis(500));
    criterion.measurement_time(Duration::from_secs(2))
}

criterion_group!(name = benches; config = config(); targets = memory, build, repair);
criterion_main!(benches);
