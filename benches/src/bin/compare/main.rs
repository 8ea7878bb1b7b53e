//! `verity` beside its peers, in turns within one run: whole commands against `veritysetup` and
//! against a builder on rayon and ring, with parity as well and repair, and, in this process,
//! verified reads against others and every kernel against the crates that hash blocks or make
//! parity. Every result is checked; nothing is asserted about time.
//!
//! ```text
//! compare [--size MIB] [--reads-size MIB] [--rounds N] [--threads N,N,...]
//!         [--parts commands,reads,kernels,fec,fec-kernels,cold] [--dir DIR]
//!         [--verity PROGRAM] [--beside PROGRAM] [--record]
//! ```
//!
//! `--record` also writes `benches/record/MACHINE/DATE.txt` and `.json`.

mod commands;
mod fec;
mod fec_kernels;
mod image;
mod kernels;
mod options;
mod program;
mod reader;
mod reads;
mod ring_builder;
mod rounds;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::Parser as _;
use verity_benches::machine::{self, Machine};
use verity_benches::record::{Input, Programs, Record, SCHEMA};
use verity_benches::register_loop::{RegisterLoop, Sample};
use verity_benches::{kernels as contenders, report};
use verity_testdata::oracle::{self, VeritySetup};

use self::image::Image;
use self::options::{Arguments, Options, Part, Process};
use self::program::Builds;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.process {
        Some(Process::RingBuilder(arguments)) => ring_builder::run(arguments),
        Some(Process::Reader(arguments)) => reader::run(arguments),
        None => run(&arguments.options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("compare: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    let input = Input {
        bytes: options.bytes(),
        seed: options.seed(),
        file_system: machine::file_system(&options.directory()?),
    };
    let mut record = Record {
        schema: SCHEMA,
        date: String::new(),
        commit: machine::commit(),
        compiler: machine::compiler(),
        command: options.command_line(),
        machine: Machine::detect(),
        programs: Programs {
            verity_built_here: options.verity.is_none(),
            other_verity: None,
            veritysetup: None,
            tape_sha256: contenders::tape_backend().map(str::to_owned),
        },
        input,
        register_loop: None,
        reads: None,
        parity: Vec::new(),
        rows: Vec::new(),
    };
    if [Part::Commands, Part::Cold, Part::Reads, Part::Fec].iter().any(|part| options.has(*part)) {
        measure_threads(options, &mut record)?;
    }
    if options.has(Part::Kernels) {
        record.rows.extend(kernels::measure(&record.input, options.rounds)?);
    }
    if options.has(Part::FecKernels) {
        record.rows.extend(fec_kernels::measure(&record.input, options.rounds)?);
    }
    record.date = machine::now();
    let text = report::text(&record);
    print!("{text}");
    if options.record {
        let records = verity_testdata::workspace().join("benches/record");
        eprintln!("compare: recorded in {}", record.save(&records, &text)?.display());
    }
    Ok(())
}

/// Between two samples of the register loop, which tell what several threads can be worth.
fn measure_threads(options: &Options, record: &mut Record) -> Result<(), String> {
    let before = Sample::take();
    if [Part::Commands, Part::Cold, Part::Fec].iter().any(|part| options.has(*part)) {
        measure_commands(options, record)?;
    }
    if options.has(Part::Reads) {
        let (rows, reads) = reads::measure(options, &record.input)?;
        record.rows.extend(rows);
        record.reads = Some(reads);
    }
    let kernel = RegisterLoop::kernel().to_owned();
    record.register_loop = Some(RegisterLoop { kernel, before, after: Sample::take() });
    Ok(())
}

fn measure_commands(options: &Options, record: &mut Record) -> Result<(), String> {
    let veritysetup = VeritySetup::find().ok_or("veritysetup is not installed")?;
    record.programs.veritysetup = Some(veritysetup.version());
    let builds = builds(options)?;
    record.programs.other_verity = builds.other.as_deref().map(program::version).transpose()?;
    if options.has(Part::Commands) || options.has(Part::Cold) {
        let image = Image::write(&options.directory()?, &record.input)?;
        let contest = commands::Contest::new(&veritysetup, &builds, &image, &options.threads)?;
        if options.has(Part::Commands) {
            record.rows.extend(contest.run(options.rounds)?);
        }
        if options.has(Part::Cold) {
            record.rows.extend(contest.run_cold(options.rounds)?);
        }
    }
    if options.has(Part::Fec) {
        let measured = fec::measure(options, &record.input, &veritysetup, &builds)?;
        record.rows.extend(measured.0);
        record.parity = measured.1;
    }
    Ok(())
}

fn builds(options: &Options) -> Result<Builds, String> {
    let verity = options.verity.clone().map_or_else(build_verity, Ok)?;
    Ok(Builds { verity, other: options.beside.clone() })
}

/// Cargo decides whether there is anything to do.
fn build_verity() -> Result<PathBuf, String> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet", "--release", "-p", "verity-cli"]);
    let output = oracle::run(cargo.current_dir(verity_testdata::workspace()));
    if !output.status.success() {
        return Err(oracle::failure(&cargo, &output));
    }
    Ok(options::target_directory().join("release/verity"))
}
