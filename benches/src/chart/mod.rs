//! Charts of records, as SVG: the same record gives the same bytes.

mod bars;
mod canvas;
mod shares;
mod text;

use std::fs;
use std::path::{Path, PathBuf};

use crate::fec::{GF256, READING, REED_SOLOMON};
use crate::kernels::{RING, SHA2, TAPE, VERITY};
use crate::probe::Regime;
use crate::reads::{HASHING, PREAD_RING, VERITY_NO_COPY, VERITY_SLICE};
use crate::record::{
    Kind, OTHER_VERITY, RING_BUILDER, Record, Row, Task, VERIFY_INTACT, VERITYSETUP, WITHOUT_PARITY,
};
use crate::statistics::{self, Summary};

use self::bars::{Bar, BarChart, Group};
use self::canvas::Colour;

pub use self::shares::shares;

/// A picture and the name of its file.
pub type Named = (&'static str, String);

/// Every chart that a record has figures for, of the regime that most of its samples belong to.
///
/// # Errors
/// If one cannot be drawn.
pub fn all(record: &Record) -> Result<Vec<Named>, String> {
    of_regime(record, record.main_regime())
}

/// Every chart that a record has figures for, of one regime.
///
/// # Errors
/// If one cannot be drawn.
pub fn of_regime(record: &Record, regime: Option<Regime>) -> Result<Vec<Named>, String> {
    let record = &record.of_regime(regime);
    named([
        ("commands.svg", commands(record)),
        ("kernels.svg", kernels(record)),
        ("reads.svg", reads(record)),
        ("fec.svg", fec(record)),
        ("fec-kernels.svg", fec_kernels(record)),
        ("shares.svg", shares(std::slice::from_ref(record))),
    ])
}

/// The charts that show several records beside each other.
///
/// # Errors
/// If one cannot be drawn.
pub fn together(records: &[Record]) -> Result<Vec<Named>, String> {
    let of_one_regime = |record: &Record| record.of_regime(record.main_regime());
    let records: Vec<_> = records.iter().map(of_one_regime).collect();
    named([("machines.svg", machines(&records)), ("shares.svg", shares(&records))])
}

/// Writes charts into a directory, which is made if need be. Returns the files.
///
/// # Errors
/// If one cannot be written.
pub fn write(charts: &[Named], directory: &Path) -> Result<Vec<PathBuf>, String> {
    let made = fs::create_dir_all(directory);
    made.map_err(|error| format!("{}: {error}", directory.display()))?;
    let file = |(name, svg): &Named| {
        let path = directory.join(name);
        let written = fs::write(&path, svg);
        written.map(|()| path.clone()).map_err(|error| format!("{}: {error}", path.display()))
    };
    charts.iter().map(file).collect()
}

/// What there is nothing to draw of has no chart.
fn named<const N: usize>(
    charts: [(&'static str, Option<Result<String, String>>); N],
) -> Result<Vec<Named>, String> {
    let drawn = charts.into_iter().filter_map(|(name, svg)| Some(svg?.map(|svg| (name, svg))));
    drawn.collect()
}

/// Whole commands as multiples of veritysetup; none if the record has no commands.
///
/// # Errors
/// If it cannot be drawn.
pub fn commands(record: &Record) -> Option<Result<String, String>> {
    let chart = BarChart {
        title: "Whole commands, beside veritysetup".to_owned(),
        subtitle: format!(
            "A file of {} of random bytes to its hash file, and verified; wall time with all \
             writes and syncs",
            size(record.input.bytes)
        ),
        axis: "times as fast as veritysetup".to_owned(),
        groups: groups(record, Kind::Command, multiple_of_veritysetup),
        caption: caption_of_threads(record, Kind::Command),
    };
    (!chart.groups.is_empty()).then(|| chart.svg())
}

/// Kernels on one thread, in GB/s; none if the record has no kernels.
///
/// # Errors
/// If it cannot be drawn.
pub fn kernels(record: &Record) -> Option<Result<String, String>> {
    let chart = BarChart {
        title: "Hashing on one core".to_owned(),
        subtitle: format!(
            "Blocks of 4096 bytes behind a salt of 32 bytes; 256 KiB in the level-2 cache, {} in \
             memory",
            size(record.input.bytes)
        ),
        axis: "GB/s".to_owned(),
        groups: groups(record, Kind::Kernel, gigabytes_beside_ring),
        caption: caption(record, Kind::Kernel),
    };
    (!chart.groups.is_empty()).then(|| chart.svg())
}

/// Verified reads, beside what else reads and hashes, in GB/s; none if the record has no reads.
///
/// # Errors
/// If it cannot be drawn.
pub fn reads(record: &Record) -> Option<Result<String, String>> {
    let image = record.reads.as_ref().map(|reads| size(reads.image)).unwrap_or_default();
    let chart = BarChart {
        title: "Verified reads".to_owned(),
        subtitle: format!(
            "An image of {image} in the page cache, its hash tree verified before; every block is \
             hashed at every read"
        ),
        axis: "GB/s, all threads together".to_owned(),
        groups: groups(record, Kind::Read, gigabytes_of_reads),
        caption: caption_of_threads(record, Kind::Read),
    };
    (!chart.groups.is_empty()).then(|| chart.svg())
}

/// Commands that make and use parity, beside veritysetup and verification alone, in GB/s; none if
/// the record has none of them.
///
/// # Errors
/// If it cannot be drawn.
pub fn fec(record: &Record) -> Option<Result<String, String>> {
    let images = record.parity.iter().map(|parity| {
        format!(
            "{} with {} roots ({} blocks corrupt)",
            size(parity.image),
            parity.roots,
            parity.corrupt
        )
    });
    let chart = BarChart {
        title: "Forward error correction".to_owned(),
        subtitle: format!(
            "Random bytes to tree and parity, and repair in place: {}",
            images.collect::<Vec<_>>().join(", ")
        ),
        axis: "GB/s of the image, wall time with all writes and syncs".to_owned(),
        groups: groups(record, Kind::Parity, gigabytes_with_parity),
        caption: caption_of_threads(record, Kind::Parity),
    };
    (!chart.groups.is_empty()).then(|| chart.svg())
}

/// Making parity and recovering lost blocks on one thread, in GB/s; none if the record has no such
/// rows.
///
/// # Errors
/// If it cannot be drawn.
pub fn fec_kernels(record: &Record) -> Option<Result<String, String>> {
    let chart = BarChart {
        title: "Parity on one core".to_owned(),
        subtitle: "Blocks in memory to the bytes that dm-verity asks for, nothing hashed, beside \
                   crates that encode codewords"
            .to_owned(),
        axis: "GB/s of the blocks".to_owned(),
        groups: groups(record, Kind::ParityKernel, gigabytes_beside_reading),
        caption: caption(record, Kind::ParityKernel),
    };
    (!chart.groups.is_empty()).then(|| chart.svg())
}

/// The fastest kernel beside its peers in each record; none if fewer than two records have
/// kernels.
///
/// # Errors
/// If it cannot be drawn.
pub fn machines(records: &[Record]) -> Option<Result<String, String>> {
    let chart = BarChart {
        title: "Hashing on one core, by machine".to_owned(),
        subtitle: "sha256 of blocks of 4096 bytes behind a salt of 32 bytes, 256 KiB in the \
                   level-2 cache"
            .to_owned(),
        axis: "GB/s".to_owned(),
        groups: records.iter().filter_map(machine).collect(),
        caption: vec![
            "A record of each; medians, whiskers from the slowest to the fastest round. Figures \
             are those of one run each: between machines only the ratios can be compared."
                .to_owned(),
        ],
    };
    (chart.groups.len() > 1).then(|| chart.svg())
}

fn machine(record: &Record) -> Option<Group> {
    let rows = || record.rows_of(Task::Sha256L2);
    let ours = Row::fastest(rows().filter(|row| row.is_ours()))?;
    let rows = std::iter::once(ours).chain(rows().filter(|row| !row.is_ours()));
    let date = record.date.split_whitespace().next().unwrap_or_default();
    Some(Group {
        title: format!(
            "{}, {date}, commit {}{}",
            record.machine.cpu,
            record.commit,
            regime_words(record)
        ),
        bars: rows.filter_map(|row| gigabytes_beside_ring(record, row)).collect(),
    })
}

/// One for each task of that kind. Another build of ours is left out: a chart shows one.
fn groups(record: &Record, kind: Kind, bar: fn(&Record, &Row) -> Option<Bar>) -> Vec<Group> {
    let tasks = record.tasks().filter(|task| task.kind() == kind);
    let group = |task: Task| {
        let rows = record.rows_of(task).filter(|row| row.contender != OTHER_VERITY);
        let bars = rows.filter_map(|row| bar(record, row)).collect();
        Group { title: task.title().to_owned(), bars }
    };
    tasks.map(group).filter(|group| !group.bars.is_empty()).collect()
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
    gigabytes_beside(record, row, RING)
}

fn gigabytes_of_reads(record: &Record, row: &Row) -> Option<Bar> {
    gigabytes_beside(record, row, if row.task == Task::ReadRandom { PREAD_RING } else { HASHING })
}

fn gigabytes_with_parity(record: &Record, row: &Row) -> Option<Bar> {
    let is_format = [Task::FormatFec2, Task::FormatFec24].contains(&row.task);
    gigabytes_beside(record, row, if is_format { VERITYSETUP } else { VERIFY_INTACT })
}

fn gigabytes_beside_reading(record: &Record, row: &Row) -> Option<Bar> {
    gigabytes_beside(record, row, READING)
}

/// The peer's own bar is the one without a ratio.
fn gigabytes_beside(record: &Record, row: &Row, peer: &str) -> Option<Bar> {
    let value = statistics::throughput(row.bytes, &row.seconds)?;
    let mut note = format!("{:.2} GB/s", value.median);
    if row.contender != peer
        && let Some(reference) = record.peer_of(row, peer)
        && let Some(ratio) = statistics::times_as_fast(&reference.seconds, &row.seconds)
    {
        note += &format!(" · {:.2} x {peer}", ratio.median);
    }
    Some(Bar { label: row.label(), value, note, colour: colour(row) })
}

/// One for each contender, told apart by the colour-blind too (Okabe and Ito's).
fn colour(row: &Row) -> Colour {
    match row.contender.as_str() {
        VERITY => Colour(0, 114, 178),
        VERITY_SLICE | WITHOUT_PARITY | VERIFY_INTACT => Colour(86, 180, 233),
        VERITY_NO_COPY => Colour(213, 94, 0),
        RING | RING_BUILDER | PREAD_RING | REED_SOLOMON => Colour(230, 159, 0),
        SHA2 | GF256 => Colour(204, 121, 167),
        TAPE | HASHING | READING => Colour(0, 158, 115),
        _ => Colour(130, 130, 130),
    }
}

/// Where two threads are among the bars.
fn caption_of_threads(record: &Record, kind: Kind) -> Vec<String> {
    let mut caption = caption(record, kind);
    let counts = record.register_loop.as_ref().is_some_and(|it| it.two_threads_count());
    if !counts {
        caption
            .push("Two threads did not have a core each: their figures do not count.".to_owned());
    }
    caption
}

/// As in `, core alone`; nothing where that is unknown.
fn regime_words(record: &Record) -> String {
    record.only_regime().map(|regime| format!(", {}", regime.title())).unwrap_or_default()
}

/// Who had the core, and how often.
fn regime_caption(record: &Record, kind: Kind) -> String {
    let Some(regime) = record.only_regime() else {
        return "Whether anybody shared the core is unknown: the record has no probe.".to_owned();
    };
    let rows = || record.rows.iter().filter(|row| row.task.kind() == kind);
    let counted: usize = rows().map(Row::rounds).sum();
    let all: usize = rows().map(|row| row.seconds.len()).sum();
    format!("Only of rounds with the {}: {counted} of {all}.", regime.title())
}

fn caption(record: &Record, kind: Kind) -> Vec<String> {
    let Record { machine, .. } = record;
    vec![
        format!(
            "{}, {} CPUs, {}. {}, commit {}.",
            machine.cpu, machine.cpus, machine.kernel, record.date, record.commit
        ),
        format!(
            "{}. Medians of {} of one run, all sides in turns; whiskers from the slowest to the \
             fastest.",
            record.compiler,
            rounds(record, kind)
        ),
        regime_caption(record, kind),
    ]
}

/// As in `7 rounds`, or `7 rounds (veritysetup 3)`.
fn rounds(record: &Record, kind: Kind) -> String {
    let rows = || record.rows.iter().filter(|row| row.task.kind() == kind);
    let most = rows().map(Row::rounds).max().unwrap_or_default();
    let mut fewer: Vec<_> = rows()
        .filter(|row| row.rounds() < most)
        .map(|row| format!("{} {}", row.contender, row.rounds()))
        .collect();
    fewer.sort();
    fewer.dedup();
    match fewer.is_empty() {
        true => format!("{most} rounds"),
        false => format!("{most} rounds ({})", fewer.join(", ")),
    }
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
        fits(svg);
        let opened = svg.matches('<').count() - svg.matches("</").count();
        let closed = svg.matches("</").count() + svg.matches("/>").count();
        assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"), "{svg}");
        assert_eq!(opened, closed, "{svg}");
        for mention in mentions {
            assert!(svg.contains(mention), "{mention} is not in {svg}");
        }
    }

    /// No text leaves the picture, by how wide it is at the most.
    fn fits(svg: &str) {
        let number = |element: &str, name: &str| {
            let (_, rest) = element.split_once(&format!(" {name}=\"")).unwrap();
            rest.split('"').next().unwrap().parse::<f64>().unwrap()
        };
        let (width, height) = (number(svg, "width"), number(svg, "height"));
        for element in svg.split("<text").skip(1) {
            let (attributes, rest) = element.split_once('>').unwrap();
            let text = rest.split("</text>").next().unwrap().trim();
            let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
            let bold = attributes.contains("bold");
            let size = number(attributes, "font-size");
            let wide = text::width(&text, canvas::Style { size, colour: canvas::INK, bold });
            let (x, y) = (number(attributes, "x"), number(attributes, "y"));
            let left = match attributes {
                _ if attributes.contains("\"end\"") => x - wide,
                _ if attributes.contains("\"middle\"") => x - wide / 2.0,
                _ => x,
            };
            assert!(
                left >= 0.0 && left + wide <= width,
                "{text:?} at {left} of {width}, {wide} wide"
            );
            assert!(y - size >= 0.0 && y + size <= height, "{text:?} at {y} of {height}");
        }
    }

    #[test]
    fn words_of_any_length_stay_within_their_picture() {
        let mut record = crate::probed_record();
        record.judge(None);
        let word = "W".repeat(300);
        record.machine.cpu = format!("Very Long (R) Name (TM) {word} of a CPU @ 3.10 GHz 64 cores");
        record.compiler = "rustc of a compiler ".repeat(20);
        for row in &mut record.rows {
            row.contender += " of a very long name that nobody would think of";
            row.platform = row.platform.take().map(|name| name.repeat(5));
        }
        for (name, svg) in
            all(&record).unwrap().iter().chain(&together(&[record.clone(), record]).unwrap())
        {
            fits(svg);
            assert!(!name.is_empty());
        }
    }

    #[test]
    fn pictures_are_dark_on_dark_pages_and_have_a_title() {
        let svg = commands(&sample()).unwrap().unwrap();
        check(&svg, &["<title>Whole commands, beside veritysetup</title>", "<desc>A file of "]);
        check(&svg, &["@media (prefers-color-scheme: dark) {rect[fill=\"#FFFFFF\"]{fill:#0D1117}"]);
        check(&svg, &["format: veritysetup: 1.00x"]);
        // What has another colour on dark pages is there.
        for (element, colour) in [
            ("<rect", "fill=\"#FFFFFF\""),
            ("<text", "fill=\"#202124\""),
            ("<text", "fill=\"#5F6368\""),
            ("<polyline", "stroke=\"#202124\""),
            ("<polyline", "stroke=\"#E1E3E6\""),
        ] {
            let mut elements = svg.split(element).skip(1);
            assert!(elements.any(|it| it.split('>').next().unwrap().contains(colour)), "{colour}");
        }
    }

    #[test]
    fn a_chart_is_of_one_regime_and_says_which() {
        let mut record = crate::probed_record();
        record.judge(None);
        let charts = all(&record).unwrap();
        let [(_, commands), ..] = &charts[..] else { panic!("no chart") };
        check(commands, &["Only of rounds with the core alone: 16 of 32.", "0.200 s"]);
        let shared = of_regime(&record, Some(Regime::Shared)).unwrap();
        check(&shared[0].1, &["Only of rounds with the core shared: 8 of 32.", "0.400 s"]);
        let unknown = all(&sample()).unwrap();
        check(&unknown[0].1, &["Whether anybody shared the core is unknown"]);
        assert_eq!(
            unknown.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
            ["commands.svg", "kernels.svg", "reads.svg", "fec.svg", "fec-kernels.svg"]
        );
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
        check(&svg, &["verity avx512", "verity sha-ni", "crate sha2", "crate ring"]);
        check(&svg, &["crate tape-sha256 avx512-16"]);
        check(
            &svg,
            &["8.00 GB/s · 4.00 x crate ring", "sha256, blocks in memory", "sha512, blocks in L2"],
        );
    }

    #[test]
    fn the_chart_of_reads_has_both_ways_and_who_they_are_held_against() {
        let svg = reads(&sample()).unwrap().unwrap();
        check(&svg, &["verity, 2 threads", "verity of a slice, 1 thread", "pread, 1 thread"]);
        check(&svg, &["0.98 GB/s · 0.95 x pread + ring", "3.36 GB/s · 0.75 x hashing alone"]);
        check(&svg, &["reads of 4 KiB at random", "An image of 4 GiB in the page cache"]);
    }

    #[test]
    fn the_chart_of_parity_has_commands_beside_what_they_are_held_against() {
        let svg = fec(&sample()).unwrap().unwrap();
        check(&svg, &["format with parity, 24 roots", "verity without parity, 2 threads"]);
        check(&svg, &["5.33 GB/s · 53.33 x veritysetup", "verity verify, intact, 1 thread"]);
        check(&svg, &["1.60 GB/s · 0.25 x verity verify, intact", "GB/s of the image"]);
        check(&svg, &["954 MiB with 2 roots (237 blocks corrupt)", "3 rounds (veritysetup 2)"]);
    }

    #[test]
    fn the_chart_of_encoders_has_every_rung_and_peer() {
        let svg = fec_kernels(&sample()).unwrap().unwrap();
        check(&svg, &["verity gfni", "verity portable", "reed-solomon", "gf256"]);
        check(&svg, &["5.00 GB/s · 0.25 x reading memory", "20.00 GB/s", "3 rounds (gf256 1"]);
    }

    #[test]
    fn machines_are_compared_from_two_on() {
        let mut other = sample();
        other.machine.cpu = "Other <CPU> & more".to_owned();
        assert!(machines(&[sample()]).is_none());
        let svg = machines(&[sample(), other]).unwrap().unwrap();
        check(&svg, &["Some CPU (Zen 5), 2026-11-24, commit 0123456"]);
        check(&svg, &["Other &lt;CPU&gt; &amp; more"]);
    }

    #[test]
    fn the_same_record_gives_the_same_bytes() {
        assert_eq!(kernels(&sample()), kernels(&sample()));
        let none = Record { rows: Vec::new(), ..sample() };
        for chart in [kernels, commands, reads, fec, fec_kernels] {
            assert!(chart(&none).is_none());
        }
    }

    #[test]
    fn two_threads_on_one_core_are_marked() {
        let mut record = sample();
        record.register_loop = None;
        for chart in [commands, reads, fec] {
            assert!(chart(&record).unwrap().unwrap().contains("do not count"));
        }
    }
}
