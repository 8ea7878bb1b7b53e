//! `verity` beside its peers, in turns within one run: whole commands against `veritysetup` and
//! against a builder on rayon and ring, with parity as well and repair, and, in this process,
//! verified reads against others and every kernel against the crates that hash blocks or make
//! parity. Every result is checked; nothing is asserted about time.
//!
//! ```text
//! compare [--size MIB] [--reads-size MIB] [--rounds N] [--threads N,N,...]
//!         [--parts commands,reads,kernels,fec,fec-kernels,cold,one-pass,install]
//!         [--dir DIR] [--quick]
//!         [--verity PROGRAM] [--beside PROGRAM] [--against RECORD]
//!         [--record FILE] [--out DIR] [--in-tree]
//! compare changes OLDER NEWER
//! ```
//!
//! Nothing is written into the source tree but by `--in-tree`: `benches/record/MACHINE/DATE.txt`
//! and `.json`.

mod commands;
mod fec;
mod fec_kernels;
mod image;
mod install;
mod kernels;
mod one_pass;
mod options;
mod outputs;
mod plan;
mod program;
mod reader;
mod reads;
mod ring_builder;
mod rounds;

use std::process::ExitCode;

use clap::Parser as _;
use verity_benches::machine::{self, Machine};
use verity_benches::probe;
use verity_benches::record::{Input, Programs, Record, SCHEMA};
use verity_benches::register_loop::{RegisterLoop, Sample};
use verity_benches::{changes, kernels as contenders, report};

use self::image::Image;
use self::options::{Arguments, Changes, Options, Part, Process};
use self::plan::{Commands, Plan};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.process {
        Some(Process::Changes(arguments)) => print_changes(arguments),
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
    let older = options.against.as_deref().map(Record::load).transpose()?;
    options.outputs.check()?;
    let plan = Plan::make(options)?;
    let mut record = begin(options, &plan)?;
    let on_disk =
        [Part::Commands, Part::Cold, Part::OnePass, Part::Install, Part::Reads, Part::Fec];
    if plan.has_any(&on_disk) {
        measure_threads(options, &plan, &mut record)?;
    }
    if plan.has(Part::Kernels) {
        let measured = kernels::measure(&record.input, options.pace())?;
        record.rows.extend(measured.0);
        record.limits = measured.1;
    }
    if plan.has(Part::FecKernels) {
        record.rows.extend(fec_kernels::measure(&record.input, options.pace())?);
    }
    record.judge(probe::design(&record.machine.cpu));
    record.date = machine::now();
    let mut text = report::text(&record);
    if let Some(older) = older {
        text += &format!("\n{}", changes::text(&older, &record));
    }
    print!("{text}");
    options.outputs.write(&record, &text)
}

/// A record without figures.
fn begin(options: &Options, plan: &Plan) -> Result<Record, String> {
    let input = Input {
        bytes: options.bytes(),
        seed: options.seed(),
        file_system: machine::file_system(&options.directory()?),
    };
    let commands = plan.commands.as_ref();
    let programs = Programs {
        verity_built_here: commands.is_some_and(|commands| commands.is_built_here),
        other_verity: options.beside.as_deref().map(program::version).transpose()?,
        veritysetup: commands.map(|commands| commands.veritysetup.version()),
        tape_sha256: contenders::tape_backend().map(str::to_owned),
        crates: contenders::crates(),
    };
    Ok(Record {
        schema: SCHEMA,
        date: String::new(),
        commit: machine::commit(),
        compiler: machine::compiler(),
        command: options.command_line(),
        machine: Machine::detect(),
        programs,
        input,
        skipped: plan.skipped.clone(),
        register_loop: None,
        probe: None,
        limits: Vec::new(),
        reads: None,
        parity: Vec::new(),
        rows: Vec::new(),
    })
}

/// Between two samples of the register loop, which tell what several threads can be worth.
fn measure_threads(options: &Options, plan: &Plan, record: &mut Record) -> Result<(), String> {
    let before = Sample::take();
    if let Some(commands) = &plan.commands {
        measure_commands(options, plan, commands, record)?;
    }
    if plan.has(Part::Reads) {
        let (rows, reads) = reads::measure(options, &record.input)?;
        record.rows.extend(rows);
        record.reads = Some(reads);
    }
    let kernel = RegisterLoop::kernel().to_owned();
    record.register_loop = Some(RegisterLoop { kernel, before, after: Sample::take() });
    Ok(())
}

fn measure_commands(
    options: &Options,
    plan: &Plan,
    Commands { builds, veritysetup, .. }: &Commands,
    record: &mut Record,
) -> Result<(), String> {
    if plan.has_any(&[Part::Commands, Part::Cold]) {
        let image = Image::write(&options.directory()?, &record.input)?;
        let contest = commands::Contest::new(veritysetup, builds, &image, &options.threads)?;
        if plan.has(Part::Commands) {
            record.rows.extend(contest.run(options.pace())?);
        }
        if plan.has(Part::Cold) {
            record.rows.extend(contest.run_cold(options.pace())?);
        }
    }
    if plan.has(Part::OnePass) {
        let image = Image::write(&options.directory()?, &record.input)?;
        let one_pass = one_pass::OnePass::new(&builds.verity, &image, &options.threads)?;
        record.rows.extend(one_pass.run(options.pace())?);
    }
    if plan.has(Part::Install) {
        let image = Image::write(&options.directory()?, &record.input)?;
        let install = install::Install::new(&builds.verity, &image, &options.threads)?;
        record.rows.extend(install.run(options.pace())?);
    }
    if plan.has(Part::Fec) {
        let measured = fec::measure(options, &record.input, veritysetup, builds)?;
        record.rows.extend(measured.0);
        record.parity = measured.1;
    }
    Ok(())
}

fn print_changes(Changes { older, newer }: &Changes) -> Result<(), String> {
    print!("{}", changes::text(&Record::load(older)?, &Record::load(newer)?));
    Ok(())
}
