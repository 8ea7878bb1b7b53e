//! One run: reads the command line, does the action, says how it ended.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use super::args::{self, Action, Invocation, Request, UsageError};
use super::codes::{Code, Failure};
use super::console::Console;
use super::{close, dump, format, open, status, verify, words};
use crate::error::{Class, CommandError};
use crate::quoted::Quoted;
use crate::report::Stream;
use crate::signals::{Signals, guarded};

/// The exit code of a command line that makes no sense.
const USAGE_ERROR: u8 = 1;

/// Runs one command line; the first word of it is the name of the program.
pub(crate) fn run(arguments: &[OsString]) -> ExitCode {
    let program = Program::new(arguments.first());
    let words = arguments.get(1..).unwrap_or_default();
    let code = match args::parse(words) {
        Ok(Invocation::Help) => tell(Stream::Stdout, &words::help(&program.name)),
        Ok(Invocation::Usage) => tell(Stream::Stderr, &words::usage(&program.name)),
        Ok(Invocation::Version) => tell(Stream::Stdout, &words::version()),
        Ok(Invocation::Act(request)) => act(*request, arguments),
        Err(error) => program.refuse(&error),
    };
    ExitCode::from(code)
}

/// The program as it was started.
struct Program {
    /// The last part of its name.
    name: String,
    /// As it was typed.
    typed: String,
}

impl Program {
    fn new(word: Option<&OsString>) -> Program {
        let typed = Path::new(word.map_or("veritysetup".as_ref(), OsString::as_os_str));
        let name = typed.file_name().map_or(typed, Path::new);
        Program { name: Quoted(name).to_string(), typed: Quoted(typed).to_string() }
    }

    /// Says what is wrong with a command line, below the usage.
    fn refuse(&self, UsageError { option, message }: &UsageError) -> u8 {
        let subject = match option {
            Some(option) => Quoted(Path::new(option)).to_string(),
            None => self.typed.clone(),
        };
        // If standard error cannot be written there is nobody left to tell.
        let usage = words::usage(&self.name);
        let _ = Stream::Stderr.print(&format!("{usage}\n{subject}: {message}\n"));
        USAGE_ERROR
    }
}

/// Prints what somebody wants to know of the program itself.
fn tell(stream: Stream, text: &str) -> u8 {
    // A reader that has seen enough of it may close the pipe.
    let _ = stream.print(text);
    0
}

/// Does an action, which a signal ends.
fn act(request: Request, arguments: &[OsString]) -> u8 {
    let console = Console::new(request.options.verbose, request.options.debug);
    console.step(&processing(arguments));
    console.step(&format!("Running command {}.", request.action.name()));
    let signals = match Signals::install() {
        Ok(signals) => signals,
        Err(error) => return console.ended(Err(Failure::silent(Code::of(&error)))),
    };
    let run = || {
        let done = perform(&request, console, &signals);
        console.ended(done.map_err(|failure| explained(failure, &signals)))
    };
    let ended = guarded(&signals, run, |_| ());
    ended.unwrap_or_else(|error| console.ended(Err(unguarded(&error))))
}

/// The command line, as the first step that is told.
fn processing(arguments: &[OsString]) -> String {
    let words: Vec<String> = arguments.iter().map(|word| word.display().to_string()).collect();
    format!("cryptsetup {} processing \"{}\"", words::FOLLOWED, words.join(" "))
}

fn perform(request: &Request, console: Console, signals: &Signals) -> Result<(), Failure> {
    match request.action {
        Action::Format => format::run(request, console, signals),
        Action::Verify => verify::run(request, console, signals),
        Action::Dump => dump::run(request, console),
        Action::Open => open::run(request, console, signals),
        Action::Close => close::run(request, console, signals),
        Action::Status => status::run(request, console, signals),
    }
}

/// A failure after a signal had asked to stop: the signal is its reason.
fn explained(failure: Failure, signals: &Signals) -> Failure {
    match signals.check().map_err(|error| error.class()) {
        Err(Class::Interrupted(signal)) => {
            Failure::silent(Code::Signal(u8::try_from(signal).unwrap_or_default()))
        }
        _ => failure,
    }
}

fn unguarded(error: &CommandError) -> Failure {
    Failure::parameters(error.words())
}
