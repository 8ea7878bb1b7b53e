//! Charts of records, as SVG.
//!
//! ```text
//! chart [--out DIR] [--regime alone|shared] RECORD...
//! chart --docs
//! ```
//!
//! Of one record it draws `commands.svg`, `kernels.svg`, `reads.svg`, `fec.svg`, `fec-kernels.svg`
//! and `shares.svg`, as far as there are figures. Of several it draws the same for each, in a
//! directory of its own, and `machines.svg` and `shares.svg` of all of them. `--docs` draws the
//! newest record of the source tree into `docs/charts`, and the newest of each machine together.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use verity_benches::chart::{self, Named};
use verity_benches::probe;
use verity_benches::record::Record;

/// Draws charts of records.
#[derive(Debug, Parser)]
struct Arguments {
    /// What `compare --record` or `compare --out` wrote. Several are drawn each for itself and
    /// all together
    #[arg(required_unless_present = "docs")]
    records: Vec<PathBuf>,

    /// Where the charts go [default: here]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Which rounds are drawn [default: those with the core alone or shared, of which there are
    /// more]
    #[arg(long)]
    regime: Option<Regime>,

    /// Draw the records of the source tree, benches/record, into its docs/charts
    #[arg(long, conflicts_with_all = ["records", "out"])]
    docs: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Regime {
    /// Nobody else had the core
    Alone,
    /// Somebody else had it too
    Shared,
}

impl From<Regime> for probe::Regime {
    fn from(regime: Regime) -> probe::Regime {
        match regime {
            Regime::Alone => probe::Regime::Alone,
            Regime::Shared => probe::Regime::Shared,
        }
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("chart: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    if arguments.docs {
        return draw_docs(arguments);
    }
    let out = arguments.out.clone().unwrap_or_else(|| PathBuf::from("."));
    let records = arguments.records.iter().map(|path| Record::load(path));
    let records: Vec<_> = records.collect::<Result<_, _>>()?;
    if let [record] = &records[..] {
        return write(&of_one(arguments, record)?, &out);
    }
    for (record, name) in records.iter().zip(names(&records)) {
        write(&of_one(arguments, record)?, &out.join(name))?;
    }
    write(&chart::together(&records)?, &out)
}

fn draw_docs(arguments: &Arguments) -> Result<(), String> {
    let source = verity_testdata::workspace();
    let records = newest_by_machine(&source.join("benches/record"))?;
    let newest = records.iter().max_by(|a, b| a.date.cmp(&b.date));
    let out = source.join("docs/charts");
    write(&of_one(arguments, newest.ok_or("there is no record")?)?, &out)?;
    write(&chart::together(&records)?, &out)
}

fn of_one(arguments: &Arguments, record: &Record) -> Result<Vec<Named>, String> {
    match arguments.regime.map(probe::Regime::from) {
        None => chart::all(record),
        Some(regime) if record.samples_in(regime) > 0 => chart::of_regime(record, Some(regime)),
        Some(regime) => {
            let (date, title) = (&record.date, regime.title());
            Err(format!("the record of {date} has no sample with the {title} (--regime)"))
        }
    }
}

fn write(charts: &[Named], out: &Path) -> Result<(), String> {
    for path in chart::write(charts, out)? {
        eprintln!("chart: wrote {}", path.display());
    }
    Ok(())
}

/// A name for the directory of each record: its machine, and a number from the second one on.
fn names(records: &[Record]) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let name = |record: &Record| {
        let name = &record.machine.name;
        let count = seen.entry(name.clone()).or_default();
        *count += 1;
        if *count == 1 { name.clone() } else { format!("{name}-{count}") }
    };
    records.iter().map(name).collect()
}

/// In the order of the machines' names.
fn newest_by_machine(records: &Path) -> Result<Vec<Record>, String> {
    let mut newest: BTreeMap<String, Record> = BTreeMap::new();
    for machine in entries(records)?.iter().filter(|path| path.is_dir()) {
        for path in
            entries(machine)?.iter().filter(|path| path.extension().is_some_and(|it| it == "json"))
        {
            let record = Record::load(path)?;
            let best = newest.entry(record.machine.name.clone()).or_insert_with(|| record.clone());
            if best.date <= record.date {
                *best = record;
            }
        }
    }
    Ok(newest.into_values().collect())
}

/// Sorted, so that the same records give the same charts.
fn entries(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let wrong = |error| format!("{}: {error}", directory.display());
    let entries = fs::read_dir(directory).map_err(wrong)?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(wrong)?;
    paths.sort();
    Ok(paths)
}
