//! A record in words: what and where, then a table for each task in Markdown that is legible as it
//! is.

use std::fmt::Write;

use crate::beside;
use crate::kernels::RING;
use crate::probe::{Regime, Source};
use crate::record::{Parity, RING_BUILDER, Record, Row, Task};
use crate::statistics::{self, Summary};
use crate::table::{markdown, spread};
use crate::targets::hashing::TARGETS;
use crate::targets::{self, Outcome};

/// The whole text of a record: the figures of each regime for themselves.
pub fn text(record: &Record) -> String {
    let regimes = record.regimes();
    let mut text = facts(record);
    if regimes.is_empty() {
        text += &figures(record, 2);
    }
    for regime in regimes {
        let (title, samples) = (regime.title(), record.samples_in(regime));
        // Writing to a string cannot fail.
        let _ = write!(text, "\n## {title} ({samples} samples)\n");
        text += &figures(&record.of_regime(Some(regime)), 3);
    }
    text
}

/// Tables under headings of that level.
fn figures(record: &Record, level: usize) -> String {
    let mut text = String::new();
    let level = "#".repeat(level);
    for task in record.tasks() {
        let lines = markdown(&task_table(record, task));
        let _ = write!(text, "\n{level} {}\n\n{lines}", task.title());
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
        (
            "targets of one pass, and of installing",
            outcomes(record, targets::passes::outcomes(record)),
        ),
    ] {
        if lines.len() > 1 {
            let _ = write!(text, "\n{level} {title}\n\n{}", markdown(&lines));
        }
    }
    text
}

fn facts(record: &Record) -> String {
    let Record { machine, programs, input, .. } = record;
    let built = match (programs.verity_built_here, &programs.veritysetup) {
        (true, _) => "built from this source",
        (false, Some(_)) => "a program given",
        (false, None) => "no command measured",
    };
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
        ("crates", crates(record)),
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
        ("probe", probe(record)),
        ("clock", clock(record)),
        ("limits", limits(record)),
    ];
    let skipped = record.skipped.iter().map(|what| ("skipped", what.clone()));
    facts.into_iter().chain(skipped).map(|(name, value)| format!("{name}: {value}\n")).collect()
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

fn crates(record: &Record) -> String {
    match record.programs.crates.as_slice() {
        [] => "unknown".to_owned(),
        crates => crates.join(", "),
    }
}

fn probe(record: &Record) -> String {
    let Some(calibration) = record.probe else {
        return "none: whether anybody shared the core is unknown".to_owned();
    };
    let source = match calibration.source {
        Source::Design => "known of this design",
        Source::Run => "the best of this run: whether the core was ever alone is unknown",
    };
    let counts = [Regime::Alone, Regime::Shared, Regime::Changed].map(|regime| {
        let count = record.samples_in(regime);
        let words =
            if count == 0 { "did not occur".to_owned() } else { format!("{count} samples") };
        format!("{} {words}", regime.title())
    });
    format!(
        "{:.2} independent instructions a cycle are a core alone ({source}), fewer than {:.2} a \
         shared one; {}",
        calibration.alone,
        calibration.threshold,
        counts.join(", ")
    )
}

/// The frequency, over all samples.
fn clock(record: &Record) -> String {
    let probes = record.rows.iter().flat_map(|row| &row.probes);
    let ghz: Vec<_> = probes.map(|probe| probe.ghz).collect();
    Summary::of(&ghz).map_or("unknown".to_owned(), |it| spread(Some(it), 2) + " GHz")
}

/// Of the best regime that there is.
fn limits(record: &Record) -> String {
    let record = record.of_regime(record.regimes().first().copied());
    let limits = record.limits.iter().filter_map(|limit| {
        let rate = record.limit_of(limit.platforms.first()?)?;
        Some(format!("{} {rate:.2}", limit.platforms.join(" and ")))
    });
    match limits.collect::<Vec<_>>().as_slice() {
        [] => "unknown".to_owned(),
        limits => format!(
            "bytes of message a cycle that the instructions for sha256 allow, none waiting for \
             another: {}",
            limits.join(", ")
        ),
    }
}

/// A line for each contender, a column for each peer.
fn task_table(record: &Record, task: Task) -> Vec<Vec<String>> {
    let peers = record.rows_of(task).filter(|row| !row.is_ours());
    let mut peers: Vec<&str> = peers.map(|row| row.contender.as_str()).collect();
    peers.dedup();
    let has_limit = record.rows_of(task).any(|row| record.share_of_limit(row).is_some());
    let mut head = ["contender", "rounds", "median s (min-max)", "GB/s", "bytes/cycle"].to_vec();
    head.extend(has_limit.then_some("of the limit"));
    let mut head: Vec<_> = head.into_iter().map(str::to_owned).collect();
    head.extend(peers.iter().map(|peer| format!("x {peer}")));
    let line = |row: &Row| {
        let speed = statistics::throughput(row.bytes, &row.seconds);
        let mut line = vec![
            row.label(),
            row.rounds().to_string(),
            spread(Summary::of(&row.seconds), 3),
            median(speed, "-"),
            median(row.bytes_a_cycle(), "unknown"),
        ];
        line.extend(has_limit.then(|| median(record.share_of_limit(row), "-")));
        line.extend(peers.iter().map(|peer| ratio(record, row, peer)));
        line
    };
    std::iter::once(head).chain(record.rows_of(task).map(line)).collect()
}

fn median(summary: Option<Summary>, none: &str) -> String {
    summary.map_or(none.to_owned(), |summary| format!("{:.2}", summary.median))
}

fn ratio(record: &Record, row: &Row, peer: &str) -> String {
    match record.peer_of(row, peer) {
        Some(peer) if peer == row => "1".to_owned(),
        Some(peer) => spread(statistics::times_as_fast(&peer.seconds, &row.seconds), 2),
        None => "-".to_owned(),
    }
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
            "| verity, 2 threads       | 3      | 0.125 (0.100-0.200) | 8.00 | unknown     | 8.00 \
             (5.00-10.00) | 2.40 (1.50-3.00) |",
        );
        has(
            &text,
            "| veritysetup             | 3      | 1.000 (1.000-1.000) | 1.00 | unknown     | 1 ",
        );
        has(
            &text,
            "| verity avx512               | 3      | 0.250 (0.250-0.250) | 8.00 | unknown     | \
             4.40 (4.00-4.80) | 4.00 (4.00-4.00) | 1.25 ",
        );
        has(&text, "| crate sha2                  | 3 ");
        has(&text, "| x crate sha2     | x crate ring     | x crate tape-sha256 |");
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
    fn figures_of_cores_alone_and_shared_have_tables_of_their_own() {
        let mut record = crate::probed_record();
        record.judge(None);
        let text = text(&record);
        has(&text, "6.00 independent instructions a cycle are a core alone (the best of this run");
        has(&text, "fewer than 5.40 a shared one; core alone ");
        has(&text, "clock: 4.00 (4.00-4.00) GHz\nlimits: bytes of message a cycle");
        has(&text, "another: sha-ni 2.00\n");
        let (_, alone) = text.split_once("\n## core alone (").unwrap();
        let (alone, shared) = alone.split_once("\n## core shared (").unwrap();
        has(alone, "### format\n\n| contender");
        has(
            alone,
            "| verity, 1 thread        | 2      | 0.200 (0.200-0.200) | 5.00  | 1.25        | \
             0.63 ",
        );
        has(
            shared,
            "| verity, 1 thread        | 1      | 0.400 (0.400-0.400) | 2.50 | 0.62        | 0.63 ",
        );
        has(&super::text(&sample()), "probe: none: whether anybody shared the core is unknown\n");
    }

    #[test]
    fn a_regime_that_did_not_occur_is_named() {
        let mut record = crate::probed_record();
        record.judge(Some(100.0));
        let text = text(&record);
        has(
            &text,
            "100.00 independent instructions a cycle are a core alone (known of this design)",
        );
        has(&text, "; core alone did not occur, core shared ");
        assert!(!text.contains("\n## core alone"));
    }

    #[test]
    fn what_was_skipped_is_said_with_its_reason() {
        let skipped = vec!["commands: veritysetup is not installed".to_owned()];
        let record = Record { skipped, ..sample() };
        has(&text(&record), "skipped: commands: veritysetup is not installed\n");
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
