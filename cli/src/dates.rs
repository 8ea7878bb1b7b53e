//! Times as users write them: RFC 3339, a date alone, or seconds since 1970, which `@` may stand in
//! front of.
//!
//! Every time is in UTC unless it says otherwise. A date alone is its first second, or its last one
//! where a time ends something. What cannot be a time is refused rather than guessed at.

use std::ops::{Range, RangeInclusive};

use der::DateTime;

/// Which second of its day a date alone means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DayEnd {
    First,
    Last,
}

/// A time in seconds since 1970, such as `2027-01-31`, `2027-01-31T12:00:00Z`, `1801396800` or
/// `@1801396800`.
pub(crate) fn time(text: &str, of_day: DayEnd) -> Result<u64, TimeError> {
    let seconds = text.strip_prefix('@').unwrap_or(text);
    if !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit()) {
        return match may_be_date(text) {
            true => Err(TimeError::MaybeDate),
            false => seconds.parse().map_err(|_| TimeError::TooLarge),
        };
    }
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(end) => (&text[..end], Some(&text[end + 1..])),
        None => (text, None),
    };
    let date = Date::parse(date)?;
    match (time, of_day) {
        (None, DayEnd::First) => date.at(0, 0, 0),
        (None, DayEnd::Last) => date.at(23, 59, 59),
        (Some(time), _) => time_of_day(&date, time),
    }
}

/// Text that is no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TimeError {
    #[error("times before 1970 are not known here")]
    Before1970,
    #[error(
        "these digits may be a date: one is written as 2027-01-31, and seconds since 1970 that \
         look like one with @ in front"
    )]
    MaybeDate,
    #[error("the time needs its zone: Z at the end, or an offset such as +01:00")]
    NoZone,
    #[error(
        "not a time: 2027-01-31, 2027-01-31T12:00:00Z and seconds since 1970 are understood \
         (a date alone is in UTC)"
    )]
    NotATime,
    #[error("there is no such day in the calendar")]
    NoSuchDay,
    #[error("there is no such time of day")]
    NoSuchTime,
    #[error("beyond 64 bits of seconds")]
    TooLarge,
}

/// Whether digits may be meant as a date: a year, a year and month, any eight, or those and a time
/// of day. Nobody means so few seconds, or so many.
fn may_be_date(digits: &str) -> bool {
    let is_in = |range: Range<usize>, values: RangeInclusive<u16>| {
        digits.get(range).is_none_or(|part| number(Some(part)).is_ok_and(|it| values.contains(&it)))
    };
    match digits.len() {
        8 => digits.bytes().all(|byte| byte.is_ascii_digit()),
        4 | 6 | 12 | 14 => is_in(0..4, 1970..=2999) && is_in(4..6, 1..=12) && is_in(6..8, 1..=31),
        _ => false,
    }
}

struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    fn parse(text: &str) -> Result<Date, TimeError> {
        let bytes = text.as_bytes();
        if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
            return Err(TimeError::NotATime);
        }
        let date = Date {
            year: number(text.get(..4))?,
            month: two_digits(text.get(5..7))?,
            day: two_digits(text.get(8..))?,
        };
        if date.year < 1970 {
            return Err(TimeError::Before1970);
        }
        date.at(0, 0, 0).map(|_| date)
    }

    /// A time of this day, in UTC.
    fn at(&self, hour: u8, minute: u8, second: u8) -> Result<u64, TimeError> {
        DateTime::new(self.year, self.month, self.day, hour, minute, second)
            .map(|time| time.unix_duration().as_secs())
            .map_err(|_| TimeError::NoSuchDay)
    }
}

/// A time of day with its zone; fractions of a second are cut off.
fn time_of_day(date: &Date, text: &str) -> Result<u64, TimeError> {
    let (clock, zone) = text.split_at_checked(8).ok_or(TimeError::NotATime)?;
    let bytes = clock.as_bytes();
    if bytes[2] != b':' || bytes[5] != b':' {
        return Err(TimeError::NotATime);
    }
    let [hour, minute, second] = [0..2, 3..5, 6..8].map(|place| two_digits(clock.get(place)));
    let (hour, minute, second) = (hour?, minute?, second?);
    if hour > 23 || minute > 59 || second > 59 {
        return Err(TimeError::NoSuchTime);
    }
    let there = date.at(hour, minute, second)?;
    match offset(without_fraction(zone)?)? {
        Offset::Ahead(seconds) => there.checked_sub(seconds).ok_or(TimeError::Before1970),
        Offset::Behind(seconds) => there.checked_add(seconds).ok_or(TimeError::TooLarge),
    }
}

fn without_fraction(text: &str) -> Result<&str, TimeError> {
    let Some(fraction) = text.strip_prefix('.') else { return Ok(text) };
    let zone = fraction.trim_start_matches(|char: char| char.is_ascii_digit());
    if zone.len() == fraction.len() { Err(TimeError::NotATime) } else { Ok(zone) }
}

/// How far the clock of a zone is from UTC, in seconds.
enum Offset {
    Ahead(u64),
    Behind(u64),
}

fn offset(zone: &str) -> Result<Offset, TimeError> {
    let (sign, offset) = match zone.split_at_checked(1) {
        _ if zone.is_empty() => return Err(TimeError::NoZone),
        Some(("Z" | "z", "")) => return Ok(Offset::Ahead(0)),
        Some((sign @ ("+" | "-"), offset)) => (sign, offset),
        _ => return Err(TimeError::NotATime),
    };
    if offset.len() != 5 || offset.as_bytes()[2] != b':' {
        return Err(TimeError::NotATime);
    }
    let (hours, minutes) = (two_digits(offset.get(..2))?, two_digits(offset.get(3..))?);
    if hours > 23 || minutes > 59 {
        return Err(TimeError::NoSuchTime);
    }
    let seconds = u64::from(hours) * 3600 + u64::from(minutes) * 60;
    Ok(if sign == "+" { Offset::Ahead(seconds) } else { Offset::Behind(seconds) })
}

fn two_digits(text: Option<&str>) -> Result<u8, TimeError> {
    u8::try_from(number(text)?).map_err(|_| TimeError::NotATime)
}

fn number(text: Option<&str>) -> Result<u16, TimeError> {
    let digits = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|text| text.parse().ok()).ok_or(TimeError::NotATime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_rfc_3339() {
        for (text, seconds) in [
            ("0", 0),
            ("1801396800", 1_801_396_800),
            ("18446744073709551615", u64::MAX),
            ("1970-01-01", 0),
            ("2027-01-31", 1_801_353_600),
            ("2027-01-31T12:00:00Z", 1_801_396_800),
            ("2027-01-31t12:00:00z", 1_801_396_800),
            ("2027-01-31 12:00:00.999Z", 1_801_396_800),
            ("2027-01-31T13:30:00+01:30", 1_801_396_800),
            ("2027-01-31T04:00:00-08:00", 1_801_396_800),
            ("2028-02-29", 1_835_395_200),
            ("@0", 0),
            ("@2027", 2027),
            ("@20270131", 20_270_131),
            ("@1801396800", 1_801_396_800),
            ("1234", 1234),
            ("202713", 202_713),
            ("999999999999", 999_999_999_999),
        ] {
            assert_eq!(time(text, DayEnd::First), Ok(seconds), "{text}");
        }
        assert_eq!(time("2027-01-31", DayEnd::Last), Ok(1_801_439_999));
        assert_eq!(time("2027-01-31T12:00:00Z", DayEnd::Last), Ok(1_801_396_800));
    }

    #[test]
    fn what_is_no_time_says_what_a_time_is() {
        for (text, error) in [
            ("", TimeError::NotATime),
            ("tomorrow", TimeError::NotATime),
            ("-1", TimeError::NotATime),
            ("1e9", TimeError::NotATime),
            ("2027-1-1", TimeError::NotATime),
            ("01.02.2027", TimeError::NotATime),
            ("2027/01/01", TimeError::NotATime),
            ("2027-01-01T12:00Z", TimeError::NotATime),
            ("2027-01-01T12:00:00.Z", TimeError::NotATime),
            ("2027-01-01T12:00:00CET", TimeError::NotATime),
            ("2027-01-01T12:00:00+1", TimeError::NotATime),
            ("2027-01-\u{0661}", TimeError::NotATime),
            ("\u{20ac}\u{20ac}\u{20ac}-", TimeError::NotATime),
            ("2027-01-01T12:00:00", TimeError::NoZone),
            ("2027-02-29", TimeError::NoSuchDay),
            ("2027-13-01", TimeError::NoSuchDay),
            ("2027-01-01T24:00:00Z", TimeError::NoSuchTime),
            ("2027-01-01T12:00:60Z", TimeError::NoSuchTime),
            ("2027-01-01T12:00:00+24:00", TimeError::NoSuchTime),
            ("1969-12-31", TimeError::Before1970),
            ("1970-01-01T00:00:00+01:00", TimeError::Before1970),
            ("18446744073709551616", TimeError::TooLarge),
            ("@18446744073709551616", TimeError::TooLarge),
            ("@", TimeError::NotATime),
            ("@-1", TimeError::NotATime),
            ("@@1", TimeError::NotATime),
            ("@2027-01-31", TimeError::NotATime),
            ("2027", TimeError::MaybeDate),
            ("202701", TimeError::MaybeDate),
            ("20270131", TimeError::MaybeDate),
            ("31012027", TimeError::MaybeDate),
            ("202701311200", TimeError::MaybeDate),
            ("20270131120000", TimeError::MaybeDate),
        ] {
            assert_eq!(time(text, DayEnd::First), Err(error), "{text}");
        }
    }
}
