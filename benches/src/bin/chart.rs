//! Charts of what `compare --record` wrote, as SVG.
//!
//! ```text
//! chart [RECORD.json] [--out DIR]
//! ```
//!
//! Without a record it takes the newest. `docs/charts` gets `commands.svg`, `kernels.svg`,
//! `reads.svg`, `fec.svg` and `fec-kernels.svg` of what it has, and, once there are records of two
//! machines, `machines.svg` of the newest of each.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use verity_benches::chart;
use verity_benches::record::Record;

/// Draws charts of records.
#[derive(Debug, Parser)]
struct Arguments {
    /// The record [default: the newest in benches/record]
    record: Option<PathBuf>,

    /// Where the charts go [default: docs/charts]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
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
    let workspace = verity_testdata::workspace();
    let newest = newest_by_machine(&workspace.join("benches/record"))?;
    let record = match &arguments.record {
        Some(path) => Record::load(path)?,
        None => {
            newest.iter().max_by(|a, b| a.date.cmp(&b.date)).ok_or("there is no record")?.clone()
        }
    };
    let out = arguments.out.clone().unwrap_or_else(|| workspace.join("docs/charts"));
    fs::create_dir_all(&out).map_err(|error| format!("{}: {error}", out.display()))?;
    write(&out.join("commands.svg"), chart::commands(&record))?;
    write(&out.join("kernels.svg"), chart::kernels(&record))?;
    write(&out.join("reads.svg"), chart::reads(&record))?;
    write(&out.join("fec.svg"), chart::fec(&record))?;
    write(&out.join("fec-kernels.svg"), chart::fec_kernels(&record))?;
    write(&out.join("machines.svg"), chart::machines(&newest))
}

/// What there is nothing to draw of is left alone.
fn write(path: &Path, chart: Option<Result<String, String>>) -> Result<(), String> {
    let Some(svg) = chart.transpose()? else { return Ok(()) };
    fs::write(path, svg).map_err(|error| format!("{}: {error}", path.display()))?;
    eprintln!("chart: wrote {}", path.display());
    Ok(())
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
