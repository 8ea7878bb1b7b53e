//! The command line.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::reader::Reader;
use super::ring_builder::RingBuilder;
use super::rounds::Pace;

/// Measures verity beside its peers.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) options: Options,
    #[command(subcommand)]
    pub(crate) process: Option<Process>,
}

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Size of the input of commands and kernels, in MiB; of those for 24 roots a quarter
    /// [default: 1024; quick: 128]
    #[arg(long = "size", value_name = "MIB")]
    mebibytes: Option<NonZeroU64>,

    /// Size of the image that is read, in MiB; less where memory does not hold twice as much
    /// [default: 4096; quick: 512]
    #[arg(long = "reads-size", value_name = "MIB")]
    reads_mebibytes: Option<NonZeroU64>,

    /// Rounds that count; one more warms up [default: 7; quick: 5]
    #[arg(long, value_name = "N")]
    rounds: Option<NonZeroUsize>,

    /// After so many seconds no other round of a task begins, once one has counted [default: no
    /// bound; quick: 8]
    #[arg(long, value_name = "N")]
    seconds: Option<NonZeroU64>,

    /// Measure in less than five minutes, on small input; the other options override that
    #[arg(long)]
    pub(crate) quick: bool,

    /// Numbers of threads of commands and reads
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', default_value = "1,2")]
    pub(crate) threads: Vec<NonZeroUsize>,

    /// What to measure: fec is commands with parity, and repair; cold is format with its input
    /// dropped from the page cache; one-pass is copy, tree and digest at once; install is a release
    /// into a slot. A part that is named and cannot be measured is an error [default: all but cold,
    /// one-pass and install, as far as possible; quick: nor fec-kernels]
    #[arg(long, value_name = "PART,...", value_delimiter = ',')]
    parts: Vec<Part>,

    /// Where image and outputs lie, on a disk's file system [default: the build directory]
    #[arg(long = "dir", value_name = "DIR")]
    directory: Option<PathBuf>,

    /// The command to measure [default: built from this source, or else beside this program]
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) verity: Option<PathBuf>,

    /// Another build of the command, measured in the same rounds: what a change costs, on format,
    /// verify, read and repair. Of the parts commands, cold and fec
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) beside: Option<PathBuf>,

    /// Do not look at who has the core before and after each round: an emulator's answers mean
    /// nothing
    #[arg(long)]
    pub(crate) no_probe: bool,

    /// Print what changed since that record, ratio by ratio
    #[arg(long, value_name = "RECORD")]
    pub(crate) against: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) outputs: Outputs,
}

/// Where results go beside the standard output.
#[derive(Debug, Args)]
pub(crate) struct Outputs {
    /// Write the record to that file, which must not be there
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,

    /// Write record.json, record.md and charts into that directory
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// Write a record into the source tree: benches/record/MACHINE/DATE.json and .txt
    #[arg(long)]
    pub(crate) in_tree: bool,
}

/// Two records.
#[derive(Debug, Args)]
pub(crate) struct Changes {
    pub(crate) older: PathBuf,
    pub(crate) newer: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    Commands,
    Reads,
    Kernels,
    Fec,
    FecKernels,
    Cold,
    OnePass,
    Install,
}

/// What this program does beside measuring, or runs as a process of its own.
#[derive(Debug, Subcommand)]
pub(crate) enum Process {
    /// Prints what changed from one record to another, ratio by ratio; measures nothing
    Changes(Changes),
    /// Makes a hash file the way of the strongest peer, to be measured like the other commands
    #[command(hide = true)]
    RingBuilder(RingBuilder),
    /// Reads all over an image and prints how many bytes of memory that took
    #[command(hide = true)]
    Reader(Reader),
}

impl Options {
    pub(crate) fn bytes(&self) -> u64 {
        self.mebibytes().get().saturating_mul(1 << 20)
    }

    pub(crate) fn reads_bytes(&self) -> NonZeroU64 {
        self.reads_mebibytes().saturating_mul(const { NonZeroU64::new(1 << 20).unwrap() })
    }

    /// The parts that were named.
    pub(crate) fn named_parts(&self) -> Option<&[Part]> {
        (!self.parts.is_empty()).then_some(&self.parts)
    }

    /// The parts to measure, if they can be.
    pub(crate) fn parts(&self) -> Vec<Part> {
        use Part::{Commands, Fec, FecKernels, Kernels, Reads};
        match self.named_parts() {
            Some(parts) => parts.to_vec(),
            None if self.quick => vec![Commands, Reads, Kernels, Fec],
            None => vec![Commands, Reads, Kernels, Fec, FecKernels],
        }
    }

    pub(crate) fn pace(&self) -> Pace {
        let budget = self.seconds.map(NonZeroU64::get).or(self.quick.then_some(8));
        let rounds = self.rounds.unwrap_or(self.choose(NonZeroUsize::new(5), NonZeroUsize::new(7)));
        Pace { rounds, budget: budget.map(Duration::from_secs), is_probed: !self.no_probe }
    }

    fn mebibytes(&self) -> NonZeroU64 {
        let default = self.choose(NonZeroU64::new(128), NonZeroU64::new(1024));
        self.mebibytes.unwrap_or(default)
    }

    fn reads_mebibytes(&self) -> NonZeroU64 {
        let default = self.choose(NonZeroU64::new(512), NonZeroU64::new(4096));
        self.reads_mebibytes.unwrap_or(default)
    }

    fn choose<T>(&self, quick: Option<T>, otherwise: Option<T>) -> T {
        let chosen = if self.quick { quick } else { otherwise };
        chosen.expect("defaults are not zero")
    }

    /// Fresh bytes each time: nobody can have seen them.
    pub(crate) fn seed(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.as_secs() ^ u64::from(now.subsec_nanos()) << 32
    }

    /// Where image and outputs lie, made if need be.
    pub(crate) fn directory(&self) -> Result<PathBuf, String> {
        let directory = self.directory.clone().unwrap_or_else(target_directory);
        let made = std::fs::create_dir_all(&directory);
        made.map_err(|error| format!("{}: {error}", directory.display()))?;
        Ok(directory)
    }

    /// With every option that decides what is measured, but no path.
    pub(crate) fn command_line(&self) -> String {
        let threads: Vec<_> = self.threads.iter().map(ToString::to_string).collect();
        let Pace { rounds, budget, is_probed } = self.pace();
        let budget = budget.map(|budget| format!(" --seconds {}", budget.as_secs()));
        format!(
            "compare{} --size {} --reads-size {} --rounds {rounds}{} --threads {} --parts {}{}",
            if self.quick { " --quick" } else { "" },
            self.mebibytes(),
            self.reads_mebibytes(),
            budget.unwrap_or_default(),
            threads.join(","),
            names(&self.parts()),
            if is_probed { "" } else { " --no-probe" }
        )
    }
}

/// As they are given on the command line.
pub(crate) fn names(parts: &[Part]) -> String {
    let names = parts.iter().filter_map(ValueEnum::to_possible_value);
    names.map(|name| name.get_name().to_owned()).collect::<Vec<_>>().join(",")
}

/// The source that this program was built from, if it is on this machine.
pub(crate) fn source() -> Option<PathBuf> {
    Some(verity_testdata::workspace()).filter(|top| top.join("Cargo.lock").exists())
}

/// Where cargo builds; without the source, where this program was started.
pub(crate) fn target_directory() -> PathBuf {
    let of_source = || source().map_or_else(|| Path::new(".").to_owned(), |it| it.join("target"));
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(of_source, PathBuf::from)
}
