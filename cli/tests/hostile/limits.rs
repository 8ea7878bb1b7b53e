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

/// How long a run may take: `VERITY_HANG_SECONDS`, or half a minute, so that a busy machine is no
/// failure.
pub(crate) fn patience() -> Duration {
    let seconds = std::env::var("VERITY_HANG_SECONDS");
    Duration::from_secs(seconds.map_or(30, |text| text.parse().expect("a number of seconds")))
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

/// What was written to a file, as text.
pub(crate) fn text(file: &mut File) -> String {
    String::from_utf8_lossy(&bytes(file)).into_owned()
}

fn bytes(file: &mut File) -> Vec<u8> {
    file.rewind().unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Waits for a process, and ends it where that takes too long.
pub(crate) fn wait(child: &mut Child) -> Option<i32> {
    let begun = Instant::now();
    let mut pause = Duration::from_micros(500);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(code(status));
        }
        if begun.elapsed() > patience() {
            child.kill().unwrap();
            child.wait().unwrap();
            return None;
        }
        thread::sleep(pause);
        pause = (2 * pause).min(Duration::from_millis(20));
    }
}

fn code(status: ExitStatus) -> i32 {
    status.code().or(status.signal().map(|signal| 128 + signal)).unwrap()
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.code.map_or("no end".to_owned(), |code| format!("exit code {code}"));
        write!(f, "{code}, {} bytes, {}", self.stdout.len(), self.stderr.trim_end())
    }
}

impl Ended {
    /// What is wrong with how it ended, if anything is: every input may be refused, and none may
    /// end a run in another way.
    pub(crate) fn fault(&self) -> Option<String> {
        let words = self.stderr.lines().next().unwrap_or("");
        match self.code {
            None => Some("it did not end".to_owned()),
            Some(code @ 0..=7) if self.stderr.contains("panicked") => {
                Some(format!("exit code {code} and a panic: {words}"))
            }
            Some(0..=7) => None,
            Some(code) => Some(format!("exit code {code}: {words}")),
        }
    }
}
