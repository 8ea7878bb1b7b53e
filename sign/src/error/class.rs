//! The kinds of refusal: what a program can tell apart.

use std::fmt;

/// The kinds of refusal, by what the operator would do next.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Class {
    /// The bytes are not what they claim to be.
    Format,
    /// Reading the input failed.
    Io,
    /// A key or certificate is unfit, or the two do not belong together.
    Key,
    /// The input is larger than the format allows.
    Limit,
    /// The input is well formed and authentic, and forbidden.
    Policy,
    /// The signature does not hold for this content.
    Signature,
    /// Nobody who is trusted here has signed.
    Trust,
    /// The input is well formed, and not supported here.
    Unsupported,
}

impl Class {
    /// The name in machine-readable output.
    pub fn name(self) -> &'static str {
        match self {
            Class::Format => "format",
            Class::Io => "io",
            Class::Key => "key",
            Class::Limit => "limit",
            Class::Policy => "policy",
            Class::Signature => "signature",
            Class::Trust => "trust",
            Class::Unsupported => "unsupported",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
