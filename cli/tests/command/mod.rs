//! The `verity` binary under test, run as a user runs it: words in, exit code and text out.

use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;
use verity_testdata::{files, oracle};

/// A `verity` command line to add to.
pub(crate) fn verity<S: AsRef<OsStr>>(args: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_verity"));
    command.args(args);
    command
}

/// How a command ended and what it said.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    /// The exit code, or 128 and the number of the signal that ended it.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    words: String,
}

/// Runs any command to its end.
pub(crate) fn run(command: &mut Command) -> Ended {
    let output = oracle::run(command);
    ended(command, &output)
}

/// What became of a command that was started elsewhere.
pub(crate) fn ended(command: &Command, output: &Output) -> Ended {
    let status = output.status;
    Ended {
        code: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        words: oracle::failure(command, output),
    }
}

impl Ended {
    /// Passes it on if it ended with this exit code, and panics with all its words otherwise.
    pub(crate) fn expect(self, code: i32) -> Ended {
        assert_eq!(self.code, code, "exit code of {}", self.words);
        self
    }

    /// The one JSON object on stdout.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error} in the JSON of {}", self.words))
    }

    /// A string of the JSON object.
    pub(crate) fn string(&self, key: &str) -> String {
        let json = self.json();
        json[key].as_str().unwrap_or_else(|| panic!("no {key} from {}", self.words)).to_owned()
    }

    /// The command line, the exit code and everything it printed.
    pub(crate) fn words(&self) -> &str {
        &self.words
    }

    /// Asserts that exactly this block is reported corrupt, in a run with `--json`.
    pub(crate) fn expect_corrupt(self, block: &Block) -> Ended {
        let ended = self.expect(1);
        let json = ended.json();
        let corruptions = json["corruptions"].as_array().expect("corruptions");
        assert_eq!(corruptions.len(), 1, "one corrupt range: {}", ended.words);
        let (kind, level, number) = match *block {
            Block::Data(number) => ("data", Value::Null, number),
            Block::Hash { level, block } => ("hash", level.into(), block),
        };
        let found = &corruptions[0];
        assert_eq!(json["class"], "not-verified", "{}", ended.words);
        assert_eq!(found["kind"], kind, "{block:?} in {}", ended.words);
        assert_eq!(found["level"], level, "{block:?} in {}", ended.words);
        assert_eq!(found["block"], number, "{block:?} in {}", ended.words);
        assert_eq!(found["blocks"], 1, "{block:?} in {}", ended.words);
        ended
    }
}

/// A block that a test has damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    Data(u64),
    Hash { level: usize, block: u64 },
}

/// A path as a word of a command line.
pub(crate) fn word(path: &Path) -> String {
    path.to_str().expect("a UTF-8 path").to_owned()
}

/// A temporary directory in memory where that is possible: a test of thousands of short runs would
/// wait for the storage most of its time.
pub(crate) fn memory_tempdir() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() && std::env::var_os("TMPDIR").is_none() {
        let mut builder = tempfile::Builder::new();
        return builder.prefix("verity-test-").tempdir_in(memory).expect("a temporary directory");
    }
    files::tempdir()
}
