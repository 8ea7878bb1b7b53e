//! The kernel's log: why it refused a table, in its own words.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};

use rustix::fs::{Mode, OFlags};

use crate::record::{DeviceNumber, LogRecord};

/// The longest record, in bytes: the kernel's own limit.
const MAX_RECORD: usize = 8192;
/// How many records are looked at. The log of a kernel in trouble may grow faster than it is read.
const MAX_RECORDS: usize = 1000;
/// How many lines are kept.
const MAX_LINES: usize = 8;

/// The log from some moment on.
#[derive(Debug)]
pub(crate) struct KernelLog(Option<File>);

impl KernelLog {
    /// The log from now on. Who may not read it sees no lines.
    pub(crate) fn from_now() -> KernelLog {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::open("/dev/kmsg", flags, Mode::empty()).ok().map(File::from);
        KernelLog(file.and_then(|mut file| file.seek(SeekFrom::End(0)).ok().map(|_| file)))
    }

    /// What device-mapper said about the device since then: whole lines, each once, however often
    /// it was said.
    pub(crate) fn lines_about(self, number: DeviceNumber) -> Vec<String> {
        let Some(mut file) = self.0 else { return Vec::new() };
        let mut lines = Vec::new();
        let mut buffer = [0; MAX_RECORD];
        for _ in 0..MAX_RECORDS {
            let len = match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(len) => len,
                // Records were overwritten before they were read; the next ones follow.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => continue,
                Err(_) => break,
            };
            let record = LogRecord::parse(&buffer[..len]);
            let record = record.filter(|record| record.is_about(number));
            lines.extend(record.map(|record| record.text).filter(|text| !lines.contains(text)));
            if lines.len() == MAX_LINES {
                break;
            }
        }
        lines
    }
}
