//! `verity` and `veritysetup` side by side, as whole commands: the same image, the same parameters, outputs
//! that must be equal, in turns. Nothing is asserted about time.
//!
//! ```text
//! compare [--size MIB] [--rounds N] [--threads N,N,...] [--dir DIR] [--verity PROGRAM] [--record]
//! ```
//!
//! `--record` also writes the report to `benches/record/MACHINE/DATE.txt`.

mod contest;
mod report;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use verity_benches::machine;
use verity_testdata::oracle::{self, VeritySetup};
use verity_testdata::pattern::Prng;

use self::contest::Contest;

const USAGE: &str = "usage: compare [--size MIB] [--rounds N] [--threads N,N,...] [--dir DIR] [--verity PROGRAM] [--record]";

/// What the command line says.
struct Options {
    mebibytes: u64,
    rounds: usize,
    threads: Vec<usize>,
    /// Where image and outputs lie; a disk's file system, not tmpfs.
    directory: PathBuf,
    verity: Option<PathBuf>,
    record: bool,
}

fn main() -> ExitCode {
    match Options::read().and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("compare: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    let veritysetup = VeritySetup::find().ok_or("veritysetup is not installed")?;
    let verity = match &options.verity {
        Some(program) => program.clone(),
        None => build_verity()?,
    };
    fs::create_dir_all(&options.directory).map_err(|error| error.to_string())?;
    let directory = tempdir(&options.directory)?;
    let image = directory.path().join("image");
    eprintln!("compare: writing {} MiB of random bytes", options.mebibytes);
    write_image(&image, options.mebibytes)?;

    let contest = Contest::new(&veritysetup, &verity, &image, &options.threads)?;
    let before = machine::register_loop();
    let measured = contest.run(options.rounds)?;
    let after = machine::register_loop();

    let mut text = machine::description();
    let built = if options.verity.is_some() { "the program given" } else { "built from source" };
    text += &format!("verity: {built}\nveritysetup: {}\n", veritysetup.version());
    text += &report::loops(before, after);
    text += &format!(
        "image: {} MiB of random bytes, sha256, 4096-byte blocks, 32-byte salt, warm page cache\n",
        options.mebibytes
    );
    text += &report::tables(&measured, options.mebibytes << 20);
    print!("{text}");
    if options.record { record(&text) } else { Ok(()) }
}

impl Options {
    fn read() -> Result<Options, String> {
        let mut options = Options {
            mebibytes: 1024,
            rounds: 5,
            threads: vec![1, 2],
            directory: target_directory(),
            verity: None,
            record: false,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            if name == "--record" {
                options.record = true;
                continue;
            }
            let value = arguments.next().ok_or(USAGE)?;
            match name.as_str() {
                "--size" => options.mebibytes = number(&value)?,
                "--rounds" => options.rounds = number(&value)?,
                "--threads" => {
                    options.threads = value.split(',').map(number).collect::<Result<_, _>>()?;
                }
                "--dir" => options.directory = value.into(),
                "--verity" => options.verity = Some(value.into()),
                _ => return Err(USAGE.to_owned()),
            }
        }
        Ok(options)
    }
}

/// A positive number.
fn number<T: std::str::FromStr + Default + PartialEq>(text: &str) -> Result<T, String> {
    let number = text.parse().ok().filter(|number| *number != T::default());
    number.ok_or_else(|| format!("{text:?} is no positive number\n{USAGE}"))
}

fn target_directory() -> PathBuf {
    let default = || verity_testdata::workspace().join("target");
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(default, PathBuf::from)
}

fn tempdir(parent: &Path) -> Result<verity_testdata::files::TempDir, String> {
    let directory = verity_testdata::files::TempDir::with_prefix_in("compare-", parent);
    directory.map_err(|error| format!("{}: {error}", parent.display()))
}

/// Cargo decides whether there is anything to do.
fn build_verity() -> Result<PathBuf, String> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet", "--release", "-p", "verity-cli"]);
    let output = oracle::run(cargo.current_dir(verity_testdata::workspace()));
    if !output.status.success() {
        return Err(oracle::failure(&cargo, &output));
    }
    Ok(target_directory().join("release/verity"))
}

/// Random, so without holes; on the disk, so that no write-back runs beside the measurement; read once, so
/// in the page cache.
fn write_image(path: &Path, mebibytes: u64) -> Result<(), String> {
    let write = || {
        let mut file = fs::File::create(path)?;
        let mut prng = Prng::new(1);
        for _ in 0..mebibytes {
            std::io::Write::write_all(&mut file, &prng.bytes(1 << 20))?;
        }
        file.sync_all()?;
        std::io::copy(&mut fs::File::open(path)?, &mut std::io::sink())
    };
    write().map(drop).map_err(|error| format!("{}: {error}", path.display()))
}

fn record(text: &str) -> Result<(), String> {
    let directory = verity_testdata::workspace().join("benches/record").join(machine::name());
    let path = directory.join(format!("{}.txt", machine::date()));
    let written = fs::create_dir_all(&directory).and_then(|()| fs::write(&path, text));
    written.map_err(|error| format!("{}: {error}", path.display()))?;
    eprintln!("compare: recorded in {}", path.display());
    Ok(())
}
