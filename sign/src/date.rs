//! Times for people: seconds since 1970 as a date.

use std::fmt;
use std::time::Duration;

use der::DateTime;

/// Seconds since 1970, shown as RFC 3339 in UTC, or as they are beyond the year 9999.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Date(pub(crate) u64);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::from_unix_duration(Duration::from_secs(self.0)) {
            Ok(date) => date.fmt(f),
            Err(_) => write!(f, "{} seconds after 1970", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_rfc_3339() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_801_439_999, "2027-01-31T23:59:59Z"),
            (u64::MAX, "18446744073709551615 seconds after 1970"),
        ] {
            assert_eq!(Date(seconds).to_string(), text);
        }
    }
}
