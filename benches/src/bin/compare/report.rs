//! Times as a table: median, spread, throughput, and the ratio to the first contender.

use std::fmt::Write;
use std::time::Duration;

use crate::contest::Measured;

/// The register loop, before and after, as a line.
pub(crate) fn loops(before: (f64, f64), after: (f64, f64)) -> String {
    format!(
        "register loop (sha2), GB/s on one CPU / on all: {:.2} / {:.2} before, {:.2} / {:.2} after\n",
        before.0, before.1, after.0, after.1
    )
}

/// A table a task. `size` is that of the image, in bytes.
pub(crate) fn tables(measured: &[Measured], size: u64) -> String {
    let mut text = String::new();
    for runs in measured.chunk_by(|a, b| a.task == b.task) {
        let Some(first) = runs.first() else { continue };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "\n{:<20} {:>9} {:>15} {:>7} {:>22}",
            first.task, "median s", "min-max s", "GB/s", "x veritysetup (spread)"
        );
        for run in runs {
            text += &row(run, first, size);
        }
    }
    text
}

fn row(run: &Measured, first: &Measured, size: u64) -> String {
    let (median, (least, most)) = (median(&run.times), extremes(seconds(&run.times)));
    let (low, high) = extremes(seconds(&first.times).zip(seconds(&run.times)).map(|(a, b)| a / b));
    format!(
        "{:<20} {median:>9.3} {:>15} {:>7.2} {:>8.2} {:>13}\n",
        run.contender,
        format!("{least:.3}-{most:.3}"),
        gigabytes(size) / median,
        self::median(&first.times) / median,
        format!("({low:.2}-{high:.2})"),
    )
}

fn seconds(times: &[Duration]) -> impl Iterator<Item = f64> + '_ {
    times.iter().map(Duration::as_secs_f64)
}

fn extremes(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, 0.0), |(least, most), value| (least.min(value), most.max(value)))
}

/// The middle one, or the mean of the two in the middle.
fn median(times: &[Duration]) -> f64 {
    let mut sorted: Vec<_> = seconds(times).collect();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = ((sorted.len() - 1) / 2, sorted.len() / 2);
    (sorted[low] + sorted[high]) / 2.0
}

fn gigabytes(bytes: u64) -> f64 {
    Duration::from_nanos(bytes).as_secs_f64()
}
