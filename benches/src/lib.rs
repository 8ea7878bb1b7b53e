//! What the benchmarks share: input, parameters, and a description of the machine.
//!
//! How to measure, and what was measured: `docs/PERFORMANCE.md`.

pub mod fixture;
pub mod machine;

/// Whether this run measures. `cargo test --benches` and `cargo bench -- --test` only run everything once.
pub fn is_measuring() -> bool {
    let has = |flag| std::env::args().any(|argument| argument == flag);
    has("--bench") && !has("--test")
}
