//! Whole commands: from the start of a program to its end, every output checked.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use verity_benches::fixture;
use verity_benches::kernels::VERITY;
use verity_benches::record::{RING_BUILDER, Row, Task, VERITYSETUP};
use verity_testdata::oracle::{self, Header, VeritySetup};

use super::image::Image;
use super::rounds;

/// Who runs against whom, and the answer they must all give.
pub(crate) struct Contest<'a> {
    contenders: Vec<Contender>,
    image: &'a Image,
    root_hash: String,
    hash_file: Vec<u8>,
}

/// One program with its number of threads.
struct Contender {
    name: &'static str,
    program: PathBuf,
    threads: NonZeroUsize,
}

impl<'a> Contest<'a> {
    /// veritysetup first, whose answer is the expected one, then the others with each number of threads.
    pub(crate) fn new(
        veritysetup: &VeritySetup,
        verity: &Path,
        image: &'a Image,
        threads: &[NonZeroUsize],
    ) -> Result<Contest<'a>, String> {
        let header = veritysetup.format(&image.path(), &image.hash(), &parameters());
        let hash_file = fs::read(image.hash()).map_err(|error| error.to_string())?;
        let this = std::env::current_exe().map_err(|error| error.to_string())?;
        let program = veritysetup.command().get_program().into();
        let mut contenders =
            vec![Contender { name: VERITYSETUP, program, threads: NonZeroUsize::MIN }];
        for (name, program) in [(VERITY, verity), (RING_BUILDER, &this)] {
            let contender = |&threads| Contender { name, program: program.to_owned(), threads };
            contenders.extend(threads.iter().map(contender));
        }
        Ok(Contest { contenders, image, root_hash: header.root_hash().to_owned(), hash_file })
    }

    /// format, then verify, with a warm page cache.
    pub(crate) fn run(&self, rounds: NonZeroUsize) -> Result<Vec<Row>, String> {
        let formatted = self.task(Task::Format, rounds)?;
        let verified = self.task(Task::Verify, rounds)?;
        Ok([formatted, verified].concat())
    }

    /// format, the image dropped from the page cache before each run.
    pub(crate) fn run_cold(&self, rounds: NonZeroUsize) -> Result<Vec<Row>, String> {
        self.task(Task::FormatCold, rounds)
    }

    fn task(&self, task: Task, rounds: NonZeroUsize) -> Result<Vec<Row>, String> {
        let contenders: Vec<_> = self.contenders.iter().filter(|it| it.can(task)).collect();
        let seconds =
            rounds::alternate(task.title(), rounds, contenders.len(), |_, index| match task {
                Task::Verify => self.verify(contenders[index]),
                _ => self.format(contenders[index], task == Task::FormatCold),
            })?;
        let row = |(contender, seconds): (&&Contender, _)| Row {
            task,
            contender: contender.name.to_owned(),
            platform: None,
            threads: contender.threads.get(),
            bytes: self.image.bytes,
            seconds,
        };
        Ok(contenders.iter().zip(seconds).map(row).collect())
    }

    /// Leaves the hash file in place for `verify`; each run begins without it.
    fn format(&self, contender: &Contender, cold: bool) -> Result<Duration, String> {
        self.image.remove_hash().map_err(|error| error.to_string())?;
        if cold {
            self.image.cool().map_err(|error| error.to_string())?;
        }
        let (time, stdout) = timed(&mut contender.format(self.image))?;
        let header = Header::parse(stdout);
        if header.root_hash() != self.root_hash {
            return Err(format!("{}: another root hash:\n{}", contender.name, header.text()));
        }
        let hash_file = fs::read(self.image.hash()).map_err(|error| error.to_string())?;
        if hash_file != self.hash_file {
            return Err(format!("{}: another hash file", contender.name));
        }
        Ok(time)
    }

    fn verify(&self, contender: &Contender) -> Result<Duration, String> {
        timed(&mut contender.verify(self.image, &self.root_hash)).map(|(time, _)| time)
    }
}

impl Contender {
    /// The builder on ring only builds.
    fn can(&self, task: Task) -> bool {
        task != Task::Verify || self.name != RING_BUILDER
    }

    fn format(&self, image: &Image) -> Command {
        let mut command = self.command("format");
        command.arg(image.path()).arg(image.hash());
        if self.name != RING_BUILDER {
            command.args(parameters());
        }
        command
    }

    fn verify(&self, image: &Image, root_hash: &str) -> Command {
        let mut command = self.command("verify");
        command.arg(image.path()).arg(image.hash()).arg(root_hash);
        command
    }

    fn command(&self, action: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.env("LC_ALL", "C").stdin(Stdio::null());
        command.arg(if self.name == RING_BUILDER { "ring-builder" } else { action });
        if self.name != VERITYSETUP {
            command.arg(format!("--threads={}", self.threads));
        }
        command
    }
}

/// From before the start of the program to its end; it must succeed.
fn timed(command: &mut Command) -> Result<(Duration, String), String> {
    let start = Instant::now();
    let output = oracle::run(command);
    let time = start.elapsed();
    if !output.status.success() {
        return Err(oracle::failure(command, &output));
    }
    Ok((time, String::from_utf8_lossy(&output.stdout).into_owned()))
}

/// What verity and veritysetup take alike.
fn parameters() -> Vec<String> {
    let mut parameters = oracle::arguments(&fixture::scheme("sha256"));
    parameters.push(format!("--uuid={}", fixture::UUID));
    parameters
}
