//! A run of the command with a limit to its memory and an end to our patience.

use std::fmt;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The address space that a run gets, in KiB: far more than any honest image takes, and far less
/// than hostile numbers ask for.
const ADDRESS_SPACE: u64 = 1 << 20;

/// How long a run may take: `VERITY_HANG_SECONDS`, or a minute, so that a busy machine is no
/// failure.
pub(crate) fn patience() -> Duration {
    let seconds = std::env::var("VERITY_HANG_SECONDS");
    Duration::from_secs(seconds.map_or(60, |text| text.parse().expect("a number of seconds")))
}

/// Whether this is a full run: somebody has said how long a run may take.
pub(crate) fn is_full_run() -> bool {
    std::env::var_os("VERITY_HANG_SECONDS").is_some()
}

/// How a run ended, and what it said of that.
pub(crate) struct Ended {
    /// The exit code, or 128 and the number of the signal; none if it did not end in time.
    pub(crate) code: Option<i32>,
    pub(crate) stderr: String,
    pub(crate) stdout: Vec<u8>,
}

/// The command in a directory, with these words, in little memory.
pub(crate) fn limited(directory: &Path, line: &str) -> Command {
    let mut shell = Command::new("sh");
    let script = "ulimit -v \"$0\"; exec \"$@\"";
    shell.args(["-c", script, &ADDRESS_SPACE.to_string(), env!("CARGO_BIN_EXE_verity")]);
    shell.args(line.split_whitespace()).current_dir(directory);
    // The allocator reserves address space for each thread that it does not use.
    shell.env("MALLOC_ARENA_MAX", "2").stdin(Stdio::null());
    shell
}

/// Runs a command line to its end, or to the end of our patience.
pub(crate) fn run(directory: &Path, line: &str) -> Ended {
    finish(&mut limited(directory, line))
}

/// Runs any command so.
pub(crate) fn finish(command: &mut Command) -> Ended {
    let [mut stdout, mut stderr] = [(); 2].map(|()| tempfile::tempfile_in("/dev/shm").unwrap());
    command.stdout(stdout.try_clone().unwrap()).stderr(stderr.try_clone().unwrap());
    let mut child = command.spawn().unwrap();
    let code = wait(&mut child);
    Ended { code, stderr: text(&mut stderr), stdout: bytes(&mut stdout) }
}
