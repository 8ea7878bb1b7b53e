//! libFuzzer's entry to [`verity_fuzz::table`], where the invariants are.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| verity_fuzz::table::run(data));
