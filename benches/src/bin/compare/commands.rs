//! Whole commands: from the start of a program to its end, every output checked.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use verity_benches::kernels::VERITY;
use verity_benches::record::{RING_BUILDER, Row, Task};
use verity_testdata::oracle::{Header, VeritySetup};

use super::image::Image;
use super::program::{Program, parameters, timed};
use super::rounds;

/// Who runs against whom, and the answer they must all give.
pub(crate) struct Contest<'a> {
    contenders: Vec<Program>,
    image: &'a Image,
    root_hash: String,
    hash_file: Vec<u8>,
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
        let mut contenders = vec![Program::veritysetup(&veritysetup.command())];
        for (name, program) in [(VERITY, verity), (RING_BUILDER, &this)] {
            contenders.extend(Program::each(name, program, threads));
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
        // The builder on ring only builds.
        let can = |it: &&Program| task != Task::Verify || it.name != RING_BUILDER;
        let contenders: Vec<_> = self.contenders.iter().filter(can).collect();
        let each = vec![rounds; contenders.len()];
        let seconds = rounds::alternate(task.title(), &each, |_, index| match task {
            Task::Verify => self.verify(contenders[index]),
            _ => self.format(contenders[index], task == Task::FormatCold),
        })?;
        let row = |(contender, seconds): (&&Program, _)| Row {
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
}
