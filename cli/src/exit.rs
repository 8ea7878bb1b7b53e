//! The exit codes: one table, nowhere else.

use crate::error::Class;

/// Done, or verified.
pub(crate) const OK: u8 = 0;

/// What the help of each command says about exit codes.
pub(crate) const HELP: &str = "Exit codes: verity help exit-codes";

/// The exit codes, as the help has them in one place.
pub(crate) const TABLE: &str = "\
Exit codes:
  0      done, or verified
  1      not verified: data, hash tree, root hash or parity are not as they should be
  2      usage: options or arguments that make no sense
  3      bad metadata or geometry: superblock, manifest, parameters, sizes
  4      input/output error
  5      signature, key, certificate, trust or policy
  6      not verified, but repairable: parity can make all of it right
  7      busy, or an input changed during the run
  128+n  ended by signal n";

/// The exit code of a failure.
pub(crate) fn code(class: Class) -> u8 {
    match class {
        Class::NotVerified | Class::Parity => 1,
        Class::Usage => 2,
        Class::Metadata => 3,
        Class::Io => 4,
        Class::Trust => 5,
        Class::Repairable => 6,
        Class::Busy | Class::Changed => 7,
        Class::Interrupted(signal) => u8::try_from(signal).unwrap_or(0).saturating_add(128),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_failure_exits_with_zero() {
        let classes = [
            Class::NotVerified,
            Class::Parity,
            Class::Usage,
            Class::Metadata,
            Class::Io,
            Class::Trust,
            Class::Repairable,
            Class::Busy,
            Class::Changed,
            Class::Interrupted(15),
            Class::Interrupted(0),
            Class::Interrupted(-1),
        ];
        for class in classes {
            assert_ne!(code(class), OK, "{class:?}");
        }
        assert_eq!(classes.map(code)[..10], [1, 1, 2, 3, 4, 5, 6, 7, 7, 143]);
    }
}
