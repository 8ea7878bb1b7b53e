//! The command line.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::reader::Reader;
use super::ring_builder::RingBuilder;

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
    #[arg(long = "size", value_name = "MIB", default_value = "1024")]
    mebibytes: NonZeroU64,

    /// Size of the image that is read, in MiB; less where memory does not hold twice as much
    #[arg(long = "reads-size", value_name = "MIB", default_value = "4096")]
    reads_mebibytes: NonZeroU64,

    /// Rounds that count; one more warms up
    #[arg(long, value_name = "N", default_value = "7")]
    pub(crate) rounds: NonZeroUsize,

    /// Numbers of threads of commands and reads
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', default_value = "1,2")]
    pub(crate) threads: Vec<NonZeroUsize>,

    /// What to measure: fec is commands with parity, and repair; cold is format with its input
    /// dropped from the page cache
    #[arg(
        long,
        value_name = "PART,...",
        value_delimiter = ',',
        default_value = "commands,reads,kernels,fec,fec-kernels"
    )]
    parts: Vec<Part>,

    /// Where image and outputs lie, on a disk's file system [default: the build directory]
    #[arg(long = "dir", value_name = "DIR")]
    directory: Option<PathBuf>,

    /// The command to measure [default: built from this source]
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) verity: Option<PathBuf>,

    /// Another build of the command, measured in the same rounds: what a change costs, on format,
    /// verify, read and repair. Of the parts commands, cold and fec
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) beside: Option<PathBuf>,

    /// Write a record
    #[arg(long)]
    pub(crate) record: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    Commands,
    Reads,
    Kernels,
    Fec,
    FecKernels,
    Cold,
}

/// What this program runs as a process of its own.
#[derive(Debug, Subcommand)]
pub(crate) enum Process {
    /// Makes a hash file the way of the strongest peer, to be measured like the other commands
    #[command(hide = true)]
    RingBuilder(RingBuilder),
    /// Reads all over an image and prints how many bytes of memory that took
    #[command(hide = true)]
    Reader(Reader),
}

impl Options {
    pub(crate) fn bytes(&self) -> u64 {
        self.mebibytes.get().saturating_mul(1 << 20)
    }

    pub(crate) fn reads_bytes(&self) -> NonZeroU64 {
        self.reads_mebibytes.saturating_mul(const { NonZeroU64::new(1 << 20).unwrap() })
    }

    pub(crate) fn has(&self, part: Part) -> bool {
        self.parts.contains(&part)
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
        let parts: Vec<_> = self.parts.iter().filter_map(|part| part.to_possible_value()).collect();
        let parts: Vec<_> = parts.iter().map(|part| part.get_name()).collect();
        format!(
            "compare --size {} --reads-size {} --rounds {} --threads {} --parts {}",
            self.mebibytes,
            self.reads_mebibytes,
            self.rounds,
            threads.join(","),
            parts.join(",")
        )
    }
}

/// Where cargo builds.
pub(crate) fn target_directory() -> PathBuf {
    let default = || verity_testdata::workspace().join("target");
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(default, PathBuf::from)
}
