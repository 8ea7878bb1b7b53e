//! `-` in place of a file name: standard input, or standard output.
//!
//! Which arguments may be `-` is decided by the front end, in one table, and it refuses `-` for all
//! others before any file is touched. So a path that reaches a command as `-` is meant as a stream
//! here, and no file of that name is ever opened or made; `./-` is one.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::signals::Signals;

/// The name of either stream.
pub(crate) const STANDARD: &str = "-";

/// What messages call standard input.
pub(crate) const INPUT: &str = "standard input";

/// What messages call standard output.
pub(crate) const OUTPUT: &str = "standard output";

/// Whether a path means standard input, or standard output.
pub(crate) fn is_standard(path: &Path) -> bool {
    path.as_os_str() == STANDARD
}

/// The file behind standard input.
pub(crate) fn stdin() -> io::Result<File> {
    Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?))
}

/// Standard input, past the buffer of the standard library. A signal ends the waiting for it.
pub(crate) struct StandardInput<'a> {
    pub(crate) signals: &'a Signals,
}

impl Read for StandardInput<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let stdin = io::stdin();
        while !self.signals.raised() {
            let tick = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
            match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&tick)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(rustix::io::read(&stdin, buffer)?),
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::Error::other("interrupted"))
    }
}
