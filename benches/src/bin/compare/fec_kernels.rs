//! In this process, on one thread: blocks to parity and lost blocks out of the others, every kernel
//! of ours beside the crates that encode and decode codewords, and beside reading the same memory
//! once.

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::time::Instant;

use verity_benches::fec::{self, Contender, Loss};
use verity_benches::reads::BLOCK_SIZE;
use verity_benches::record::{Input, Row, Task};

use super::fec::share;
use super::rounds;

/// Measures every task, one after the other.
pub(crate) fn measure(input: &Input, rounds: NonZeroUsize) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for (roots, encode, recover) in
        [(2, Task::EncodeFec2, Task::RecoverFec2), (24, Task::EncodeFec24, Task::RecoverFec24)]
    {
        let blocks = share(input, roots).bytes / BLOCK_SIZE as u64;
        let message = fec::random_message(blocks, roots, input.seed);
        let encoders = fec::encoders(message.area);
        rows.extend(contest(encode, &encoders, &message, message.parity.len(), rounds)?);
        // The peers take as long for a quarter of it.
        let loss = Loss::new(fec::random_message(blocks / 4, roots, input.seed), input.seed);
        let decoders = fec::decoders(loss.message.area);
        rows.extend(contest(recover, &decoders, &loss, loss.lost(), rounds)?);
    }
    Ok(rows)
}

/// Measures contenders whose output has `size` bytes, checked when the clock has stopped.
fn contest<I: AsRef<[u8]> + 'static>(
    task: Task,
    contenders: &[Contender<I>],
    input: &I,
    size: usize,
    rounds: NonZeroUsize,
) -> Result<Vec<Row>, String> {
    let each = contenders.iter().map(|it| rounds::few_if(it.is_slow(), rounds));
    let each: Vec<_> = each.collect();
    let seconds = rounds::alternate(task.title(), &each, |_, index| {
        // Touched before the clock starts, so that no page has to be found meanwhile.
        let mut out = vec![0xff; size];
        let start = Instant::now();
        contenders[index].run(black_box(input), &mut out);
        black_box(&out);
        let time = start.elapsed();
        contenders[index].check(input, &out).map(|()| time)
    })?;
    let row = |(contender, seconds): (&Contender<I>, _)| Row {
        task,
        contender: contender.name.to_owned(),
        platform: contender.platform.map(str::to_owned),
        threads: 1,
        bytes: input.as_ref().len() as u64,
        seconds,
    };
    Ok(contenders.iter().zip(seconds).map(row).collect())
}
