//! Where what is said: results, steps and how it ended on standard output, messages on standard
//! error.
//!
//! Nothing that is printed holds bytes that steer a terminal (`quoted`).

use super::codes::{Code, Failure};
use crate::quoted::PlainLines;
use crate::report::Stream;

/// How much is said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Console {
    verbose: bool,
    debug: bool,
}

impl Console {
    /// A console that says more if it is asked to; telling each step includes how it ended.
    pub(super) fn new(verbose: bool, debug: bool) -> Console {
        Console { verbose: verbose || debug, debug }
    }

    /// Prints a result. One that cannot be printed is a failure, and standard error gets it
    /// instead: a root hash must not get lost.
    pub(super) fn result(self, text: &str) -> Result<(), Failure> {
        let text = PlainLines(text).to_string();
        Stream::Stdout.print(&text).map_err(|error| {
            let _ = Stream::Stderr.print(&text);
            Failure::new(Code::of(&error), format!("Cannot write the result: {error}."))
        })
    }

    /// Prints a message.
    pub(super) fn error(self, line: &str) {
        // If standard error cannot be written there is nobody left to tell.
        let _ = Stream::Stderr.print(&format!("{}\n", PlainLines(line)));
    }

    /// Tells a step, with `--debug`.
    pub(super) fn step(self, words: &str) {
        if self.debug {
            let _ = Stream::Stdout.print(&format!("# {}\n", PlainLines(words)));
        }
    }

    /// Says how an action has ended, and returns its exit code.
    pub(super) fn ended(self, result: Result<(), Failure>) -> u8 {
        let (number, words) = match result {
            Ok(()) => (0, "Command successful.".to_owned()),
            Err(Failure { code, lines }) => {
                lines.iter().for_each(|line| self.error(line));
                let (number, text) = (code.number(), code.text());
                (number, format!("Command failed with code -{number} ({text})."))
            }
        };
        if self.verbose {
            let _ = Stream::Stdout.print(&format!("{words}\n"));
        }
        number
    }
}
