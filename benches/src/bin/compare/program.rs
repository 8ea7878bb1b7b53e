//! Programs that are run from their start to their end.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use verity_benches::fixture;
use verity_benches::record::{RING_BUILDER, VERITYSETUP};
use verity_testdata::oracle;

/// One program with its number of threads.
pub(crate) struct Program {
    /// What its rows are called.
    pub(crate) name: &'static str,
    path: PathBuf,
    pub(crate) threads: NonZeroUsize,
}

impl Program {
    /// veritysetup knows one thread only.
    pub(crate) fn veritysetup(command: &Command) -> Program {
        let path = command.get_program().into();
        Program { name: VERITYSETUP, path, threads: NonZeroUsize::MIN }
    }

    /// One for each number of threads.
    pub(crate) fn each(
        name: &'static str,
        path: &Path,
        threads: &[NonZeroUsize],
    ) -> impl Iterator<Item = Program> {
        threads.iter().map(move |&threads| Program { name, path: path.to_owned(), threads })
    }

    /// A command line to add to.
    pub(crate) fn command(&self, action: &str) -> Command {
        let mut command = Command::new(&self.path);
        command.env("LC_ALL", "C").stdin(Stdio::null());
        command.arg(if self.name == RING_BUILDER { "ring-builder" } else { action });
        if self.name != VERITYSETUP {
            command.arg(format!("--threads={}", self.threads));
        }
        command
    }
}

/// From before the start of the program to its end; it must succeed.
pub(crate) fn timed(command: &mut Command) -> Result<(Duration, String), String> {
    let start = Instant::now();
    let output = oracle::run(command);
    let time = start.elapsed();
    if !output.status.success() {
        return Err(oracle::failure(command, &output));
    }
    Ok((time, String::from_utf8_lossy(&output.stdout).into_owned()))
}

/// What verity and veritysetup take alike.
pub(crate) fn parameters() -> Vec<String> {
    let mut parameters = oracle::arguments(&fixture::scheme("sha256"));
    parameters.push(format!("--uuid={}", fixture::UUID));
    parameters
}
