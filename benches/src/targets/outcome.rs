//! A figure beside what it is to be.

use std::fmt;

use crate::statistics::Summary;
use crate::words;

/// A target whose sides were measured.
pub struct Outcome {
    /// The target in words.
    pub what: String,
    /// The figure that was measured.
    pub measured: Summary,
    /// What the figure is to be.
    pub asked: Asked,
    /// A better bound, if there is one.
    pub stretch: Option<f64>,
    /// The unit of the figure and the bounds.
    pub unit: Unit,
    /// On how many threads it was measured.
    pub threads: usize,
}

/// What a figure is to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Asked {
    /// A median of that much or less.
    AtMost(f64),
    /// A median of that much or more.
    AtLeast(f64),
    /// That much in every single case.
    Always(f64),
}

/// What figures are given in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A ratio.
    Times,
    /// Bytes.
    Bytes,
    /// 2^20 bytes.
    Mebibytes,
}

impl Outcome {
    /// Whether the target was reached, in a word.
    pub fn verdict(&self) -> &'static str {
        let stretched = self.stretch.map(|stretch| match self.asked {
            Asked::AtMost(_) => Asked::AtMost(stretch),
            Asked::AtLeast(_) => Asked::AtLeast(stretch),
            Asked::Always(_) => Asked::Always(stretch),
        });
        match self.asked {
            _ if stretched.is_some_and(|stretched| stretched.holds(self.measured)) => "stretch",
            asked if asked.holds(self.measured) => "reached",
            _ => "missed",
        }
    }

    /// What was asked for, in words.
    pub fn asked(&self) -> String {
        let asked = match self.asked {
            Asked::AtMost(bound) => format!("at most {}", self.unit.format(bound)),
            Asked::AtLeast(bound) => format!("at least {}", self.unit.format(bound)),
            Asked::Always(value) => self.unit.format(value),
        };
        let stretch = self.stretch.map(|bound| format!(", stretch {}", self.unit.format(bound)));
        asked + &stretch.unwrap_or_default()
    }

    /// What was measured, in words: the median and, of what varied, the spread.
    pub fn measured(&self) -> String {
        let Summary { median, least, most } = self.measured;
        let [median, least, most] = [median, least, most].map(|value| self.unit.format(value));
        match self.unit {
            Unit::Times => format!("{median} ({least}-{most})"),
            _ if least == most => median,
            _ => format!("{least}-{most}"),
        }
    }
}

impl Asked {
    fn holds(self, measured: Summary) -> bool {
        let Summary { median, least, most } = measured;
        match self {
            Asked::AtMost(bound) => median <= bound,
            Asked::AtLeast(bound) => median >= bound,
            // Both are counts.
            Asked::Always(value) => [least, most].iter().all(|it| it.total_cmp(&value).is_eq()),
        }
    }
}

impl Unit {
    fn format(self, value: f64) -> String {
        match self {
            Unit::Times => format!("{value:.2}"),
            Unit::Bytes => format!("{value:.0} bytes"),
            Unit::Mebibytes => words::mebibytes(value) + " MiB",
        }
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}, {}: {}", self.what, self.measured(), self.asked(), self.verdict())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_is_better_than_what_is_asked_for_in_the_same_direction() {
        let verdict = |median, asked, stretch| {
            let measured = Summary { median, least: median, most: median };
            let what = String::new();
            Outcome { what, measured, asked, stretch, unit: Unit::Times, threads: 1 }.verdict()
        };
        for (median, least, most) in [
            (1.0, "missed", "stretch"),
            (2.0, "reached", "stretch"),
            (2.5, "reached", "reached"),
            (3.0, "stretch", "reached"),
            (4.0, "stretch", "missed"),
        ] {
            assert_eq!(verdict(median, Asked::AtLeast(2.0), Some(3.0)), least, "{median}");
            assert_eq!(verdict(median, Asked::AtMost(3.0), Some(2.0)), most, "{median}");
        }
        assert_eq!(verdict(4.0, Asked::AtLeast(2.0), None), "reached");
    }
}
