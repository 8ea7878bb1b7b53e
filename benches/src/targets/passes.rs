//! What one pass over an image and an installation are to reach, beside what a record shows.

use crate::kernels::VERITY;
use crate::record::{COPY, DIRECT_READ, Record, Row, SHA256SUM, SLOT_READ, SLOT_WRITE};
use crate::record::{TOOLS, TREE, Task};
use crate::{statistics, words};

use super::outcome::{Asked, Outcome, Unit};

/// What a task is held against: the slowest of others, on as many threads or the only number there
/// is.
struct Bound {
    task: Task,
    /// Our threads; any number of them if it is 0.
    threads: usize,
    others: &'static [&'static str],
    /// The time of ours to theirs.
    most: f64,
}

const BOUNDS: &[Bound] = &[
    Bound { task: Task::OnePass, threads: 1, others: &[TOOLS], most: 1.0 },
    Bound { task: Task::OnePass, threads: 2, others: &[COPY, TREE], most: 1.15 },
    Bound { task: Task::OnePassDigest, threads: 2, others: &[SHA256SUM], most: 1.15 },
    Bound { task: Task::OnePassCold, threads: 0, others: &[TOOLS], most: 0.6 },
    Bound { task: Task::Install, threads: 2, others: &[SLOT_READ, SLOT_WRITE], most: 1.2 },
    Bound { task: Task::InstallReadBack, threads: 2, others: &[DIRECT_READ], most: 1.1 },
];

/// The targets for which the record has figures.
pub fn outcomes(record: &Record) -> Vec<Outcome> {
    BOUNDS.iter().flat_map(|bound| bound.outcomes(record)).collect()
}

impl Bound {
    fn outcomes<'a>(&'a self, record: &'a Record) -> impl Iterator<Item = Outcome> + 'a {
        let ours = record.rows_of(self.task).filter(|row| row.contender == VERITY);
        ours.filter(|row| [0, row.threads].contains(&self.threads))
            .filter_map(|ours| self.outcome(record, ours))
    }

    fn outcome(&self, record: &Record, ours: &Row) -> Option<Outcome> {
        let theirs = self.others.iter().map(|name| record.peer_of(ours, name));
        let theirs = Row::slowest(theirs.collect::<Option<Vec<_>>>()?.into_iter())?;
        let (title, threads) = (self.task.title(), words::threads(ours.threads));
        Some(Outcome {
            what: format!("{title}, {threads}, time to {}", theirs.contender),
            measured: statistics::times_as_fast(&ours.seconds, &theirs.seconds)?,
            asked: Asked::AtMost(self.most),
            stretch: None,
            unit: Unit::Times,
            threads: ours.threads,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(task: Task, contender: &str, threads: usize, seconds: f64) -> Row {
        let sample = &Record::load(&crate::sample_record()).unwrap().rows[0];
        let seconds = vec![seconds; 3];
        Row {
            task,
            contender: contender.to_owned(),
            threads,
            seconds,
            platform: None,
            ..sample.clone()
        }
    }

    #[test]
    fn ours_is_held_against_the_slowest_of_those_that_do_its_parts() {
        let mut record = Record::load(&crate::sample_record()).unwrap();
        record.rows = vec![
            row(Task::OnePass, COPY, 1, 2.0),
            row(Task::OnePass, TREE, 2, 1.0),
            row(Task::OnePass, VERITY, 2, 2.2),
            row(Task::OnePassCold, TOOLS, 1, 10.0),
            row(Task::OnePassCold, VERITY, 1, 7.0),
            row(Task::Install, SLOT_READ, 1, 4.0),
            row(Task::Install, VERITY, 2, 4.0),
        ];
        let told: Vec<_> = outcomes(&record).iter().map(|it| format!("{it:?}")).collect();
        assert_eq!(
            told,
            [
                "copy and format, 2 threads, time to cp, synced: 1.10 (1.10-1.10), at most 1.15: \
                 reached",
                "copy, format and sha256 of the file, cold file, 1 thread, time to cp, synced, \
                 then verity format (and sha256sum): 0.70 (0.70-0.70), at most 0.60: missed",
            ]
        );
    }
}
