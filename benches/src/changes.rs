//! Two records held against each other, ratio by ratio: each of ours to each peer of its own run.
//!
//! Ratios within a run are what survives another day and another minute; figures beside each other
//! are told only where the machine is the same.

use std::fmt::Write;

use crate::probe::Regime;
use crate::record::{Kind, Record, Row, Task};
use crate::statistics::{self, Summary};
use crate::table::{markdown, spread};

/// Everything that changed, in words and tables.
pub fn text(older: &Record, newer: &Record) -> String {
    let mut text = format!("older: {}\nnewer: {}\n", of_when(older), of_when(newer));
    text += &conditions(older, newer);
    let regimes = regimes(older, newer);
    if regimes.is_empty() {
        text += "\nNo regime occurred in both records: nothing is compared.\n";
    }
    for (before, after) in regimes {
        let title = match (before, after) {
            (Some(before), Some(_)) => before.title().to_owned(),
            (None, None) => "regimes unknown".to_owned(),
            (None, Some(after)) => {
                format!("regime unknown in the older, {} in the newer", after.title())
            }
            (Some(before), None) => {
                format!("{} in the older, regime unknown in the newer", before.title())
            }
        };
        let (older, newer) = (older.of_regime(before), newer.of_regime(after));
        // Writing to a string cannot fail.
        let _ = write!(text, "\n## changes: {title}\n\n{}", changes(&older, &newer));
    }
    text
}

fn of_when(record: &Record) -> String {
    format!("{}, {}, commit {}", record.machine.cpu, record.date, record.commit)
}

/// What is not the same, and so may be why a ratio is not.
fn conditions(older: &Record, newer: &Record) -> String {
    let all = |record: &Record| {
        let Record { machine, programs, input, .. } = record;
        [
            ("machine", format!("{}, {} CPUs", machine.cpu, machine.cpus)),
            ("kernel", machine.kernel.clone()),
            ("huge pages", machine.huge_pages.clone()),
            ("verity", record.commit.clone()),
            ("compiler", record.compiler.clone()),
            ("veritysetup", programs.veritysetup.clone().unwrap_or("not measured".to_owned())),
            ("tape-sha256", programs.tape_sha256.clone().unwrap_or("not measured".to_owned())),
            ("crates", programs.crates.join(", ")),
            ("input", format!("{} MiB on {}", input.bytes >> 20, input.file_system)),
            ("regimes", regime_words(record)),
            ("two threads", two_threads(record).to_owned()),
        ]
    };
    let pairs = all(older).into_iter().zip(all(newer));
    let differing = pairs.filter(|((_, before), (_, after))| before != after);
    let lines = differing.map(|((name, before), (_, after))| {
        let words = |value: String| if value.is_empty() { "unknown".to_owned() } else { value };
        format!("different {name}: {}, then {}\n", words(before), words(after))
    });
    let lines: String = lines.collect();
    if lines.is_empty() { "machine, versions and regimes are the same\n".to_owned() } else { lines }
}

fn regime_words(record: &Record) -> String {
    let regimes: Vec<_> = record.regimes().into_iter().map(Regime::title).collect();
    if record.probe.is_none() { "unknown".to_owned() } else { regimes.join(" and ") }
}

fn two_threads(record: &Record) -> &'static str {
    match &record.register_loop {
        None => "unknown",
        Some(it) if it.two_threads_count() => "had a core each",
        Some(_) => "did not have a core each",
    }
}

/// The pairs of regimes that may be compared: like with like; what has no probe, with the regime
/// that most of the other's samples belong to.
fn regimes(older: &Record, newer: &Record) -> Vec<(Option<Regime>, Option<Regime>)> {
    match (older.main_regime(), newer.main_regime()) {
        (Some(_), Some(_)) => {
            let after = newer.regimes();
            let both = older.regimes().into_iter().filter(|regime| after.contains(regime));
            both.map(|regime| (Some(regime), Some(regime))).collect()
        }
        one_at_most => vec![one_at_most],
    }
}

fn changes(older: &Record, newer: &Record) -> String {
    let head = ["task", "contender", "to", "older", "newer", "change", ""].map(str::to_owned);
    let mut lines = vec![head.to_vec()];
    for ours in contenders(newer) {
        let Some(before) = ours.row_in(older) else { continue };
        let Some(after) = ours.row_in(newer) else { continue };
        lines.extend(ratios(older, before, newer, after, &ours.label));
        lines.extend(cycles(older, before, newer, after, &ours.label));
    }
    markdown(&lines) + &missing(older, newer)
}

/// One of ours, as it can be found in either record.
struct Contender {
    task: Task,
    label: String,
    /// Whichever kernel is the fastest, if none is named.
    row: Option<(String, Option<String>, usize)>,
}

impl Contender {
    fn row_in<'a>(&self, record: &'a Record) -> Option<&'a Row> {
        let mut rows = record.rows_of(self.task).filter(|row| row.is_ours());
        match &self.row {
            None => Row::fastest(rows),
            Some((name, platform, threads)) => rows.find(|row| {
                row.contender == *name && row.platform == *platform && row.threads == *threads
            }),
        }
    }
}

/// Every row of ours, and before the kernels of a task the fastest of them, whose name may be
/// another in the other record.
fn contenders(record: &Record) -> Vec<Contender> {
    let mut contenders = Vec::new();
    for task in record.tasks() {
        if matches!(task.kind(), Kind::Kernel | Kind::ParityKernel) {
            let label = "the fastest of verity".to_owned();
            contenders.push(Contender { task, label, row: None });
        }
        let ours = record.rows_of(task).filter(|row| row.is_ours());
        contenders.extend(ours.map(|row| Contender {
            task,
            label: row.label(),
            row: Some((row.contender.clone(), row.platform.clone(), row.threads)),
        }));
    }
    contenders
}

/// A line for each peer that both records have.
fn ratios(
    older: &Record,
    before: &Row,
    newer: &Record,
    after: &Row,
    label: &str,
) -> Vec<Vec<String>> {
    let peers = newer.rows_of(after.task).filter(|row| !row.is_ours());
    let mut peers: Vec<_> = peers.map(|row| row.contender.as_str()).collect();
    peers.dedup();
    let line = |peer| {
        let ratio = |record: &Record, row: &Row| {
            let peer = record.peer_of(row, peer)?;
            statistics::times_as_fast(&peer.seconds, &row.seconds)
        };
        let (before, after_) = (ratio(older, before)?, ratio(newer, after)?);
        Some(change(after.task, label, peer, before, after_))
    };
    peers.into_iter().filter_map(line).collect()
}

/// Bytes a cycle, where both clocks are known and the machine is the same.
fn cycles(
    older: &Record,
    before: &Row,
    newer: &Record,
    after: &Row,
    label: &str,
) -> Option<Vec<String>> {
    let is_same = older.machine.cpu == newer.machine.cpu;
    let rates = before.bytes_a_cycle().zip(after.bytes_a_cycle()).filter(|_| is_same);
    rates.map(|(older, newer)| change(after.task, label, "bytes/cycle", older, newer))
}

fn change(task: Task, label: &str, to: &str, before: Summary, after: Summary) -> Vec<String> {
    let percent = (after.median / before.median - 1.0) * 100.0;
    let is_within = before.least <= after.most && after.least <= before.most;
    let to = if to == "bytes/cycle" { to.to_owned() } else { format!("x {to}") };
    vec![
        task.title().to_owned(),
        label.to_owned(),
        to,
        spread(Some(before), 2),
        spread(Some(after), 2),
        format!("{percent:+.1} %"),
        if is_within { "within the spread" } else { "" }.to_owned(),
    ]
}

/// What only one of them has.
fn missing(older: &Record, newer: &Record) -> String {
    let only = |name, record: &Record, other: &Record| {
        let lacks = |row: &&Row| {
            let same = |it: &Row| it.task == row.task && it.label() == row.label();
            !other.rows.iter().any(same)
        };
        let rows = record.rows.iter().filter(lacks);
        let rows: Vec<_> =
            rows.map(|row| format!("{}: {}", row.task.title(), row.label())).collect();
        if rows.is_empty() {
            String::new()
        } else {
            format!("only in the {name}: {}\n", rows.join("; "))
        }
    };
    let lines = only("older", older, newer) + &only("newer", newer, older);
    if lines.is_empty() { lines } else { format!("\n{lines}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::VERITY;

    fn sample() -> Record {
        Record::load(&crate::sample_record()).unwrap()
    }

    fn probed() -> Record {
        let mut record = crate::probed_record();
        record.judge(None);
        record
    }

    fn has(text: &str, expected: &str) {
        assert!(text.contains(expected), "{expected:?} is not in:\n{text}");
    }

    fn squeezed(text: &str) -> String {
        text.split_inclusive('\n')
            .flat_map(|line| {
                [line.split_whitespace().collect::<Vec<_>>().join(" "), "\n".to_owned()]
            })
            .collect()
    }

    #[test]
    fn a_record_beside_itself_has_changed_in_nothing() {
        let text = text(&sample(), &sample());
        has(&text, "machine, versions and regimes are the same\n");
        has(&text, "## changes: regimes unknown\n");
        assert!(!text.contains("different") && !text.contains("only in"), "{text}");
        let lines = text.lines().skip_while(|line| !line.starts_with("|--")).skip(1);
        let lines: Vec<_> = lines.collect();
        assert!(lines.len() > 20);
        assert!(lines.iter().all(|line| line.contains("| +0.0 % ")), "{text}");
    }

    #[test]
    fn each_ratio_has_its_change() {
        let (older, mut newer) = (sample(), sample());
        for row in newer.rows.iter_mut().filter(|row| row.contender == VERITY && row.threads == 2) {
            row.seconds = row.seconds.iter().map(|time| time / 3.0).collect();
        }
        let text = squeezed(&text(&older, &newer));
        has(
            &text,
            "| format | verity, 2 threads | x veritysetup | 8.00 (5.00-10.00) | 24.00 \
             (15.00-30.00) | +200.0 % | |",
        );
        has(&text, "| format | verity, 1 thread | x veritysetup | 5.00 (");
        has(&text, "| sha256, blocks in L2 | the fastest of verity | x crate ring | 4.00 ");
    }

    #[test]
    fn what_differs_beside_verity_is_said() {
        let (older, mut newer) = (sample(), sample());
        newer.machine.cpu = "Other CPU".to_owned();
        newer.commit = "fedcba9".to_owned();
        newer.programs.veritysetup = Some("2.8.0".to_owned());
        newer.rows.retain(|row| row.task != Task::Verify);
        let text = text(&older, &newer);
        has(&text, "different machine: Some CPU (Zen 5), 2 CPUs, then Other CPU, 2 CPUs\n");
        has(&text, "different verity: 0123456, then fedcba9\n");
        has(&text, "different veritysetup: 2.6.1, then 2.8.0\n");
        has(&text, "only in the older: verify: veritysetup; ");
    }

    #[test]
    fn regimes_are_compared_like_with_like() {
        let (older, mut newer) = (probed(), probed());
        let both = text(&older, &newer);
        has(&both, "## changes: core alone\n");
        has(&both, "## changes: core shared\n");
        has(
            &squeezed(&both),
            "| format | verity, 1 thread | bytes/cycle | 1.25 (1.25-1.25) | 1.25 ",
        );
        newer.judge(Some(100.0));
        let shared = text(&older, &newer);
        has(&shared, "different regimes: core alone and core shared, then core shared\n");
        assert!(!shared.contains("## changes: core alone\n"));
        let mut alone = probed();
        for row in &mut alone.rows {
            row.probes.truncate(2);
            row.seconds.truncate(2);
        }
        has(&text(&newer, &alone), "No regime occurred in both records: nothing is compared.\n");
        let without = text(&sample(), &older);
        has(&without, "## changes: regime unknown in the older, core alone in the newer\n");
        has(&without, "different regimes: unknown, then core alone and core shared\n");
    }
}
