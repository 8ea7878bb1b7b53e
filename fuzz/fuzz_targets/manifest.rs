//! libFuzzer's entry to [`verity_fuzz::manifest`], where the invariants are.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| verity_fuzz::manifest::run(data));
