//! What parity is to reach, beside what a record shows.

use crate::fec::READING;
use crate::kernels::VERITY;
use crate::record::{Record, Row, Task, VERIFY_INTACT, VERITYSETUP, WITHOUT_PARITY};
use crate::{statistics, words};

use super::outcome::{Asked, Outcome, Unit};

/// What is asked for, and the stretch beyond it.
type Bounds = [f64; 2];

/// How many times as fast as veritysetup format with parity is on two threads.
const FORMAT_2: Bounds = [30.0, 50.0];
const FORMAT_24: Bounds = [45.0, 80.0];
/// The speed of the encoder with 2 roots, as a share of the speed of reading.
const ENCODER_TO_READING: Bounds = [0.25, 0.35];
/// The time of format with parity of 2 roots, to the time without parity.
const WITH_TO_WITHOUT: Bounds = [1.9, 1.6];
/// The time of repair, to the time of verifying the image before it was damaged.
const REPAIR_TO_VERIFY: Bounds = [3.0, 2.0];
/// The threads of our commands.
const THREADS: [usize; 2] = [1, 2];

/// The targets for which the record has figures.
pub fn outcomes(record: &Record) -> Vec<Outcome> {
    let format = [
        beside_veritysetup(record, Task::FormatFec2, FORMAT_2),
        beside_veritysetup(record, Task::FormatFec24, FORMAT_24),
        encoder(record),
    ];
    let with = THREADS
        .map(|threads| time(record, Task::FormatFec2, WITHOUT_PARITY, threads, WITH_TO_WITHOUT));
    let repair = [Task::RepairFec2, Task::RepairFec24].into_iter().flat_map(|task| {
        THREADS.map(|threads| time(record, task, VERIFY_INTACT, threads, REPAIR_TO_VERIFY))
    });
    format.into_iter().chain(with).chain(repair).flatten().collect()
}

fn beside_veritysetup(record: &Record, task: Task, bounds: Bounds) -> Option<Outcome> {
    let (ours, theirs) = (record.row(task, VERITY, 2)?, record.row(task, VERITYSETUP, 1)?);
    let what = format!("{}, 2 threads, speed to {VERITYSETUP}", task.title());
    speed(what, ours, theirs, bounds)
}

/// The fastest kernel beside reading alone.
fn encoder(record: &Record) -> Option<Outcome> {
    let task = Task::EncodeFec2;
    let ours = Row::fastest(record.rows_of(task).filter(|row| row.is_ours()))?;
    let what = format!("{}, {}, speed to {READING}", task.title(), ours.label());
    speed(what, ours, record.row(task, READING, 1)?, ENCODER_TO_READING)
}

fn speed(what: String, ours: &Row, theirs: &Row, [least, stretch]: Bounds) -> Option<Outcome> {
    Some(Outcome {
        what,
        measured: statistics::times_as_fast(&theirs.seconds, &ours.seconds)?,
        asked: Asked::AtLeast(least),
        stretch: Some(stretch),
        unit: Unit::Times,
        threads: ours.threads,
    })
}

/// The time of our command to its time at another task, on as many threads.
fn time(
    record: &Record,
    task: Task,
    other: &str,
    threads: usize,
    [most, stretch]: Bounds,
) -> Option<Outcome> {
    let (ours, other) = (record.row(task, VERITY, threads)?, record.row(task, other, threads)?);
    Some(Outcome {
        what: format!("{}, {}, time to {}", task.title(), words::threads(threads), other.contender),
        measured: statistics::times_as_fast(&ours.seconds, &other.seconds)?,
        asked: Asked::AtMost(most),
        stretch: Some(stretch),
        unit: Unit::Times,
        threads,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(record: &Record) -> Vec<String> {
        outcomes(record).iter().map(|outcome| format!("{outcome:?}")).collect()
    }

    #[test]
    fn every_target_is_judged_by_the_figures_that_it_names() {
        assert_eq!(
            told(&Record::load(&crate::sample_record()).unwrap()),
            [
                "format with parity, 2 roots, 2 threads, speed to veritysetup: 53.33 \
                 (40.00-53.33), at least 30.00, stretch 50.00: stretch",
                "format with parity, 24 roots, 2 threads, speed to veritysetup: 40.00 \
                 (40.00-40.00), at least 45.00, stretch 80.00: missed",
                "parity of blocks in memory, 2 roots, verity gfni, speed to reading memory: 0.25 \
                 (0.20-0.25), at least 0.25, stretch 0.35: reached",
                "format with parity, 2 roots, 1 thread, time to verity without parity: 2.00 \
                 (2.00-2.00), at most 1.90, stretch 1.60: missed",
                "format with parity, 2 roots, 2 threads, time to verity without parity: 1.50 \
                 (1.50-2.00), at most 1.90, stretch 1.60: stretch",
                "repair of 0.1 % of all blocks, 2 roots, 1 thread, time to verity verify, intact: \
                 2.50 (2.50-2.50), at most 3.00, stretch 2.00: reached",
                "repair of 0.1 % of all blocks, 2 roots, 2 threads, time to verity verify, intact: \
                 4.00 (4.00-4.00), at most 3.00, stretch 2.00: missed",
            ]
        );
    }

    #[test]
    fn what_was_not_measured_has_no_target() {
        let record = Record::load(&crate::sample_record()).unwrap();
        assert!(outcomes(&Record { rows: Vec::new(), ..record }).is_empty());
    }
}
