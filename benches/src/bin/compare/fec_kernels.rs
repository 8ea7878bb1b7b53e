//! In this process, on one thread: blocks to parity and lost blocks out of the others, every kernel
//! of ours beside the crates that encode and decode codewords, and beside reading the same memory
//! once.

use std::hint::black_box;
use std::time::Instant;

use verity_benches::fec::{self, Contender, Loss};
use verity_benches::probe::Place;
use verity_benches::reads::BLOCK_SIZE;
use verity_benches::record::{Input, Row, Task};

use super::fec::share;
use super::rounds::{Pace, Rounds};

/// Measures every task, one after the other.
pub(crate) fn measure(input: &Input, pace: Pace) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for (roots, encode, recover) in
        [(2, Task::EncodeFec2, Task::RecoverFec2), (24, Task::EncodeFec24, Task::RecoverFec24)]
    {
        let blocks = share(input, roots).bytes / BLOCK_SIZE as u64;
        let message = fec::random_message(blocks, roots, input.seed);
        let encoders = fec::encoders(message.area);
        rows.extend(contest(encode, &encoders, &message, message.parity.len(), pace)?);
        // The peers take as long for a quarter of it.
        let loss = Loss::new(fec::random_message(blocks / 4, roots, input.seed), input.seed);
        let decoders = fec::decoders(loss.message.area);
        rows.extend(contest(recover, &decoders, &loss, loss.lost(), pace)?);
    }
    Ok(rows)
}

/// Measures contenders whose output has `size` bytes, checked when the clock has stopped.
fn contest<I: AsRef<[u8]> + 'static>(
    task: Task,
    contenders: &[Contender<I>],
    input: &I,
    size: usize,
    pace: Pace,
) -> Result<Vec<Row>, String> {
    let each: Vec<_> = contenders.iter().map(|it| pace.few_if(it.is_slow())).collect();
    let (name, budget) = (task.title(), pace.budget);
    let rounds =
        Rounds { name, each: &each, pairs: &[], budget, place: pace.place(Place::ThisThread) };
    let samples = rounds.run(|_, index| {
        // Touched before the clock starts, so that no page has to be found meanwhile.
        let mut out = vec![0xff; size];
        let start = Instant::now();
        contenders[index].run(black_box(input), &mut out);
        black_box(&out);
        let time = start.elapsed();
        contenders[index].check(input, &out).map(|()| time)
    })?;
    let bytes = input.as_ref().len() as u64;
    let row = |(contender, samples): (&Contender<I>, _)| {
        Row::new(task, contender.name, 1, bytes, samples).on(contender.platform)
    };
    Ok(contenders.iter().zip(samples).map(row).collect())
}
