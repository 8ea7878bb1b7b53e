//! What a change costs: our command beside another build of it.

use crate::kernels::VERITY;
use crate::record::{OTHER_VERITY, Record, Row};
use crate::statistics::{self, Summary};

/// One task, on as many threads, by both builds.
pub struct Cost<'a> {
    /// Our row.
    pub ours: &'a Row,
    /// That of the other build.
    pub other: &'a Row,
    /// Our time to the other's: below 1 ours is faster.
    pub time: Summary,
}

/// Of every task that both did.
pub fn costs(record: &Record) -> Vec<Cost<'_>> {
    let ours = record.rows.iter().filter(|row| row.contender == VERITY);
    ours.filter_map(|row| cost(record, row)).collect()
}

fn cost<'a>(record: &'a Record, ours: &'a Row) -> Option<Cost<'a>> {
    let other = record.row(ours.task, OTHER_VERITY, ours.threads)?;
    let time = statistics::times_as_fast(&ours.seconds, &other.seconds)?;
    Some(Cost { ours, other, time })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Task;

    #[test]
    fn a_task_that_takes_a_quarter_longer_costs_a_quarter() {
        let mut record = Record::load(&crate::sample_record()).unwrap();
        assert!(costs(&record).is_empty());
        let ours = record.row(Task::Format, VERITY, 2).unwrap();
        let seconds = ours.seconds.iter().map(|time| time * 0.8).collect();
        let other = Row { contender: OTHER_VERITY.to_owned(), seconds, ..ours.clone() };
        record.rows.push(other);
        let [cost] = &costs(&record)[..] else { panic!("one task") };
        assert_eq!((cost.ours.threads, cost.other.threads), (2, 2));
        assert!((cost.time.median - 1.25).abs() < 1e-9 && (cost.time.most - 1.25).abs() < 1e-9);
    }
}
