//! The front end `verity`: what the user typed becomes options, the outcome is printed, and the
//! exit code follows from both.
//!
//! One file a verb holds the spelling of its options and what they become; no file is touched here.
//! Options are spelled as veritysetup spells them wherever it has them: `-h` is the hash and `-s`
//! the salt, help is `--help` or `-?`.

mod attach_signature;
mod build;
mod check;
mod cli;
mod close;
mod description;
mod diff;
mod disk_image;
mod dump;
mod format;
mod guests;
mod image;
mod install;
mod lint_signature;
mod open;
#[cfg(any(test, feature = "pages"))]
mod pages;
mod parameters;
mod plan;
mod prepare_signature;
mod read;
mod rehash;
mod repair;
mod serve;
mod sign;
mod signing;
mod slots;
mod status;
mod streams;
mod table;
mod values;
mod verify;
mod veritysetup;
mod words;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Once;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches};

use self::cli::Cli;
use self::streams::{check_single_use, refusing_streams};
use self::words::{asks_for_exit_codes, command_first, prints_data, usage_error, with_help_words};
use crate::context::Context;
use crate::error::{Class, CommandError};
use crate::report::{About, Outcome, Printer, Stream};
use crate::signals::{Signals, guarded};
use crate::{exit, log, progress};

/// Runs one command line.
pub(crate) fn run(arguments: Vec<OsString>) -> ExitCode {
    #[cfg(feature = "pages")]
    if let [_, option, folder] = arguments.as_slice()
        && option == "--write-pages"
    {
        return write_pages(std::path::Path::new(folder));
    }
    let arguments = with_help_words(command_first(arguments));
    let wants_json = arguments.iter().any(|argument| argument == "--json");
    let is_verbose = arguments.iter().any(|argument| argument == "--verbose" || argument == "-v");
    if asks_for_exit_codes(&arguments) {
        return tell(&About::help(format!("{}\n", exit::TABLE)), wants_json);
    }
    let stream = if prints_data(&arguments) { Stream::Stderr } else { Stream::Stdout };
    let command = arguments.get(1).and_then(|name| name.to_str()).map(str::to_owned);
    let code = match parse(arguments) {
        Ok(cli) => {
            log::install(cli.verbose);
            progress::show(!cli.quiet);
            let printer = Printer { stream, json: cli.json, quiet: cli.quiet };
            guard(printer, |signals| run_command(cli, printer, signals))
        }
        Err(error) if error.use_stderr() => {
            let printer = Printer { stream, json: wants_json, quiet: false };
            guard(printer, |_| Err(usage_error(error, command.as_deref())))
        }
        Err(version) if version.kind() == ErrorKind::DisplayVersion => {
            let about = About::version(version.to_string());
            return tell(&if is_verbose { about.with_kernels() } else { about }, wants_json);
        }
        Err(help) => return tell(&About::help(help.to_string()), wants_json),
    };
    ExitCode::from(code)
}

/// Makes the pages about the command; for installers, so that no help screen has it.
#[cfg(feature = "pages")]
fn write_pages(folder: &std::path::Path) -> ExitCode {
    let Err(error) = pages::write(folder) else { return ExitCode::from(exit::OK) };
    let printer = Printer { stream: Stream::Stderr, json: false, quiet: false };
    let error = CommandError::new(Class::Io, error).at(folder);
    ExitCode::from(guard(printer, |_| Err(error)))
}

/// Prints what somebody wants to know of the command itself.
fn tell(about: &About, json: bool) -> ExitCode {
    // A reader that has seen enough of the help may close the pipe.
    let _ = Printer { stream: Stream::Stdout, json, quiet: false }.about(about);
    ExitCode::from(exit::OK)
}

fn parse(arguments: Vec<OsString>) -> Result<Cli, clap::Error> {
    let mut command = refusing_streams(Cli::command());
    let matches = command.try_get_matches_from_mut(arguments)?;
    check_single_use(&matches)?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// Runs a command and reports what came of it; a signal ends both.
fn guard(
    printer: Printer,
    command: impl FnOnce(Signals) -> Result<Outcome, CommandError> + Send,
) -> u8 {
    let signals = match Signals::install() {
        Ok(signals) => signals,
        Err(error) => return report(Err(CommandError::new(Class::Io, error)), printer),
    };
    let run = || {
        let result = command(signals.clone());
        report(result.map_err(|error| signals.explain(error)), printer)
    };
    // The failure decides the exit code, whether it could be printed or not.
    let last_words = move |error| drop(printer.failure(&error));
    guarded(&signals, run, last_words).unwrap_or_else(|error| report(Err(error), printer))
}

fn run_command(cli: Cli, printer: Printer, signals: Signals) -> Result<Outcome, CommandError> {
    #[cfg(feature = "https")]
    if let Some(path) = cli.cacert {
        crate::image::trust_servers_of(path);
    }
    let context = Context {
        signals,
        platform: cli.platform,
        fec_platform: cli.fec_platform,
        named: Once::new(),
        announce: Box::new(move |ready| printer.ready(ready)),
    };
    cli.command.run(&context)
}

fn report(result: Result<Outcome, CommandError>, printer: Printer) -> u8 {
    let printed = result.and_then(|outcome| {
        printer.outcome(&outcome)?;
        Ok(outcome)
    });
    match printed {
        Ok(outcome) => outcome.refusal().map_or(exit::OK, exit::code),
        Err(error) => {
            // The failure decides the exit code, whether it could be printed or not.
            let _ = printer.failure(&error);
            exit::code(error.class())
        }
    }
}
