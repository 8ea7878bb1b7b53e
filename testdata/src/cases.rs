//! How many random cases a property test runs, and from which seed.
//!
//! A test prints its seed in every failure message; the same seed gives the same cases again.

use std::time::{SystemTime, UNIX_EPOCH};

/// The seed of a property test: `VERITY_TEST_SEED` (decimal, or hexadecimal after `0x`) or else
/// one taken from the clock. The caller prints it.
///
/// # Panics
/// If `VERITY_TEST_SEED` is set and not a number.
#[must_use]
pub fn seed() -> u64 {
    match std::env::var("VERITY_TEST_SEED") {
        Ok(text) => parse_seed(&text).expect("VERITY_TEST_SEED is a decimal or 0x number"),
        Err(_) => seed_from_clock(),
    }
}

/// The number of cases of a differential test: `VERITY_DIFFERENTIAL_CASES`, else `default`.
///
/// # Panics
/// If `VERITY_DIFFERENTIAL_CASES` is set and not a number.
#[must_use]
pub fn cases(default: u32) -> u32 {
    match std::env::var("VERITY_DIFFERENTIAL_CASES") {
        Ok(text) => text.parse().expect("VERITY_DIFFERENTIAL_CASES is a number"),
        Err(_) => default,
    }
}

/// This many percent, at least one, of the runs with faults: of `VERITY_FAULT_RUNS`, else of 600.
///
/// # Panics
/// If `VERITY_FAULT_RUNS` is set and not a number.
#[must_use]
pub fn fault_runs(percent: u64) -> u64 {
    let runs = match std::env::var("VERITY_FAULT_RUNS") {
        Ok(text) => text.parse().expect("VERITY_FAULT_RUNS is a number"),
        Err(_) => 600,
    };
    (runs * percent / 100).max(1)
}

fn parse_seed(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

fn seed_from_clock() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_secs().rotate_left(32) ^ u64::from(now.subsec_nanos()) ^ u64::from(std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_decimal_or_hexadecimal() {
        assert_eq!(parse_seed("17"), Some(17));
        assert_eq!(parse_seed("0xffffffffffffffff"), Some(u64::MAX));
        assert_eq!(parse_seed("seventeen"), None);
    }
}
