//! `status`: tells of a mapping. Scripts match these lines.

use std::ffi::OsStr;
use std::path::Path;

use super::args::Request;
use super::codes::{Code, Failure};
use super::console::Console;
use super::live::{self, Live};
use super::mapping::Found;
use crate::signals::Signals;

/// Tells of a mapping.
pub(super) fn run(request: &Request, console: Console, signals: &Signals) -> Result<(), Failure> {
    let word = &request.arguments[0];
    let shown = live::shown(word);
    if is_missing_path(word) {
        return tell(console, &format!("/dev/mapper/{shown}"), &Found::Inactive);
    }
    let found = Live::connect(Code::WrongParameters, signals)?.status(word)?;
    let is_path = word.as_encoded_bytes().contains(&b'/');
    let shown = if is_path { shown } else { format!("/dev/mapper/{shown}") };
    tell(console, &shown, &found)
}

/// Whether it is the path of something that is not there.
pub(super) fn is_missing_path(word: &OsStr) -> bool {
    word.as_encoded_bytes().contains(&b'/') && !Path::new(word).exists()
}

fn tell(console: Console, shown: &str, found: &Found) -> Result<(), Failure> {
    match found {
        Found::Inactive => {
            console.result(&format!("{shown} is inactive.\n"))?;
            Err(Failure::silent(Code::WrongDevice))
        }
        Found::WithoutTable => Err(Failure::silent(Code::WrongParameters)),
        Found::Foreign { in_use } => {
            let active = active(shown, *in_use);
            console.result(&format!("{active}\n  type:        n/a\n"))?;
            Err(Failure::silent(Code::WrongParameters))
        }
        Found::Verity(mapping) => {
            console.result(&format!("{}\n{mapping}", { active(shown, mapping.in_use) }))
        }
    }
}

fn active(shown: &str, in_use: bool) -> String {
    let use_words = if in_use { " and is in use" } else { "" };
    format!("{shown} is active{use_words}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_active_says_whether_it_is_in_use() {
        assert_eq!(active("/dev/mapper/n", false), "/dev/mapper/n is active.");
        assert_eq!(active("/dev/mapper/n", true), "/dev/mapper/n is active and is in use.");
    }
}
