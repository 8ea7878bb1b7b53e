//! A process that does nothing but read all over an image, and says how much memory that took.

use std::fs::File;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::Command;

use clap::Args;
use verity::{HashArea, RootHash, TrustedParams, VerifiedReader};
use verity_benches::reads::BLOCK_SIZE;
use verity_benches::{fixture, machine};
use verity_testdata::oracle;
use verity_testdata::pattern::Prng;

use super::image::Image;

/// Reads of a block by each thread: some for every hash block of a large image.
const READS: usize = 100_000;
/// A long read after so many of them, which takes all buffers that there are.
const LONG_EVERY: usize = 100;
/// The length of a long read, in bytes.
const LONG: usize = 1 << 20;

/// What to read.
#[derive(Debug, Args)]
pub(crate) struct Reader {
    /// The bound of the cache, in bytes
    #[arg(long)]
    cache: u64,
    #[arg(long)]
    threads: NonZeroUsize,
    data: PathBuf,
    hash: PathBuf,
    root_hash: RootHash,
}

/// Runs the process; returns its resident memory at the most, less what it had before there was a
/// reader, in bytes.
pub(crate) fn peak(
    image: &Image,
    root_hash: &RootHash,
    cache: u64,
    threads: NonZeroUsize,
) -> Result<u64, String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(this);
    command.args(["reader", &format!("--cache={cache}"), &format!("--threads={threads}")]);
    command.arg(image.path()).arg(image.hash()).arg(root_hash.to_string());
    let output = oracle::run(&mut command);
    let printed = String::from_utf8_lossy(&output.stdout).trim().parse();
    printed.map_err(|_| oracle::failure(&command, &output))
}

/// What the process does.
pub(crate) fn run(arguments: &Reader) -> Result<(), String> {
    // The caller's own buffers are not the reader's.
    let mut buffers = vec![vec![0xff; LONG]; arguments.threads.get()];
    let before = machine::resident().ok_or("this system does not tell the memory of a process")?;
    let reader = &arguments.open()?;
    std::thread::scope(|scope| {
        let threads = (0..).zip(&mut buffers);
        let threads = threads.map(|(seed, buf)| scope.spawn(move || read(reader, seed, buf)));
        let threads: Vec<_> = threads.collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err("a thread ended early".to_owned()))
        })
    })?;
    let after = machine::resident().ok_or("this system does not tell the memory of a process")?;
    println!("{}", after.most.saturating_sub(before.now));
    Ok(())
}

impl Reader {
    fn open(&self) -> Result<VerifiedReader<File, File>, String> {
        let open = |path| File::open(path).map_err(|error| error.to_string());
        let (data, hash) = (open(&self.data)?, open(&self.hash)?);
        let size = data.metadata().map_err(|error| error.to_string())?.len();
        let params = fixture::params(size);
        let area = HashArea::new(&params, 0, false).map_err(|error| error.to_string())?;
        let trusted = TrustedParams::pinned(params, self.root_hash, area);
        let reader = VerifiedReader::new(trusted.map_err(|error| error.to_string())?, data, hash);
        Ok(reader.map_err(|error| error.to_string())?.cache_size(self.cache))
    }
}

fn read(reader: &VerifiedReader<File, File>, seed: u64, buf: &mut [u8]) -> Result<(), String> {
    let mut prng = Prng::new(seed);
    let blocks = reader.trusted().params().data_blocks();
    for turn in 0..READS {
        let len = if turn % LONG_EVERY == 0 { LONG } else { BLOCK_SIZE };
        let offset = prng.below(blocks) * BLOCK_SIZE as u64;
        reader.read_at(&mut buf[..len], offset).map_err(|error| error.to_string())?;
    }
    Ok(())
}
