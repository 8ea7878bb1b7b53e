//! Copy, tree and digest of an image: by one command in one pass, and by a tool for each.
//!
//! The tools run one after the other, as in a script: `cp --sparse=auto`, which is synced as our
//! own commands sync what they write, our own `format`, and `sha256sum`. Each result is compared
//! with that of the tools.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use verity_benches::kernels::VERITY;
use verity_benches::probe::Place;
use verity_benches::record::{COPY, Row, SHA256SUM, TOOLS, TREE, Task};

use super::image::Image;
use super::program::{parameters, timed};
use super::rounds::{Pace, Rounds};

/// Who makes what, on how many threads.
struct Contender {
    name: &'static str,
    threads: NonZeroUsize,
}

/// One command against its tools.
pub(crate) struct OnePass<'a> {
    verity: &'a Path,
    image: &'a Image,
    threads: &'a [NonZeroUsize],
    hash_file: Vec<u8>,
    digest: String,
}

impl<'a> OnePass<'a> {
    /// Runs the tools once, whose results are the expected ones.
    pub(crate) fn new(
        verity: &'a Path,
        image: &'a Image,
        threads: &'a [NonZeroUsize],
    ) -> Result<OnePass<'a>, String> {
        let mut one_pass =
            OnePass { verity, image, threads, hash_file: Vec::new(), digest: String::new() };
        image.remove_outputs().map_err(|error| error.to_string())?;
        timed(&mut one_pass.tree(NonZeroUsize::MIN))?;
        one_pass.hash_file = fs::read(image.hash()).map_err(|error| error.to_string())?;
        one_pass.digest = one_pass.sum()?.1;
        Ok(one_pass)
    }

    /// Measures copy and tree, then with the digest, then that with a cold file.
    pub(crate) fn run(&self, pace: Pace) -> Result<Vec<Row>, String> {
        let tasks = [Task::OnePass, Task::OnePassDigest, Task::OnePassCold];
        let rows = tasks.into_iter().map(|task| self.task(task, pace));
        Ok(rows.collect::<Result<Vec<_>, _>>()?.concat())
    }

    fn task(&self, task: Task, pace: Pace) -> Result<Vec<Row>, String> {
        let alone: &[&'static str] = match task {
            Task::OnePass => &[COPY],
            Task::OnePassDigest => &[SHA256SUM],
            _ => &[],
        };
        let one = |name: &&'static str| Contender { name, threads: NonZeroUsize::MIN };
        let mut contenders: Vec<_> = alone.iter().map(one).collect();
        for &threads in self.threads {
            let names =
                if task == Task::OnePass { &[TREE, TOOLS, VERITY][..] } else { &[TOOLS, VERITY] };
            contenders.extend(names.iter().map(|name| Contender { name, threads }));
        }
        let each = vec![pace.rounds; contenders.len()];
        let rounds = Rounds {
            name: task.title(),
            each: &each,
            pairs: &[],
            budget: pace.budget,
            place: pace.place(Place::AnyCpu),
        };
        let samples = rounds.run(|_, index| self.turn(task, &contenders[index]))?;
        let row = |(contender, samples): (&Contender, _)| {
            Row::new(task, contender.name, contender.threads.get(), self.image.bytes, samples)
        };
        Ok(contenders.iter().zip(samples).map(row).collect())
    }

    /// One turn; each tool begins with a cold file where the task does.
    fn turn(&self, task: Task, contender: &Contender) -> Result<Duration, String> {
        self.image.remove_outputs().map_err(|error| error.to_string())?;
        let (threads, is_digested) = (contender.threads, task != Task::OnePass);
        let time = match contender.name {
            VERITY => {
                self.cool(task)?;
                self.all_at_once(threads, is_digested)?
            }
            COPY => return self.copy(task),
            SHA256SUM => return self.sum().map(|(time, _)| time),
            TREE => timed(&mut self.tree(threads))?.0,
            _ => {
                let copied = self.copy(task)?;
                self.cool(task)?;
                let made = timed(&mut self.tree(threads))?.0;
                self.cool(task)?;
                let summed = if is_digested { self.sum()?.0 } else { Duration::ZERO };
                copied + made + summed
            }
        };
        match fs::read(self.image.hash()) {
            Ok(hash_file) if hash_file == self.hash_file => Ok(time),
            Ok(_) => Err(format!("{}: another hash file", contender.name)),
            Err(error) => Err(error.to_string()),
        }
    }

    fn cool(&self, task: Task) -> Result<(), String> {
        match task {
            Task::OnePassCold => self.image.cool().map_err(|error| error.to_string()),
            _ => Ok(()),
        }
    }

    fn all_at_once(&self, threads: NonZeroUsize, is_digested: bool) -> Result<Duration, String> {
        let mut command = self.tree(threads);
        command.arg("--copy-to").arg(self.image.copy());
        if is_digested {
            command.args(["--image-digest", "sha256"]);
        }
        let (time, said) = timed(&mut command)?;
        if is_digested && !said.contains(&self.digest) {
            return Err(format!("another digest:\n{said}"));
        }
        self.image.check_copy()?;
        Ok(time)
    }

    fn tree(&self, threads: NonZeroUsize) -> Command {
        let mut command = Command::new(self.verity);
        command.env("LC_ALL", "C").stdin(Stdio::null());
        command.arg("format").arg(self.image.path()).arg(self.image.hash());
        command.args(parameters()).arg(format!("--threads={threads}"));
        command
    }

    fn copy(&self, task: Task) -> Result<Duration, String> {
        self.cool(task)?;
        let mut command = Command::new("cp");
        command.arg("--sparse=auto").arg("--reflink=never");
        let (copied, _) = timed(command.arg(self.image.path()).arg(self.image.copy()))?;
        let (synced, _) = timed(Command::new("sync").arg(self.image.copy()))?;
        self.image.check_copy()?;
        Ok(copied + synced)
    }

    /// How long the digest takes, and what it is.
    fn sum(&self) -> Result<(Duration, String), String> {
        let (time, said) = timed(Command::new("sha256sum").arg(self.image.path()))?;
        Ok((time, said.split(' ').next().unwrap_or_default().to_owned()))
    }
}
