//! What the benchmarks share: input, contenders, a description of the machine, and the records.
//!
//! How to measure, and what was measured: `docs/PERFORMANCE.md`.

pub mod beside;
pub mod chart;
pub mod fec;
pub mod fixture;
pub mod kernels;
pub mod machine;
pub mod reads;
pub mod record;
pub mod register_loop;
pub mod report;
pub mod statistics;
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
