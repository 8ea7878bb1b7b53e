//! A record in words: what and where, then a table for each task in Markdown that is legible as it
//! is.

use std::fmt::Write;

use crate::beside;
use crate::kernels::RING;
use crate::record::{Parity, RING_BUILDER, Record, Row, Task};
use crate::statistics::{self, Summary};
use crate::targets::hashing::TARGETS;
use crate::targets::{self, Outcome};

/// The whole text of a record.
pub fn text(record: &Record) -> String {
    let mut text = facts(record);
    for task in record.tasks() {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n## {}\n\n{}", task.title(), table(&task_table(record, task)));
    }
    let efficiencies: String =
        record.rows.iter().filter_map(|row| efficiency(record, row)).collect();
    if !efficiencies.is_empty() {
        let _ = write!(text, "\n{efficiencies}");
    }
    for (title, lines) in [
        ("beside the other verity", costs(record)),
        ("targets (given for Zen 5)", targets(record)),
        ("targets of reads", outcomes(record, targets::reads::outcomes(record))),
        ("targets of parity", outcomes(record, targets::fec::outcomes(record))),
    ] {
        if lines.len() > 1 {
            let _ = write!(text, "\n## {title}\n\n{}", table(&lines));
        }
    }
    text
}

fn facts(record: &Record) -> String {
    let Record { machine, programs, input, .. } = record;
    let built =
        if programs.verity_built_here { "built from this source" } else { "a program given" };
    let verity = match &programs.other_verity {
        Some(other) => format!("{built}; beside it {other}"),
        None => built.to_owned(),
    };
    let facts = [
        ("date", record.date.clone()),
        ("command", record.command.clone()),
        ("commit", record.commit.clone()),
        ("compiler", record.compiler.clone()),
        ("cpu", format!("{}, {} online", machine.cpu, machine.cpus)),
        ("flags", machine.flags.join(" ")),
        ("kernel", format!("{}, transparent huge pages: {}", machine.kernel, machine.huge_pages)),
        ("load", machine.load.clone()),
        ("verity", verity),
        ("veritysetup", programs.veritysetup.clone().unwrap_or("not measured".to_owned())),
        (
            "tape-sha256",
            programs.tape_sha256.clone().unwrap_or("not measured: not compiled in".to_owned()),
        ),
        (
            "input",
            format!(
                "{} MiB of random bytes (seed {}) on {}; 4096-byte blocks, 32-byte salt",
                input.bytes >> 20,
                input.seed,
                input.file_system
            ),
        ),
        ("reads", reads(record)),
        ("parity", parity(record)),
        ("register loop", register_loop(record)),
    ];
    facts.into_iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
}

fn reads(record: &Record) -> String {
    let Some(reads) = &record.reads else { return "not measured".to_owned() };
    let sequential = record.rows_of(Task::ReadSequential).next().map_or(0, |row| row.bytes);
    format!(
        "an image of {} MiB; in order over {} MiB of it; {} first reads",
        reads.image >> 20,
        sequential >> 20,
        reads.first_read.readers
    )
}

fn parity(record: &Record) -> String {
    let words = record.parity.iter().map(|parity| {
        let Parity { roots, image, blocks, rounds, corrupt } = parity;
        let image = image >> 20;
        format!("{roots} roots: {image} MiB, {blocks} blocks in {rounds} rounds, {corrupt} corrupt")
    });
    let words: Vec<_> = words.collect();
    if words.is_empty() { "no commands measured".to_owned() } else { words.join("; ") }
}

fn register_loop(record: &Record) -> String {
    let Some(register_loop) = &record.register_loop else { return "not run".to_owned() };
    let (before, after) = (register_loop.before, register_loop.after);
    let samples = [("before", before), ("after", after)].map(|(when, sample)| {
        format!("{:.2} / {:.2} / {:.2} {when}", sample.one, sample.two, sample.all)
    });
    format!(
        "{} kernel, GB/s on one / two / all {} CPUs: {}\n\
         two CPUs to one: {:.2} before, {:.2} after; all to one: {:.2} before, {:.2} after\n\
         two-thread figures: {}",
        register_loop.kernel,
        record.machine.cpus,
        samples.join(", "),
        before.two_to_one(),
        after.two_to_one(),
        before.all / before.one,
        after.all / after.one,
        if register_loop.two_threads_count() { "count" } else { "do not count" }
    )
}

/// A line for each contender, a column for each peer.
fn task_table(record: &Record, task: Task) -> Vec<Vec<String>> {
    let peers = record.rows_of(task).filter(|row| !row.is_ours());
    let mut peers: Vec<&str> = peers.map(|row| row.contender.as_str()).collect();
    peers.dedup();
    let mut head = vec!["contender".to_owned(), "median s (min-max)".to_owned(), "GB/s".to_owned()];
    head.extend(peers.iter().map(|peer| format!("x {peer}")));
    let line = |row: &Row| {
        let speed = statistics::throughput(row.bytes, &row.seconds);
        let mut line = vec![
            row.label(),
            spread(Summary::of(&row.seconds), 3),
            speed.map_or("-".to_owned(), |speed| format!("{:.2}", speed.median)),
        ];
        line.extend(peers.iter().map(|peer| ratio(record, row, peer)));
        line
    };
    std::iter::once(head).chain(record.rows_of(task).map(line)).collect()
}

fn ratio(record: &Record, row: &Row, peer: &str) -> String {
    match record.peer_of(row, peer) {
        Some(peer) if peer == row => "1".to_owned(),
        Some(peer) => spread(statistics::times_as_fast(&peer.seconds, &row.seconds), 2),
        None => "-".to_owned(),
    }
}

/// Median and spread, as in `1.38 (1.33-1.53)`.
fn spread(summary: Option<Summary>, digits: usize) -> String {
    summary.map_or("-".to_owned(), |Summary { median, least, most }| {
        format!("{median:.digits$} ({least:.digits$}-{most:.digits$})")
    })
}

/// The share of ring's own speed on its threads from which on the peer is a strong one.
const FAIR: f64 = 0.9;

/// The share of ring's own speed on its threads that the builder on ring reaches.
fn efficiency(record: &Record, row: &Row) -> Option<String> {
    let is_peer = row.task == Task::Format && row.contender == RING_BUILDER;
    let ring = record.rows_of(Task::Sha256Memory).find(|row| is_peer && row.contender == RING)?;
    let speed = |row: &Row| statistics::throughput(row.bytes, &row.seconds);
    let share = speed(row)?.median / speed(ring)?.median / row.threads as f64;
    let verdict = match share {
        _ if !counts(record, row.threads) => "does not count",
        FAIR.. => "a fair peer",
        _ => "no fair peer: 0.90 is asked for",
    };
    Some(format!("{}: {share:.2} of {} x one thread's ring: {verdict}\n", row.label(), row.threads))
}

/// Whether the machine gave so many threads the cores that they need.
fn counts(record: &Record, threads: usize) -> bool {
    threads < 2 || record.register_loop.as_ref().is_some_and(|it| it.two_threads_count())
}

/// Ours beside another build, to a thousandth: a change is to cost next to nothing.
fn costs(record: &Record) -> Vec<Vec<String>> {
    let head = ["task", "contender", "median s", "other's median s", "time to other's"];
    let line = |cost: beside::Cost<'_>| {
        let median = |row: &Row| Summary::of(&row.seconds).map(|it| format!("{:.3}", it.median));
        vec![
            cost.ours.task.title().to_owned(),
            cost.ours.label(),
            median(cost.ours).unwrap_or_default(),
            median(cost.other).unwrap_or_default(),
            spread(Some(cost.time), 3),
        ]
    };
    let lines = beside::costs(record).into_iter().map(line);
    std::iter::once(head.map(str::to_owned).to_vec()).chain(lines).collect()
}

fn targets(record: &Record) -> Vec<Vec<String>> {
    let head = ["task", "contender", "x", "measured", "at least", "stretch", ""].map(str::to_owned);
    let lines = TARGETS.iter().filter_map(|target| target.comparison(record)).map(|comparison| {
        let counts = counts(record, comparison.ours.threads);
        let verdict = if counts { comparison.verdict() } else { "does not count" };
        vec![
            comparison.ours.task.title().to_owned(),
            comparison.ours.label(),
            comparison.peer.label(),
            spread(Some(comparison.ratio), 2),
            format!("{:.2}", comparison.target.least),
            format!("{:.2}", comparison.target.stretch),
            verdict.to_owned(),
        ]
    });
    std::iter::once(head.to_vec()).chain(lines).collect()
}

fn outcomes(record: &Record, outcomes: Vec<Outcome>) -> Vec<Vec<String>> {
    let head = ["what", "measured", "asked for", ""].map(str::to_owned);
    let lines = outcomes.into_iter().map(|outcome| {
        let counts = counts(record, outcome.threads);
        let verdict = if counts { outcome.verdict() } else { "does not count" };
        vec![outcome.what.clone(), outcome.measured(), outcome.asked(), verdict.to_owned()]
    });
    std::iter::once(head.to_vec()).chain(lines).collect()
}

/// A table in Markdown, with aligned columns.
fn table(lines: &[Vec<String>]) -> String {
    let Some(head) = lines.first() else { return String::new() };
    let width = |column: usize| {
        let widths =
            lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..head.len()).map(width).collect();
    let row = |cells: &[String]| {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| format!(" {cell:<width$} |"));
        format!("|{}\n", cells.collect::<String>())
    };
    let rule: String = widths.iter().map(|width| format!("{}|", "-".repeat(width + 2))).collect();
    let body: String = lines.iter().skip(1).map(|line| row(line)).collect();
    format!("{}|{rule}\n{body}", row(head))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::VERITY;
    use crate::record::OTHER_VERITY;

    fn sample() -> Record {
        Record::load(&crate::sample_record()).unwrap()
    }

    fn has(text: &str, expected: &str) {
        assert!(text.contains(expected), "{expected:?} is not in:\n{text}");
    }

    #[test]
    fn tables_have_ratios_to_every_peer_with_their_spread() {
        let text = text(&sample());
        has(&text, "## format\n\n| contender");
        has(
            &text,
            "| verity, 2 threads       | 0.125 (0.100-0.200) | 8.00 | 8.00 (5.00-10.00) | 2.40 \
             (1.50-3.00) |",
        );
        has(&text, "| veritysetup             | 1.000 (1.000-1.000) | 1.00 | 1 ");
        has(
            &text,
            "| verity avx512         | 0.250 (0.250-0.250) | 8.00 | 4.40 (4.00-4.80) | 4.00 \
             (4.00-4.00) | 1.25 ",
        );
    }

    #[test]
    fn the_peer_is_held_against_ring_itself() {
        let text = text(&sample());
        has(&text, "rayon + ring, 1 thread: 0.95 of 1 x one thread's ring: a fair peer\n");
        has(&text, "rayon + ring, 2 threads: 0.83 of 2 x one thread's ring: no fair peer");
    }

    #[test]
    fn figures_of_two_threads_count_only_with_two_cores() {
        let mut record = sample();
        has(&text(&record), "two-thread figures: count\n");
        record.register_loop.as_mut().unwrap().after.two = 4.5;
        has(&text(&record), "two-thread figures: do not count\n");
        has(&text(&record), "| 6.00     | 8.00    | does not count |");
        has(&text(&record), "0.83 of 2 x one thread's ring: does not count\n");
        record.register_loop = None;
        has(&text(&record), "register loop: not run\n");
    }

    #[test]
    fn reads_have_their_peers_and_targets() {
        let text = text(&sample());
        has(&text, "reads: an image of 4096 MiB; in order over 1024 MiB of it; 100 first reads\n");
        has(&text, "| x pread + ring   | x pread ");
        has(&text, "| x hashing alone  | x pread ");
        has(&text, "## targets of reads\n\n| what");
        has(&text, "| 1.05 (1.00-1.05) | at most 1.10     | reached |");
    }

    #[test]
    fn reads_on_two_threads_count_only_with_two_cores() {
        let mut record = sample();
        record.register_loop = None;
        has(&text(&record), "| 2.00 (1.60-2.00) | at least 1.80    | does not count |");
    }

    #[test]
    fn another_build_is_held_against_ours_to_a_thousandth() {
        let mut record = sample();
        let ours = record.row(Task::Verify, VERITY, 2).unwrap();
        let other = Row { contender: OTHER_VERITY.to_owned(), ..ours.clone() };
        record.rows.push(other);
        record.programs.other_verity = Some("verity 0.0.9".to_owned());
        has(&text(&record), "verity: built from this source; beside it verity 0.0.9\n");
        has(&text(&record), "## beside the other verity\n\n| task ");
        has(&text(&record), "| 1.000 (1.000-1.000) |\n");
    }

    #[test]
    fn what_was_not_measured_is_said() {
        let mut record = sample();
        record.programs.tape_sha256 = None;
        record.reads = None;
        has(&text(&record), "reads: not measured\n");
        has(&text(&record), "tape-sha256: not measured: not compiled in\n");
    }
}
