//! What a lint has found, point by point, in the order in which the kernel looks.

use std::borrow::Cow;
use std::fmt;

use super::KernelError;
use super::algorithms::{BASE, Version};
use super::effort::Effort;

/// What the kernel thinks of a point.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Status {
    /// It is as the kernel wants it.
    Ok,
    /// The kernel takes it, but there is something to know about it.
    Warn,
    /// The kernel refuses it.
    Fail,
}

impl Status {
    /// The name in machine-readable output.
    pub fn name(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Warn => "warn",
            Status::Fail => "fail",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Point {
    name: &'static str,
    status: Status,
    error: Option<KernelError>,
    kernel_message: Cow<'static, str>,
    explanation: String,
}

impl Point {
    pub(super) fn ok(name: &'static str, explanation: impl Into<String>) -> Point {
        let explanation = explanation.into();
        Point { name, status: Status::Ok, error: None, kernel_message: "".into(), explanation }
    }

    pub(super) fn warn(name: &'static str, explanation: impl Into<String>) -> Point {
        Point { status: Status::Warn, ..Point::ok(name, explanation) }
    }

    /// This point, with the line that the kernel logs for it.
    pub(super) fn logged(self, kernel_message: String) -> Point {
        Point { kernel_message: kernel_message.into(), ..self }
    }

    /// Which point it is; the names are stable.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What the kernel thinks of it.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The error with which the kernel refuses it.
    pub fn error(&self) -> Option<KernelError> {
        self.error
    }

    /// The beginning of the line that the kernel writes into its log about this point, if it writes
    /// one. What would follow are numbers that differ between releases. `PKCS7: Unknown OID` makes
    /// no point: the kernel logs it for every identifier that its release does not know, whether
    /// that matters or not.
    pub fn kernel_message(&self) -> Option<&str> {
        Some(&*self.kernel_message).filter(|message| !message.is_empty())
    }

    /// What was found, for people. It may quote the message; control characters are escaped.
    pub fn explanation(&self) -> &str {
        &self.explanation
    }
}

/// The points found so far.
#[derive(Debug)]
pub(super) struct Findings {
    points: Vec<Point>,
    since: Version,
    assumptions: Vec<String>,
    unlisted: usize,
    effort: Effort,
}

impl Findings {
    pub(super) fn new() -> Findings {
        Findings {
            points: Vec::new(),
            since: BASE,
            assumptions: Vec::new(),
            unlisted: 0,
            effort: Effort::new(),
        }
    }

    pub(super) fn push(&mut self, point: Point) {
        // The first failure is the verdict, so it is never left out.
        let first_failure = point.status == Status::Fail && self.first_failure().is_none();
        if self.points.len() < MOST || first_failure {
            self.points.push(point);
        } else {
            self.unlisted += 1;
        }
    }

    pub(super) fn fail(
        &mut self,
        name: &'static str,
        error: KernelError,
        kernel_message: impl Into<Cow<'static, str>>,
        explanation: String,
    ) {
        if self.effort.is_exhausted() {
            // It may rest on what was not looked at.
            return self.push(Point::warn(name, explanation));
        }
        let (status, kernel_message) = (Status::Fail, kernel_message.into());
        self.push(Point { name, status, error: Some(error), kernel_message, explanation });
    }

    /// What may still be spent on public keys.
    pub(super) fn effort(&self) -> &Effort {
        &self.effort
    }

    /// The message uses something that an older kernel does not have.
    pub(super) fn needs(&mut self, version: Version) {
        self.since = self.since.max(version);
    }

    /// The verdict rests on something that the caller did not tell.
    pub(super) fn assume(&mut self, what: String) {
        if !self.assumptions.contains(&what) && self.assumptions.len() < MOST {
            self.assumptions.push(what);
        }
    }

    fn first_failure(&self) -> Option<&Point> {
        self.points.iter().find(|point| point.status == Status::Fail)
    }

    pub(super) fn finish(mut self) -> Report {
        if self.effort.is_exhausted() {
            let words =
                "everything holds that takes too many public-key operations to look at here";
            self.assume(words.to_owned());
        }
        if self.unlisted > 0 {
            let words = format!("{} more points are not listed", self.unlisted);
            self.points.push(Point::warn("more", words));
        }
        Report { points: self.points, since: self.since, assumptions: self.assumptions }
    }
}

/// What the kernel would do with a signature, and why. It is a prediction and vouches for nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub struct Report {
    points: Vec<Point>,
    since: Version,
    assumptions: Vec<String>,
}

/// Whether the kernel would take a signature.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Accepted {
    /// It would.
    Yes,
    /// It would not.
    No,
    /// It would, if what [`Report::assumptions`] names is so.
    Unknown,
}

impl Accepted {
    /// The name in machine-readable output.
    pub fn name(self) -> &'static str {
        match self {
            Accepted::Yes => "yes",
            Accepted::No => "no",
            Accepted::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Report {
    /// Whether the kernel would take it.
    pub fn accepted(&self) -> Accepted {
        match (self.error(), self.assumptions.is_empty()) {
            (Some(_), _) => Accepted::No,
            (None, true) => Accepted::Yes,
            (None, false) => Accepted::Unknown,
        }
    }

    /// The error with which the kernel would refuse it: that of the first point that fails.
    pub fn error(&self) -> Option<KernelError> {
        self.refusal().and_then(Point::error)
    }

    /// The first point that fails.
    pub fn refusal(&self) -> Option<&Point> {
        self.points.iter().find(|point| point.status == Status::Fail)
    }

    /// Every point, in the kernel's order.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// The first Linux release that could take it, as far as it depends on the message: the
    /// algorithms, and that dm-verity looks at signatures at all.
    pub fn since(&self) -> String {
        self.since.to_string()
    }

    /// What the verdict takes for granted, because the caller did not tell it.
    pub fn assumptions(&self) -> &[String] {
        &self.assumptions
    }
}

/// More points than this say nothing new.
const MOST: usize = 200;
