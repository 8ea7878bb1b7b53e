//! libFuzzer's entry to [`verity_fuzz::popt`], where the invariants are.

#![no_main]

use std::sync::LazyLock;

use verity_fuzz::{mutate, popt};

static SEEDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(popt::seeds);

libfuzzer_sys::fuzz_target!(|data: &[u8]| popt::run(data));

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate::every_other(data, seed, &SEEDS)
        .unwrap_or_else(|| libfuzzer_sys::fuzzer_mutate(data, size, max_size))
});
