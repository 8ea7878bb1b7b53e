//! What the benchmarks share: input, contenders, a description of the machine, and the records.
//!
//! How to measure, and what was measured: `docs/PERFORMANCE.md`.

pub mod beside;
pub mod changes;
pub mod chart;
pub mod fec;
pub mod fixture;
pub mod kernels;
pub mod machine;
pub mod probe;
pub mod reads;
pub mod record;
pub mod register_loop;
pub mod report;
pub mod statistics;
mod table;
pub mod targets;
pub mod turns;
mod words;

/// Whether this run measures. `cargo test --benches` and `cargo bench -- --test` only run
/// everything once.
pub fn is_measuring() -> bool {
    let has = |flag| std::env::args().any(|argument| argument == flag);
    has("--bench") && !has("--test")
}

/// A record with round figures.
#[cfg(test)]
fn sample_record() -> std::path::PathBuf {
    verity_testdata::workspace().join("benches/tests/record.json")
}

/// The record with round figures, and with probes: each row has two rounds of 0.2 s a thread on a
/// core alone, one of 0.4 s on a shared one, and one that changed.
#[cfg(test)]
fn probed_record() -> record::Record {
    let mut record = record::Record::load(&sample_record()).expect("a record");
    let probe = |least, most| probe::Probe { least, most, ghz: 4.0, regime: None };
    let probes = vec![probe(6.0, 6.0), probe(5.9, 6.0), probe(3.0, 3.1), probe(3.0, 6.0)];
    for row in &mut record.rows {
        let seconds = [0.2, 0.2, 0.4, 0.3].map(|time| time / row.threads as f64);
        (row.bytes, row.seconds, row.probes) = (1_000_000_000, seconds.to_vec(), probes.clone());
    }
    record.limits = vec![probe::Limit {
        platforms: vec!["sha-ni".to_owned()],
        bytes_a_cycle: vec![2.0, 2.0, 1.0, 1.5],
        probes,
    }];
    record
}
