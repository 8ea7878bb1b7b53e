//! In this process, on one thread: blocks to digests, every kernel of ours beside the crates that
//! do it.

use std::hint::black_box;
use std::time::{Duration, Instant};

use verity::internals::to_u64;
use verity_benches::fixture;
use verity_benches::kernels::{self, Contender};
use verity_benches::probe::{Limit, Place};
use verity_benches::record::{Input, Row, Task};
use verity_testdata::pattern::Prng;
use verity_testdata::reference::Scheme;

use super::rounds::{Pace, Rounds};

/// How many bytes stay in the level-2 cache.
const CACHED: usize = 256 << 10;
/// How often they are hashed, so that a tick of the clock does not count: 128 MiB.
const PASSES: u64 = 512;

/// Measures every task, one after the other, and all the while what the core allows.
pub(crate) fn measure(input: &Input, pace: Pace) -> Result<(Vec<Row>, Vec<Limit>), String> {
    let size = usize::try_from(input.bytes).map_err(|error| error.to_string())?;
    let memory = Prng::new(input.seed).bytes(size);
    let cached = &memory[..CACHED.min(size)];
    let mut rows = Vec::new();
    let mut limits = if pace.is_probed { Limit::of_this_cpu() } else { Vec::new() };
    for (algorithm, [l2, from_memory]) in [
        ("sha256", [Task::Sha256L2, Task::Sha256Memory]),
        ("sha512", [Task::Sha512L2, Task::Sha512Memory]),
    ] {
        let scheme = fixture::scheme(algorithm);
        let passes = PASSES.min(input.bytes.div_ceil(1 << 18));
        rows.extend(contest(l2, &scheme, cached, passes, pace, &mut limits)?);
        rows.extend(contest(from_memory, &scheme, &memory, 1, pace, &mut limits)?);
    }
    Ok((rows, limits))
}

fn contest(
    task: Task,
    scheme: &Scheme,
    blocks: &[u8],
    passes: u64,
    pace: Pace,
    limits: &mut [Limit],
) -> Result<Vec<Row>, String> {
    let contenders = kernels::contenders(scheme);
    let expected = kernels::expected(scheme, blocks);
    let each = vec![pace.rounds; contenders.len()];
    let (name, budget) = (task.title(), pace.budget);
    let rounds =
        Rounds { name, each: &each, pairs: &[], budget, place: pace.place(Place::ThisThread) };
    let samples = rounds.run(|_, index| {
        Limit::add_turn(limits);
        timed(&contenders[index], blocks, passes, &expected)
    })?;
    let bytes = passes * to_u64(blocks.len());
    let row = |(contender, samples): (&Contender, _)| {
        Row::new(task, contender.name, 1, bytes, samples).on(contender.platform)
    };
    Ok(contenders.iter().zip(samples).map(row).collect())
}

/// Hashes, and checks the digests when the clock has stopped.
fn timed(
    contender: &Contender,
    blocks: &[u8],
    passes: u64,
    expected: &[u8],
) -> Result<Duration, String> {
    // Touched before the clock starts, so that no page has to be found meanwhile.
    let mut out = vec![0xff; expected.len()];
    let start = Instant::now();
    for _ in 0..passes {
        contender.hash_many(black_box(blocks), &mut out);
        black_box(&out);
    }
    let time = start.elapsed();
    if out == expected { Ok(time) } else { Err(format!("{}: wrong digests", contender.label())) }
}
