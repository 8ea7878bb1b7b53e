//! The `verity` command: reads its arguments, runs one command, prints the outcome.

mod command;
mod context;
mod error;
mod exit;
mod front;
mod image;
mod inputs;
mod library_error;
mod log;
mod making;
mod outputs;
mod parameters;
mod places;
mod progress;
mod quoted;
mod report;
mod server;
mod signals;
mod signing;
mod sizes;
mod storage;
mod trust;

use std::process::ExitCode;

use clap::Parser;

use crate::context::Context;
use crate::error::{Class, CommandError};
use crate::front::verity::Cli;
use crate::report::{Outcome, Stream};
use crate::signals::Signals;

fn main() -> ExitCode {
    let arguments = front::verity::command_first(std::env::args_os().collect());
    let wants_json = arguments.iter().any(|argument| argument == "--json");
    let stream =
        if front::verity::prints_data(&arguments) { Stream::Stderr } else { Stream::Stdout };
    match Cli::try_parse_from(arguments) {
        Ok(cli) => {
            let json = cli.json;
            report(run(cli), stream, json)
        }
        Err(error) if error.use_stderr() => {
            report(Err(front::verity::usage_error(&error)), stream, wants_json)
        }
        Err(help) => {
            // A reader that has seen enough of the help may close the pipe.
            let _ = Stream::Stdout.print(&help.to_string());
            ExitCode::from(exit::OK)
        }
    }
}

fn run(cli: Cli) -> Result<Outcome, CommandError> {
    log::install(cli.verbose);
    let signals = Signals::install().map_err(|error| CommandError::new(Class::Io, error))?;
    let (platform, fec_platform) = (cli.platform, cli.fec_platform);
    cli.command.run(&Context { signals, platform, fec_platform, json: cli.json })
}

fn report(result: Result<Outcome, CommandError>, stream: Stream, json: bool) -> ExitCode {
    match result.and_then(|outcome| {
        report::success(&outcome, stream, json)?;
        Ok(outcome)
    }) {
        // What was asked for, and done; the answer is no.
        Ok(Outcome::Linted(linted)) if linted.is_refused() => exit::code(Class::Trust),
        Ok(_) => ExitCode::from(exit::OK),
        Err(error) => {
            // The failure decides the exit code, whether it could be printed or not.
            let _ = report::failure(&error, stream, json);
            exit::code(error.class())
        }
    }
}
