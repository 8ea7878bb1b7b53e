//! How fast this machine hashes when nothing but the CPU counts: on one CPU, on two, and on all of
//! them.
//!
//! The CPUs of a virtual machine are at times two threads of one core; then two of them are far
//! from being twice one, and no program can do anything about it. Figures for two threads mean
//! something only where they were not.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use verity::internals::{BlockHasher, Platform};
use verity::{Algorithm, BlockSize, Params};
use verity_testdata::pattern::Prng;

use crate::machine;
use crate::statistics::Summary;

/// The loop's speed in GB/s, all its threads together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// With one thread.
    pub one: f64,
    /// With two at once.
    pub two: f64,
    /// With as many as there are CPUs.
    pub all: f64,
}

/// Samples around the runs whose figures they are to judge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegisterLoop {
    /// The kernel, which is the fastest one here.
    pub kernel: String,
    /// Taken before the first run.
    pub before: Sample,
    /// Taken after the last one.
    pub after: Sample,
}

/// Two threads that are at least so many times one had a core each.
pub const TWO_CORES: f64 = 1.8;
const SLICE: Duration = Duration::from_millis(100);
const SLICES: usize = 5;

impl Sample {
    /// Takes a sample, which lasts one and a half seconds.
    pub fn take() -> Sample {
        let counts = [1, 2, machine::cpus()];
        let mut speeds = counts.map(|_| Vec::new());
        for _ in 0..SLICES {
            for (count, speeds) in counts.into_iter().zip(&mut speeds) {
                speeds.push(speed_of(count));
            }
        }
        let median = |speeds: &[f64]| Summary::of(speeds).map_or(0.0, |summary| summary.median);
        Sample { one: median(&speeds[0]), two: median(&speeds[1]), all: median(&speeds[2]) }
    }

    /// How many times as fast as one thread two threads are.
    pub fn two_to_one(&self) -> f64 {
        self.two / self.one
    }
}

impl RegisterLoop {
    /// The kernel that the loop runs.
    pub fn kernel() -> &'static str {
        Platform::detect(Algorithm::Sha256).name()
    }

    /// Whether figures of two threads mean anything.
    pub fn two_threads_count(&self) -> bool {
        [self.before, self.after].iter().all(|sample| sample.two_to_one() >= TWO_CORES)
    }
}

/// The speed of several threads that begin together.
fn speed_of(threads: usize) -> f64 {
    let barrier = Barrier::new(threads);
    std::thread::scope(|scope| {
        let hash = |seed| {
            let blocks = Prng::new(seed).bytes(BLOCKS * BLOCK_SIZE);
            barrier.wait();
            hash_for_a_while(&blocks)
        };
        let threads: Vec<_> =
            (0_u64..).take(threads).map(|seed| scope.spawn(move || hash(seed))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(0.0)).sum()
    })
}

/// Enough blocks to fill two groups of the widest lanes, so short that they and the digests stay in
/// the level-1 cache; without salt, so that no line is loaded twice.
const BLOCKS: usize = 32;
const BLOCK_SIZE: usize = 512;

fn hash_for_a_while(blocks: &[u8]) -> f64 {
    const PASSES: u32 = 64;
    let block_size = BlockSize::new(512).expect("a block size");
    let params = Params::builder().data_blocks(1).data_block_size(block_size);
    let hasher = BlockHasher::new(&params.build().expect("valid parameters"));
    let mut out = [0; BLOCKS * 32];
    let mut passes = 0;
    let start = Instant::now();
    while start.elapsed() < SLICE {
        for _ in 0..PASSES {
            hasher.hash_many(std::hint::black_box(blocks), BLOCK_SIZE, &mut out);
            std::hint::black_box(&out);
        }
        passes += PASSES;
    }
    f64::from(passes) * blocks.len() as f64 / start.elapsed().as_secs_f64() / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_threads_count_when_both_samples_say_so() {
        let good = Sample { one: 4.0, two: 7.4, all: 7.4 };
        let shared = Sample { one: 4.0, two: 4.4, all: 4.4 };
        let judged = |before, after| {
            RegisterLoop { kernel: "portable".to_owned(), before, after }.two_threads_count()
        };
        assert!(judged(good, good));
        assert!(!judged(good, shared) && !judged(shared, good));
    }
}
