//! The time by which certificates and manifests are valid or not.

use std::time::{SystemTime, UNIX_EPOCH};

/// The time, in seconds since 1970.
pub(crate) fn now() -> u64 {
    seconds(SystemTime::now())
}

/// A clock that stands before 1970 is no excuse: everything counts as over then.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(u64::MAX, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p32_a_clock_far_past_makes_nothing_valid() {
        let day = std::time::Duration::from_secs(86_400);
        assert_eq!(seconds(UNIX_EPOCH + day), 86_400);
        for before in [day, 30_000 * day] {
            assert_eq!(seconds(UNIX_EPOCH.checked_sub(before).unwrap()), u64::MAX);
        }
    }
}
