//! Charts of records, as SVG: the same record gives the same bytes.

mod bars;
mod canvas;

use crate::kernels::{RING, SHA2, TAPE, VERITY};
use crate::record::{RING_BUILDER, Record, Row, Task, VERITYSETUP};
use crate::statistics::{self, Summary};
use crate::{report, targets};

use self::bars::{Bar, BarChart, Group};
use self::canvas::Colour;

/// Whole commands as multiples of veritysetup; none if the record has no commands.
///
/// # Errors
/// If it cannot be drawn.
pub fn commands(record: &Record) -> Option<Result<String, String>> {
    let tasks = report::tasks(record).filter(|task| task.is_of_commands());
    let groups: Vec<_> = tasks.map(|task| group(record, task, multiple_of_veritysetup)).collect();
    let mut caption = caption(record);
    let counts = record.register_loop.as_ref().is_some_and(|it| it.two_threads_count());
    if !counts {
        caption
            .push("Two threads did not have a core each: their figures do not count.".to_owned());
    }
    let chart = BarChart {
        title: "Whole commands, beside veritysetup".to_owned(),
        subtitle: format!(
            "A file of {} of random bytes to its hash file, and verified; wall time with all writes and syncs",
            size(record.input.bytes)
        ),
        axis: "times as fast as veritysetup".to_owned(),
        groups,
        caption,
    };
    (!chart.groups.is_empty()).then(|| chart.svg())
}

/// Kernels on one thread, in GB/s; none if the record has no kernels.
///
/// # Errors
/// If it cannot be drawn.
pub fn kernels(record: &Record) -> Option<Result<String, String>> {
    let tasks = report::tasks(record).filter(|task| !task.is_of_commands());
    let chart = BarChart {
        title: "Hashing on one core".to_owned(),
        subtitle: format!(
            "Blocks of 4096 bytes behind a salt of 32 bytes; 256 KiB in the level-2 cache, {} in memory",
            size(record.input.bytes)
        ),
        axis: "GB/s".to_owned(),
        groups: tasks.map(|task| group(record, task, gigabytes_beside_ring)).collect(),
        caption: caption(record),
    };
    (!chart.groups.is_empty()).then(|| chart.svg())
}

/// The fastest kernel beside its peers on each machine; none if fewer than two records have kernels.
///
/// # Errors
/// If it cannot be drawn.
pub fn machines(records: &[Record]) -> Option<Result<String, String>> {
    let chart = BarChart {
        title: "Hashing on one core, by machine".to_owned(),
        subtitle: "sha256 of blocks of 4096 bytes behind a salt of 32 bytes, 256 KiB in the level-2 cache"
            .to_owned(),
        axis: "GB/s".to_owned(),
        groups: records.iter().filter_map(machine).collect(),
        caption: vec!["The newest record of each machine; medians, whiskers from the slowest to the fastest round.".to_owned()],
    };
    (chart.groups.len() > 1).then(|| chart.svg())
}

fn machine(record: &Record) -> Option<Group> {
    let rows = || record.rows_of(Task::Sha256L2);
    let ours = targets::fastest(rows().filter(|row| row.is_ours()))?;
    let rows = std::iter::once(ours).chain(rows().filter(|row| !row.is_ours()));
    let date = record.date.split_whitespace().next().unwrap_or_default();
    Some(Group {
        title: format!("{}, {date}", record.machine.cpu),
        bars: rows.filter_map(|row| gigabytes_beside_ring(record, row)).collect(),
    })
}

fn group(record: &Record, task: Task, bar: fn(&Record, &Row) -> Option<Bar>) -> Group {
    let bars = record.rows_of(task).filter_map(|row| bar(record, row)).collect();
    Group { title: task.title().to_owned(), bars }
}

fn multiple_of_veritysetup(record: &Record, row: &Row) -> Option<Bar> {
    let reference = record.peer_of(row, VERITYSETUP)?;
    let value = statistics::times_as_fast(&reference.seconds, &row.seconds)?;
    let seconds = Summary::of(&row.seconds)?.median;
    let speed = statistics::throughput(row.bytes, &row.seconds)?.median;
    let note = format!("{:.2}x · {seconds:.3} s · {speed:.2} GB/s", value.median);
    Some(Bar { label: row.label(), value, note, colour: colour(row) })
}

fn gigabytes_beside_ring(record: &Record, row: &Row) -> Option<Bar> {
    let value = statistics::throughput(row.bytes, &row.seconds)?;
    let mut note = format!("{:.2} GB/s", value.median);
    if row.contender != RING
        && let Some(ring) = record.peer_of(row, RING)
        && let Some(ratio) = statistics::times_as_fast(&ring.seconds, &row.seconds)
    {
        note += &format!(" · {:.2} x ring", ratio.median);
    }
    Some(Bar { label: row.label(), value, note, colour: colour(row) })
}

/// One for each contender, told apart by the colour-blind too (Okabe and Ito's).
fn colour(row: &Row) -> Colour {
    match row.contender.as_str() {
        VERITY => Colour(0, 114, 178),
        RING | RING_BUILDER => Colour(230, 159, 0),
        SHA2 => Colour(204, 121, 167),
        TAPE => Colour(0, 158, 115),
        _ => Colour(130, 130, 130),
    }
}

fn caption(record: &Record) -> Vec<String> {
    let Record { machine, .. } = record;
    let rounds = record.rows.first().map_or(0, |row| row.seconds.len());
    vec![
        format!(
            "{}, {} CPUs, {}. {}, commit {}.",
            machine.cpu, machine.cpus, machine.kernel, record.date, record.commit
        ),
        format!(
            "{}. Medians of {rounds} rounds of one run, all sides in turns; whiskers from the slowest to the fastest.",
            record.compiler
        ),
    ]
}

fn size(bytes: u64) -> String {
    match bytes >> 20 {
        mebibytes if mebibytes.is_multiple_of(1024) && mebibytes > 0 => {
            format!("{} GiB", mebibytes >> 10)
        }
        mebibytes => format!("{mebibytes} MiB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Record {
        Record::load(&crate::sample_record()).unwrap()
    }

    /// Every element is closed, and text is where it may be.
    fn check(svg: &str, mentions: &[&str]) {
        let opened = svg.matches('<').count() - svg.matches("</").count();
        let closed = svg.matches("</").count() + svg.matches("/>").count();
        assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"), "{svg}");
        assert_eq!(opened, closed, "{svg}");
        for mention in mentions {
            assert!(svg.contains(mention), "{mention} is not in {svg}");
        }
    }

    #[test]
    fn the_chart_of_commands_has_every_ratio() {
        let svg = commands(&sample()).unwrap().unwrap();
        check(
            &svg,
            &["veritysetup", "verity, 2 threads", "8.00x · 0.125 s · 8.00 GB/s", "2026-11-24"],
        );
        check(&svg, &["Some CPU (Zen 5)", "times as fast as veritysetup", "commit 0123456"]);
        assert!(!svg.contains("do not count"));
    }

    #[test]
    fn the_chart_of_kernels_has_every_rung_and_peer() {
        let svg = kernels(&sample()).unwrap().unwrap();
        check(&svg, &["verity avx512", "verity sha-ni", "sha2", "ring", "tape-sha256 avx512-16"]);
        check(
            &svg,
            &["8.00 GB/s · 4.00 x ring", "sha256, blocks in memory", "sha512, blocks in L2"],
        );
    }

    #[test]
    fn machines_are_compared_from_two_on() {
        let mut other = sample();
        other.machine.cpu = "Other <CPU> & more".to_owned();
        assert!(machines(&[sample()]).is_none());
        let svg = machines(&[sample(), other]).unwrap().unwrap();
        check(&svg, &["Some CPU (Zen 5), 2026-11-24", "Other &lt;CPU&gt; &amp; more"]);
    }

    #[test]
    fn the_same_record_gives_the_same_bytes() {
        assert_eq!(kernels(&sample()), kernels(&sample()));
        let none = Record { rows: Vec::new(), ..sample() };
        assert!(kernels(&none).is_none() && commands(&none).is_none());
    }

    #[test]
    fn two_threads_on_one_core_are_marked() {
        let mut record = sample();
        record.register_loop = None;
        assert!(commands(&record).unwrap().unwrap().contains("do not count"));
    }
}
