//! Exit codes of veritysetup, and failures with what is said of them.

use std::io;
use std::path::Path;

use rustix::io::Errno;

use crate::quoted::Quoted;

/// Why an action failed, as its exit code tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// 1, and all that has no code of its own.
    WrongParameters,
    /// 2; also of corrupt data.
    NoPermission,
    /// 3.
    OutOfMemory,
    /// 4.
    WrongDevice,
    /// 5.
    Busy,
    /// 128 and the number of the signal.
    Signal(u8),
}

impl Code {
    /// The exit code.
    pub(super) fn number(self) -> u8 {
        match self {
            Code::WrongParameters => 1,
            Code::NoPermission => 2,
            Code::OutOfMemory => 3,
            Code::WrongDevice => 4,
            Code::Busy => 5,
            Code::Signal(signal) => signal.saturating_add(128),
        }
    }

    /// The words of it, with `--verbose`.
    pub(super) fn text(self) -> &'static str {
        match self {
            Code::WrongParameters => "wrong or missing parameters",
            Code::NoPermission => "no permission or bad passphrase",
            Code::OutOfMemory => "out of memory",
            Code::WrongDevice => "wrong device or file specified",
            Code::Busy => "device already exists or device is busy",
            Code::Signal(_) => "interrupted by a signal",
        }
    }

    /// The code of an error of the system.
    pub(super) fn of(error: &io::Error) -> Code {
        match Errno::from_io_error(error) {
            Some(Errno::PERM) => Code::NoPermission,
            Some(Errno::NOMEM) => Code::OutOfMemory,
            Some(Errno::NODEV | Errno::NOTBLK) => Code::WrongDevice,
            Some(Errno::EXIST | Errno::BUSY) => Code::Busy,
            _ => Code::WrongParameters,
        }
    }
}

/// A failed action: its code, and the lines that say why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) code: Code,
    pub(super) lines: Vec<String>,
}

impl Failure {
    /// A failure that one line tells.
    pub(super) fn new(code: Code, line: impl Into<String>) -> Failure {
        Failure { code, lines: vec![line.into()] }
    }

    /// Parameters or files that make no sense.
    pub(super) fn parameters(line: impl Into<String>) -> Failure {
        Failure::new(Code::WrongParameters, line)
    }

    /// A failure that nothing is said of.
    pub(super) fn silent(code: Code) -> Failure {
        Failure { code, lines: Vec::new() }
    }

    /// Adds a line behind those that are there.
    pub(super) fn and(mut self, line: impl Into<String>) -> Failure {
        self.lines.push(line.into());
        self
    }

    /// Says the only line once more, as the original does in some places.
    pub(super) fn twice(self) -> Failure {
        let line = self.lines.last().cloned().unwrap_or_default();
        self.and(line)
    }
}

/// A device that is no file or block device that can be opened.
pub(super) fn missing_device(path: &Path) -> Failure {
    let words = format!("Device {} does not exist or access denied.", Quoted(path));
    Failure::new(Code::WrongDevice, words)
}

/// A device that is neither a regular file nor a block device.
pub(super) fn incompatible_device(path: &Path) -> Failure {
    Failure::new(Code::WrongDevice, format!("Device {} is not compatible.", Quoted(path)))
}

/// A device that ends before what is on it does.
pub(super) fn small_device(path: &Path) -> Failure {
    Failure::parameters(format!("Device {} is too small.", Quoted(path)))
}

/// A device that somebody else uses.
pub(super) fn used_device(path: &Path) -> Failure {
    let words =
        format!("Cannot use device {} which is in use (already mapped or mounted).", Quoted(path));
    Failure::new(Code::Busy, words)
}

/// The words of the system without the number of its error, as C has them.
pub(super) fn system_words(error: &io::Error) -> String {
    let words = error.to_string();
    words.split(" (os error").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_system_have_the_codes_of_the_original() {
        for (errno, number) in [
            (Errno::PERM, 2),
            (Errno::NOMEM, 3),
            (Errno::NODEV, 4),
            (Errno::NOTBLK, 4),
            (Errno::EXIST, 5),
            (Errno::BUSY, 5),
            (Errno::ACCESS, 1),
            (Errno::INVAL, 1),
            (Errno::IO, 1),
            (Errno::NOSPC, 1),
        ] {
            assert_eq!(Code::of(&errno.into()).number(), number, "{errno}");
        }
        assert_eq!((Code::Signal(15).number(), Code::Signal(255).number()), (143, 255));
    }

    #[test]
    fn some_lines_are_said_twice() {
        let failure = Failure::parameters("x").twice();
        assert_eq!(failure.lines, ["x", "x"]);
    }
}
