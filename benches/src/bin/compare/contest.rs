//! The runs: every contender in turn, the order turned by one each round, every output checked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use verity_testdata::oracle::{self, Header, VeritySetup};
use verity_testdata::reference::Scheme;

/// Who runs against whom, and the answer they must all give.
pub(crate) struct Contest {
    contenders: Vec<Contender>,
    image: PathBuf,
    /// Where the outputs go.
    hash: PathBuf,
    root_hash: String,
    hash_file: Vec<u8>,
}

/// One program with its options.
struct Contender {
    name: String,
    program: Command,
    /// Options that only this program has.
    options: Vec<String>,
}

/// The times of one contender at one task, a round each.
pub(crate) struct Measured {
    pub(crate) task: &'static str,
    pub(crate) contender: String,
    pub(crate) times: Vec<Duration>,
}

const UUID: &str = "--uuid=6ba7b810-9dad-41d1-80b4-00c04fd430c8";

impl Contest {
    /// veritysetup first, whose answer is the expected one, then `verity` with each number of threads.
    pub(crate) fn new(
        veritysetup: &VeritySetup,
        verity: &Path,
        image: &Path,
        threads: &[usize],
    ) -> Result<Contest, String> {
        let hash = image.with_file_name("hash");
        let header = veritysetup.format(image, &hash, &parameters());
        let hash_file = fs::read(&hash).map_err(|error| error.to_string())?;
        let mut contenders = vec![Contender {
            name: "veritysetup".to_owned(),
            program: veritysetup.command(),
            options: Vec::new(),
        }];
        contenders.extend(threads.iter().map(|threads| Contender {
            name: format!("verity, {threads} thread{}", if *threads == 1 { "" } else { "s" }),
            program: Command::new(verity),
            options: vec![format!("--threads={threads}")],
        }));
        let root_hash = header.root_hash().to_owned();
        Ok(Contest { contenders, image: image.to_owned(), hash, root_hash, hash_file })
    }

    /// A round to warm up, then as many as asked for.
    pub(crate) fn run(&self, rounds: usize) -> Result<Vec<Measured>, String> {
        let mut measured = Vec::new();
        for (task, run) in [("format", Self::format as Task), ("verify", Self::verify as Task)] {
            let mut times = vec![Vec::new(); self.contenders.len()];
            for round in 0..=rounds {
                eprintln!("compare: {task}, round {round} of {rounds}");
                for turn in 0..self.contenders.len() {
                    let index = (round + turn) % self.contenders.len();
                    let time = run(self, &self.contenders[index])?;
                    if round > 0 {
                        times[index].push(time);
                    }
                }
            }
            measured.extend(self.contenders.iter().zip(times).map(|(contender, times)| Measured {
                task,
                contender: contender.name.clone(),
                times,
            }));
        }
        Ok(measured)
    }

    /// Leaves the hash file in place for `verify`; each run begins without it.
    fn format(&self, contender: &Contender) -> Result<Duration, String> {
        match fs::remove_file(&self.hash) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error.to_string());
            }
            _ => {}
        }
        let mut command = contender.command("format");
        command.arg(&self.image).arg(&self.hash).args(parameters());
        let (time, stdout) = timed(&mut command)?;
        let header = Header::parse(stdout);
        if header.root_hash() != self.root_hash {
            return Err(format!("{}: another root hash:\n{}", contender.name, header.text()));
        }
        let hash_file = fs::read(&self.hash).map_err(|error| error.to_string())?;
        if hash_file != self.hash_file {
            return Err(format!("{}: another hash file", contender.name));
        }
        Ok(time)
    }

    fn verify(&self, contender: &Contender) -> Result<Duration, String> {
        let mut command = contender.command("verify");
        command.arg(&self.image).arg(&self.hash).arg(&self.root_hash);
        timed(&mut command).map(|(time, _)| time)
    }
}

type Task = fn(&Contest, &Contender) -> Result<Duration, String>;

impl Contender {
    fn command(&self, task: &str) -> Command {
        let mut command = Command::new(self.program.get_program());
        command.env("LC_ALL", "C").stdin(Stdio::null()).arg(task).args(&self.options);
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

/// What both programs take alike.
fn parameters() -> Vec<String> {
    let scheme = Scheme { salt: verity_benches::fixture::salt().to_vec(), ..Scheme::default() };
    let mut parameters = oracle::arguments(&scheme);
    parameters.push(UUID.to_owned());
    parameters
}
