//! Whole commands: from the start of a program to its end, every output checked.

use std::fs::{self, File};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use verity_benches::kernels::VERITY;
use verity_benches::probe::Place;
use verity_benches::record::{OTHER_VERITY, RING_BUILDER, Row, Task};
use verity_testdata::oracle::{Header, VeritySetup};

use super::image::Image;
use super::program::{Builds, Program, pairs, parameters, timed};
use super::rounds::{Pace, Rounds};

/// The contenders, and the answer that they must all give.
pub(crate) struct Contest<'a> {
    contenders: Vec<Program>,
    image: &'a Image,
    root_hash: String,
    hash_file: Vec<u8>,
}

impl<'a> Contest<'a> {
    /// Runs veritysetup, whose answer is the expected one; the others follow with each number of
    /// threads.
    pub(crate) fn new(
        veritysetup: &VeritySetup,
        builds: &Builds,
        image: &'a Image,
        threads: &[NonZeroUsize],
    ) -> Result<Contest<'a>, String> {
        let header = veritysetup.format(&image.path(), &image.hash(), &parameters());
        let hash_file = fs::read(image.hash()).map_err(|error| error.to_string())?;
        let this = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut contenders = vec![Program::veritysetup(&veritysetup.command())];
        contenders.extend(builds.each(threads));
        contenders.extend(Program::each(RING_BUILDER, &this, threads));
        Ok(Contest { contenders, image, root_hash: header.root_hash().to_owned(), hash_file })
    }

    /// Measures format, then verify, with a warm page cache. No peer has a command that reads, so
    /// that is measured only where there is another build of ours.
    pub(crate) fn run(&self, pace: Pace) -> Result<Vec<Row>, String> {
        let mut tasks = vec![Task::Format, Task::Verify];
        if self.contenders.iter().any(|it| it.name == OTHER_VERITY) {
            tasks.push(Task::ReadImage);
        }
        let rows = tasks.into_iter().map(|task| self.task(task, pace));
        Ok(rows.collect::<Result<Vec<_>, _>>()?.concat())
    }

    /// Measures format, the image dropped from the page cache before each run.
    pub(crate) fn run_cold(&self, pace: Pace) -> Result<Vec<Row>, String> {
        self.task(Task::FormatCold, pace)
    }

    fn task(&self, task: Task, pace: Pace) -> Result<Vec<Row>, String> {
        let contenders: Vec<_> = self.contenders.iter().filter(|it| can(it, task)).collect();
        let (each, pairs) = (vec![pace.rounds; contenders.len()], pairs(&contenders));
        let run = |round, index: usize| match task {
            Task::Verify => self.verify(contenders[index]),
            Task::ReadImage => self.read(contenders[index], round == 0),
            _ => self.format(contenders[index], task == Task::FormatCold),
        };
        let (name, budget) = (task.title(), pace.budget);
        let rounds =
            Rounds { name, each: &each, pairs: &pairs, budget, place: pace.place(Place::AnyCpu) };
        let row = |(contender, samples): (&&Program, _)| {
            Row::new(task, contender.name, contender.threads.get(), self.image.bytes, samples)
        };
        Ok(contenders.iter().zip(rounds.run(run)?).map(row).collect())
    }

    /// Leaves the hash file in place for `verify`; each run begins without it.
    fn format(&self, contender: &Program, cold: bool) -> Result<Duration, String> {
        self.image.remove_outputs().map_err(|error| error.to_string())?;
        if cold {
            self.image.cool().map_err(|error| error.to_string())?;
        }
        let (time, stdout) = timed(&mut self.format_command(contender))?;
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

    fn format_command(&self, contender: &Program) -> Command {
        let mut command = contender.command("format");
        command.arg(self.image.path()).arg(self.image.hash());
        if contender.name != RING_BUILDER {
            command.args(parameters());
        }
        command
    }

    fn verify(&self, contender: &Program) -> Result<Duration, String> {
        let mut command = contender.command("verify");
        command.arg(self.image.path()).arg(self.image.hash()).arg(&self.root_hash);
        timed(&mut command).map(|(time, _)| time)
    }

    /// Reads to `/dev/null`, so that reading and verifying is all; to a file that is compared where
    /// `checked` asks for it.
    fn read(&self, contender: &Program, checked: bool) -> Result<Duration, String> {
        let mut command = contender.command("read");
        command.arg(self.image.path()).arg(self.image.hash()).arg(&self.root_hash);
        let output = if checked { self.image.copy() } else { PathBuf::from("/dev/null") };
        let file = File::create(&output).map_err(|error| error.to_string())?;
        let (time, _) = timed(command.stdout(file))?;
        if checked {
            self.image.check_copy().map_err(|error| format!("{}: {error}", contender.name))?;
        }
        Ok(time)
    }
}

/// Whether a program has the task: the builder on ring only builds, veritysetup does not read.
fn can(program: &Program, task: Task) -> bool {
    match task {
        Task::Verify => program.name != RING_BUILDER,
        Task::ReadImage => [VERITY, OTHER_VERITY].contains(&program.name),
        _ => true,
    }
}
