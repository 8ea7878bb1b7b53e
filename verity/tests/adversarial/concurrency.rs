//! Attacks `x` of `docs/ATTACKS.md`: threads, cancellation, and panics of the caller's own code.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use verity::internals::{FecPlatform, Kernels, Platform};
use verity::io::ReadAt;
use verity::{BlockRef, Builder, Error, HashArea, Params, TrustedParams, Verifier};
use verity_testdata::pattern::Prng;
use verity_testdata::reference::Scheme;

use super::storage::Meter;
use super::support::{Image, report, small, threads};

#[test]
fn x02_any_number_of_threads_makes_the_same_bytes_and_the_same_report() {
    let image = Image::new(&small(), 9001);
    let mut damaged = image.clone();
    for block in [BlockRef::Hash { level: 0, block: 80 }, BlockRef::Data { block: 17 }] {
        damaged.spoil(block);
    }
    (3000..3500).step_by(3).for_each(|block| damaged.spoil(BlockRef::Data { block }));
    let expected = report(damaged.verify_all());
    for count in 1..=16 {
        let hash = Mutex::new(Vec::new());
        let builder = Builder::new(&image.params).threads(threads(count));
        let built = builder.build(&image.data, &hash, &image.area).unwrap();
        assert_eq!(built, image.root_hash);
        assert!(hash.into_inner().unwrap()[512..] == *image.tree());
        let verifier = Verifier::new(image.pinned()).threads(threads(count));
        verifier.verify(&image.data, &image.hash).unwrap();
        assert_eq!(report(verifier.verify_all(&damaged.data, &damaged.hash)), expected);
    }
}

/// Of data blocks and hash blocks of two sizes, and of a salt that shifts every word.
#[test]
fn x02_every_platform_makes_the_same_bytes_and_the_same_report() {
    for algorithm in ["sha224", "sha256", "sha384", "sha512"] {
        let algorithm = algorithm.to_owned();
        let salt = vec![0xa5; 13];
        let image = Image::new(&Scheme { algorithm, salt, data_block_size: 1024, ..small() }, 3001);
        let mut damaged = image.clone();
        damaged.spoil(BlockRef::Hash { level: 0, block: 80 });
        (0..3000).step_by(7).for_each(|block| damaged.spoil(BlockRef::Data { block }));
        let expected = report(damaged.verify_all());
        for platform in Platform::available() {
            for count in 1..=4 {
                let hash = Mutex::new(Vec::new());
                let builder = Builder::new(&image.params)
                    .kernels(Kernels { hash: platform, fec: FecPlatform::Portable })
                    .threads(threads(count));
                let built = builder.build(&image.data, &hash, &image.area).unwrap();
                assert_eq!(built, image.root_hash, "{platform}");
                assert!(hash.into_inner().unwrap()[512..] == *image.tree(), "{platform}");
                let verifier = Verifier::new(image.pinned())
                    .kernels(Kernels { hash: platform, fec: FecPlatform::Portable })
                    .threads(threads(count));
                verifier.verify(&image.data, &image.hash).unwrap();
                let found = report(verifier.verify_all(&damaged.data, &damaged.hash));
                assert_eq!(found, expected, "{platform}");
            }
        }
    }
}

/// One verifier, one image, sixteen users at once.
#[test]
fn x03_a_shared_verifier_tells_everybody_the_same() {
    let mut image = Image::new(&small(), 3000);
    [5, 6, 1999].iter().for_each(|&block| image.spoil(BlockRef::Data { block }));
    let verifier = Verifier::new(image.pinned());
    let expected = report(verifier.verify_all(&image.data, &image.hash));
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let found = report(verifier.verify_all(&image.data, &image.hash));
                    assert_eq!(found, expected);
                }
            });
        }
    });
}

/// Runs in the pool of a caller who has only one thread to give, and who is busy with it.
#[test]
fn a_caller_inside_a_pool_of_one_thread_is_served() {
    let image = Image::new(&small(), 3000);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    pool.install(|| {
        let hash = Mutex::new(Vec::new());
        let built = Builder::new(&image.params).build(&image.data, &hash, &image.area).unwrap();
        assert_eq!(built, image.root_hash);
        image.verify().unwrap();
        image.verify_all().unwrap();
    });
}

/// The global pool of rayon stays for as long as the process lives, and a child that forks itself
/// off has none of its threads: it would wait for them. Whoever starts it does so here.
#[test]
fn the_global_pool_is_never_started() {
    let image = Image::new(&small(), 3000);
    let hash = Mutex::new(Vec::new());
    Builder::new(&image.params).build(&image.data, &hash, &image.area).unwrap();
    image.verify().unwrap();
    let params = Params::builder().data_size(16 << 20).build().unwrap();
    let area = HashArea::new(&params, 0, false).unwrap();
    let data = vec![7; 16 << 20];
    let root_hash = Builder::new(&params).build(&data, &hash, &area).unwrap();
    let trusted = TrustedParams::pinned(params, root_hash, area).unwrap();
    Verifier::new(trusted).verify_all(&data, &hash).unwrap();
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().unwrap();
}

/// Panics at the read of one place.
struct Panicking<'a>(&'a [u8], u64);

impl ReadAt for Panicking<'_> {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(self.0)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        assert!(!(offset..offset + buf.len() as u64).contains(&self.1), "the caller's own");
        self.0.read_at(buf, offset)
    }
}

/// A panic of the caller's storage reaches the caller: no thread waits for ever, and nothing is
/// verified.
#[test]
fn x04_a_panic_of_the_storage_reaches_the_caller() {
    let image = Image::new(&small(), 9000);
    for count in [1, 4] {
        for place in [0, 1 << 20, image.data.len() as u64 - 1] {
            let data = Panicking(&image.data, place);
            let verifier = Verifier::new(image.pinned()).threads(threads(count));
            let verify = || verifier.verify(&data, &image.hash).map(|_| ());
            assert!(catch_unwind(AssertUnwindSafe(verify)).is_err());
            let build = || {
                let builder = Builder::new(&image.params).threads(threads(count));
                builder.build(&data, &Mutex::new(Vec::new()), &image.area).map(|_| ())
            };
            assert!(catch_unwind(AssertUnwindSafe(build)).is_err());
        }
    }
}

/// Reports sum up to what is promised, and come at least once a buffer of a quarter of a MiB.
#[test]
fn progress_counts_every_byte() {
    let image = Image::new(&small(), 9001);
    let tree = image.tree().len() as u64;
    let data = image.data.len() as u64;
    for count in [1, 3] {
        let meter = Meter::new(u64::MAX);
        let builder = Builder::new(&image.params).threads(threads(count)).progress(&meter);
        builder.build(&image.data, &Mutex::new(Vec::new()), &image.area).unwrap();
        assert_eq!(meter.bytes.load(Ordering::SeqCst), data);
        assert!(meter.calls.load(Ordering::SeqCst) > data / (256 * 1024));
        for all in [false, true] {
            let meter = Meter::new(u64::MAX);
            let verifier = Verifier::new(image.pinned()).threads(threads(count)).progress(&meter);
            match all {
                false => verifier.verify(&image.data, &image.hash).unwrap(),
                true => verifier.verify_all(&image.data, &image.hash).unwrap(),
            };
            assert_eq!(meter.bytes.load(Ordering::SeqCst), data + tree);
            assert!(meter.calls.load(Ordering::SeqCst) > (data + tree) / (256 * 1024));
        }
    }
}

/// After the call that cancels, each thread may still end the buffer that it is at.
#[test]
fn x08_cancelled_work_ends_within_a_buffer_a_thread() {
    let image = Image::new(&small(), 20_000);
    let total = (image.data.len() + image.tree().len()) as u64;
    let mut prng = Prng::new(8);
    for count in [1, 2, 5] {
        for _ in 0..60 {
            let cancel_at = prng.below(20);
            let meter = Meter::new(cancel_at);
            let result = match prng.below(3) {
                0 => Builder::new(&image.params)
                    .threads(threads(count))
                    .progress(&meter)
                    .build(&image.data, &Mutex::new(Vec::new()), &image.area)
                    .map(|_| ()),
                kind => {
                    let verifier =
                        Verifier::new(image.pinned()).threads(threads(count)).progress(&meter);
                    match kind {
                        1 => verifier.verify(&image.data, &image.hash).map(|_| ()),
                        _ => verifier.verify_all(&image.data, &image.hash).map(|_| ()),
                    }
                }
            };
            let calls = meter.calls.load(Ordering::SeqCst);
            let bytes = meter.bytes.load(Ordering::SeqCst);
            assert!(matches!(result, Err(Error::Cancelled)), "{result:?} after {calls} calls");
            let more = calls - 1 - cancel_at;
            assert!(more < 8 + count as u64, "{more} calls after the one that cancelled");
            assert!(bytes < total);
        }
    }
}
