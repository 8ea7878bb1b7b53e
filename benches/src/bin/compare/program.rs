//! Programs that are run from their start to their end.

use std::borrow::Borrow;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use verity_benches::fixture;
use verity_benches::kernels::VERITY;
use verity_benches::record::{OTHER_VERITY, RING_BUILDER, VERITYSETUP};
use verity_testdata::oracle;

/// One program with its number of threads.
pub(crate) struct Program {
    /// What its rows are called.
    pub(crate) name: &'static str,
    path: PathBuf,
    pub(crate) threads: NonZeroUsize,
}

impl Program {
    /// veritysetup, which knows one thread only.
    pub(crate) fn veritysetup(command: &Command) -> Program {
        let path = command.get_program().into();
        Program { name: VERITYSETUP, path, threads: NonZeroUsize::MIN }
    }

    /// A program for each number of threads.
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

/// Our command: the build that is measured, and another one beside it.
pub(crate) struct Builds {
    pub(crate) verity: PathBuf,
    pub(crate) other: Option<PathBuf>,
}

impl Builds {
    /// Every build with each number of threads, the builds beside each other.
    pub(crate) fn each(&self, threads: &[NonZeroUsize]) -> Vec<Program> {
        let builds = || {
            let other = self.other.as_ref().map(|path| (OTHER_VERITY, path));
            [(VERITY, &self.verity)].into_iter().chain(other)
        };
        let program =
            |threads, (name, path): (_, &PathBuf)| Program { name, path: path.clone(), threads };
        threads.iter().flat_map(|&it| builds().map(move |build| program(it, build))).collect()
    }
}

/// The places of programs that differ in their build alone.
pub(crate) fn pairs(programs: &[impl Borrow<Program>]) -> Vec<(usize, usize)> {
    let names: Vec<_> = programs.iter().map(|it| it.borrow().name).collect();
    let places = names.windows(2).enumerate().filter(|(_, pair)| *pair == [VERITY, OTHER_VERITY]);
    places.map(|(place, _)| (place, place + 1)).collect()
}

/// Runs a command that must succeed. The time is from before its start to its end.
pub(crate) fn timed(command: &mut Command) -> Result<(Duration, String), String> {
    let start = Instant::now();
    let output = oracle::run(command);
    let time = start.elapsed();
    if !output.status.success() {
        return Err(oracle::failure(command, &output));
    }
    Ok((time, String::from_utf8_lossy(&output.stdout).into_owned()))
}

/// What a program says of its version.
pub(crate) fn version(program: &Path) -> Result<String, String> {
    let mut command = Command::new(program);
    let (_, stdout) = timed(command.arg("--version"))?;
    Ok(stdout.trim().to_owned())
}

/// The options that verity and veritysetup take alike.
pub(crate) fn parameters() -> Vec<String> {
    let mut parameters = oracle::arguments(&fixture::scheme("sha256"));
    parameters.push(format!("--uuid={}", fixture::UUID));
    parameters
}
