//! In this process, on one thread: blocks to digests, every kernel of ours beside the crates that
//! do it.

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use verity::internals::to_u64;
use verity_benches::fixture;
use verity_benches::kernels::{self, Contender};
use verity_benches::record::{Input, Row, Task};
use verity_testdata::pattern::Prng;
use verity_testdata::reference::Scheme;

/// How many bytes stay in the level-2 cache.
const CACHED: usize = 256 << 10;
/// How often they are hashed, so that a tick of the clock does not count: 128 MiB.
const PASSES: u64 = 512;

/// Measures every task, one after the other.
pub(crate) fn measure(input: &Input, rounds: NonZeroUsize) -> Result<Vec<Row>, String> {
    let size = usize::try_from(input.bytes).map_err(|error| error.to_string())?;
    let memory = Prng::new(input.seed).bytes(size);
    let cached = &memory[..CACHED.min(size)];
    let mut rows = Vec::new();
    for (algorithm, [l2, from_memory]) in [
        ("sha256", [Task::Sha256L2, Task::Sha256Memory]),
        ("sha512", [Task::Sha512L2, Task::Sha512Memory]),
    ] {
        let scheme = fixture::scheme(algorithm);
        rows.extend(contest(
            l2,
            &scheme,
            cached,
            PASSES.min(input.bytes.div_ceil(1 << 18)),
            rounds,
        )?);
        rows.extend(contest(from_memory, &scheme, &memory, 1, rounds)?);
    }
    Ok(rows)
}

fn contest(
    task: Task,
    scheme: &Scheme,
    blocks: &[u8],
    passes: u64,
    rounds: NonZeroUsize,
) -> Result<Vec<Row>, String> {
    let contenders = kernels::contenders(scheme);
    let expected = kernels::expected(scheme, blocks);
    let each = vec![rounds; contenders.len()];
    let seconds = super::rounds::alternate(task.title(), &each, |_, index| {
        timed(&contenders[index], blocks, passes, &expected)
    })?;
    let bytes = passes * to_u64(blocks.len());
    let row = |(contender, seconds): (&Contender, _)| Row {
        task,
        contender: contender.name.to_owned(),
        platform: contender.platform.map(str::to_owned),
        threads: 1,
        bytes,
        seconds,
    };
    Ok(contenders.iter().zip(seconds).map(row).collect())
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
