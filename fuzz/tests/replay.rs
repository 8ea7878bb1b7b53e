//! The fuzz targets without a fuzzer: seeds, damaged seeds and old findings, the same on every run.

use std::path::PathBuf;

use verity::internals::{to_len, to_u64};
use verity_fuzz::{TARGETS, Target, kept, mutate};
use verity_testdata::cases;
use verity_testdata::pattern::Prng;

const MUTATIONS: u32 = 30_000;

/// Targets that take long for an input: one input in so many is run, others for another
/// `VERITY_TEST_SEED`. `VERITY_REPLAY_ALL=1` runs all of them.
const SAMPLED: [(&str, usize); 5] =
    [("certificate", 8), ("fec", 8), ("key", 8), ("pkcs7", 8), ("read", 4)];

#[test]
fn seeds_are_valid_and_differ() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        assert!(seeds.len() > 10, "{}", target.name);
        seeds.iter().for_each(|seed| run(target, seed));
        for (index, seed) in seeds.iter().enumerate() {
            assert!(!seeds[..index].contains(seed), "{}: seed {index} is there twice", target.name);
        }
    }
}

/// A parser that refuses everything would keep every invariant.
#[test]
fn seeds_are_accepted() {
    use verity::table::{DmModCreate, Table, TableOptions};
    let accepts: [fn(&[u8]) -> bool; 14] = [
        |seed| verity::Superblock::parse(seed).is_ok(),
        |seed| {
            let text = std::str::from_utf8(seed).unwrap();
            let options = TableOptions::from_words(text.split_ascii_whitespace());
            text.parse::<Table>().is_ok() || text.parse::<DmModCreate>().is_ok() || options.is_ok()
        },
        |seed| verity_sign::Manifest::parse(seed).is_ok(),
        |seed| {
            let served = verity_fuzz::nbd::serve(seed);
            served.result.is_ok() && served.traffic.requests > 0
        },
        |seed| {
            // Without the damage.
            let (header, steps) = seed.split_at(8);
            let reads = steps.chunks(4).filter(|step| step[0] % 8 < 4).collect::<Vec<_>>().concat();
            verity_fuzz::read::verified_bytes(&[header, &reads].concat()) > 0
        },
        |seed| {
            // One damage alone, to one block.
            let (header, steps) = seed.split_at(8);
            verity_fuzz::fec::repaired_blocks(&[header, &steps[..4]].concat()) > 0
        },
        verity_fuzz::pkcs7::is_accepted,
        |seed| verity_sign::Certificate::parse(seed).is_ok(),
        verity_fuzz::key::is_accepted,
        verity_fuzz::pem::is_accepted,
        verity_fuzz::partition::is_accepted,
        verity_fuzz::dm::is_accepted,
        verity_fuzz::gpt::is_accepted,
        verity_fuzz::popt::is_accepted,
    ];
    for (target, accepts) in TARGETS.into_iter().zip(accepts) {
        for (index, seed) in (target.seeds)().iter().enumerate() {
            assert!(accepts(seed), "{}: seed {index}", target.name);
        }
    }
}

#[test]
fn every_single_bit_flip_of_the_seeds() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        run_sample(target, || seeds.iter().flat_map(|seed| mutate::bit_flips(seed)));
    }
}

#[test]
fn every_truncation_of_the_seeds() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        run_sample(target, || seeds.iter().flat_map(|seed| mutate::truncations(seed)));
    }
}

#[test]
fn mutations_of_the_seeds() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        run_sample(target, || {
            let mut prng = Prng::new(2);
            let seeds = &seeds;
            (0..MUTATIONS).map(move |_| mutate::mutation(seeds, &mut prng))
        });
    }
}

/// What the longest fuzzing reached, every test run reaches.
#[test]
fn kept_inputs() {
    for target in TARGETS {
        let kept = kept::read(target.name).unwrap();
        run_all(target, || kept.iter().cloned());
    }
}

#[test]
fn kept_inputs_are_no_more_than_a_repository_should_hold() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("seeds");
    let sizes =
        std::fs::read_dir(directory).unwrap().map(|it| it.unwrap().metadata().unwrap().len());
    assert!(sizes.sum::<u64>() <= 2 << 20);
}

/// Files in `crashes/` are named after their target: `table-two-counts`.
#[test]
fn old_findings() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("crashes");
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap();
        if name == "README.md" {
            continue;
        }
        let target = TARGETS.into_iter().find(|target| name.starts_with(target.name));
        let target = target.unwrap_or_else(|| panic!("{name}: which target is it for?"));
        run(target, &std::fs::read(&path).unwrap());
    }
}

/// Runs the target on every input, or on some of many.
fn run_sample<I: Iterator<Item = Vec<u8>>>(target: Target, inputs: impl Fn() -> I + Sync) {
    let sampled = SAMPLED.into_iter().find(|(name, _)| *name == target.name);
    let step = match std::env::var_os("VERITY_REPLAY_ALL") {
        Some(_) => 1,
        None => sampled.map_or(1, |(_, step)| step),
    };
    let first = to_len(cases::seed() % to_u64(step));
    run_all(target, || inputs().skip(first).step_by(step));
}

/// Runs the target on every input, on all CPUs: one target takes as long as all others.
fn run_all<I: Iterator<Item = Vec<u8>>>(target: Target, inputs: impl Fn() -> I + Sync) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let inputs = &inputs;
            scope.spawn(move || {
                let mine = inputs().skip(thread).step_by(threads);
                mine.for_each(|input| run(target, &input));
            });
        }
    });
}

fn run(target: Target, input: &[u8]) {
    let _shown = ShownOnPanic { target, input };
    (target.run)(input);
}

/// Names the input of the run that panics.
struct ShownOnPanic<'a> {
    target: Target,
    input: &'a [u8],
}

impl Drop for ShownOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}: input b\"{}\"", self.target.name, self.input.escape_ascii());
        }
    }
}
