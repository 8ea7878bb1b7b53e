//! How much of what each core allows is reached.

use crate::kernels::{RING, SHA2, TAPE, VERITY};
use crate::record::{Record, Row, Task, VERITYSETUP};
use crate::statistics::Summary;

use super::bars::{Bar, BarChart, Group};
use super::{colour, regime_words};

/// Hashing, reads and commands on one thread as shares of what the core allows, machine by
/// machine; none if no record has measured that.
///
/// # Errors
/// If it cannot be drawn.
pub fn shares(records: &[Record]) -> Option<Result<String, String>> {
    let groups: Vec<_> = records.iter().filter_map(group).collect();
    let chart = BarChart {
        title: "One core, as a share of what it allows".to_owned(),
        subtitle: "sha256 of blocks of 4096 bytes behind a salt of 32 bytes, one thread; 100 % is \
                   what the best instructions of the core do when none waits for another, less \
                   the padding of a block"
            .to_owned(),
        axis: "% of the limit of that core".to_owned(),
        groups,
        caption: vec![
            "Medians of one run each, all sides in turns; whiskers from the slowest to the fastest \
             round. Limit and figures were measured on the same core in the same regime."
                .to_owned(),
        ],
    };
    (!chart.groups.is_empty()).then(|| chart.svg())
}

fn group(record: &Record) -> Option<Group> {
    let limit = record.limit()?;
    let tasks = [
        Task::Sha256L2,
        Task::Sha256Memory,
        Task::ReadSequential,
        Task::ReadRandom,
        Task::Verify,
        Task::Format,
    ];
    let bars = tasks.into_iter().flat_map(|task| rows(record, task));
    let bars: Vec<_> = bars.filter_map(|row| bar(record, row, limit)).collect();
    let date = record.date.split_whitespace().next().unwrap_or_default();
    let title = format!(
        "{}, {date}, commit {}{}: limit {limit:.2} bytes a cycle",
        record.machine.cpu,
        record.commit,
        regime_words(record)
    );
    (!bars.is_empty()).then_some(Group { title, bars })
}

/// Our fastest one, and whom it is held against.
fn rows(record: &Record, task: Task) -> Vec<&Row> {
    let rows = || record.rows_of(task).filter(|row| row.threads == 1);
    let ours = Row::fastest(rows().filter(|row| row.contender == VERITY));
    let peers: &[&str] = match task {
        Task::Sha256L2 => &[TAPE, RING, SHA2],
        Task::Verify | Task::Format => &[VERITYSETUP],
        _ => &[],
    };
    let peers = peers.iter().filter_map(|peer| rows().find(|row| row.contender == *peer));
    ours.into_iter().chain(peers).collect()
}

fn bar(record: &Record, row: &Row, limit: f64) -> Option<Bar> {
    let Summary { median, least, most } = record.share_of_limit(row)?;
    let value = Summary { median: median * 100.0, least: least * 100.0, most: most * 100.0 };
    let note = format!("{:.0} % · {:.2} bytes a cycle", value.median, median * limit);
    let label = match row.platform.as_deref() {
        Some(platform) => format!("{}: {} {platform}", row.task.title(), row.contender),
        None => format!("{}: {}", row.task.title(), row.contender),
    };
    Some(Bar { label, value, note, colour: colour(row) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_the_limit_of_the_same_machine() {
        let mut record = crate::probed_record();
        record.judge(None);
        let record = record.of_regime(record.main_regime());
        let svg = shares(&[record.clone(), record]).unwrap().unwrap();
        assert_eq!(svg.matches(", core alone: limit 1.97 bytes a cycle").count(), 4, "{svg}");
        assert!(svg.contains("63 % · 1.25 bytes a cycle"), "{svg}");
        assert!(svg.contains("sha256, blocks in L2: crate ring"), "{svg}");
    }

    #[test]
    fn what_has_no_limit_has_no_share() {
        assert!(shares(&[Record::load(&crate::sample_record()).unwrap()]).is_none());
    }
}
