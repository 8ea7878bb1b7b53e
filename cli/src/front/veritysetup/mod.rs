//! The front end `veritysetup`: what the program is when that is its name, by a link or a copy.
//!
//! Command lines, channels, exit codes, one-line messages and the labels of results are those of
//! veritysetup 2.8, so that scripts need not change; help and usage are in our own words. Where
//! the original does harm this one does not: `docs/VERITYSETUP.md` has every difference with its
//! reason.
//!
//! ```text
//!  popt      a word of the command line after the other: option or argument
//!  args      options and actions; what the original refuses before it opens a file
//!  run       prints help and usage, does the action, says how it ended
//!  words     help, usage, version
//!  codes     exit codes; failures with their lines
//!  console   results and `# ` lines on standard output, messages on standard error
//!  devices   opening data, hash and FEC device
//!  geometry  parameters and places: from the superblock, or as they were given
//!  header    the block of lines that format and dump print
//!  made      new files, which go if the run fails
//!  root_hash the root hash that a caller gives
//!  format, verify, dump, open, close, status    an action each
//!  live      the seam to live devices
//!  mapping   the lines of a live device
//! ```
//!
//! Unlike all other outputs those of `format` are written where they lie, as scripts expect it that
//! format partitions, loop devices and files with data on them; the superblock comes last, and a
//! new file goes again if the run fails.

mod args;
mod close;
mod codes;
mod console;
mod devices;
mod dump;
mod format;
mod geometry;
mod header;
mod live;
mod made;
mod mapping;
mod open;
mod popt;
mod root_hash;
mod run;
mod status;
mod verify;
mod words;

use std::ffi::OsStr;
use std::path::Path;

pub(crate) use self::run::run;

/// Whether a program that was started by this name is veritysetup.
pub(crate) fn is_name(program: &OsStr) -> bool {
    Path::new(program).file_name().is_some_and(|name| name == "veritysetup")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_of_the_name_decides() {
        for name in ["veritysetup", "./veritysetup", "/usr/sbin/veritysetup", "a b/veritysetup"] {
            assert!(is_name(OsStr::new(name)), "{name}");
        }
        for name in ["", "verity", "veritysetup.sh", "veritysetup-2", "veritysetup/verity", "/"] {
            assert!(!is_name(OsStr::new(name)), "{name}");
        }
    }
}
