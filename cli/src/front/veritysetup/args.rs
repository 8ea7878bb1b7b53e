//! Options and actions of veritysetup, and what is refused before any file is opened.
//!
//! The order of the checks is the original's, so that a command line with several faults gets the
//! same message: options from left to right, of which `--help`, `--usage` and `--version` act where
//! they stand; then the action, the number of its arguments, options that it does not take, and
//! options that contradict each other.

use std::ffi::OsString;
use std::path::PathBuf;

use super::popt::{self, BadOption, Fault, Reader, Spec, Word};

/// What a command line asks for.
#[derive(Debug)]
pub(super) enum Invocation {
    Help,
    Usage,
    Version,
    Act(Box<Request>),
}

/// An action with its arguments and options.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) action: Action,
    /// At least as many as the action requires.
    pub(super) arguments: Vec<OsString>,
    pub(super) options: Options,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Format,
    Verify,
    Open,
    Close,
    Status,
    Dump,
}

/// The options, as they were given or by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) cancel_deferred: bool,
    pub(super) check_at_most_once: bool,
    pub(super) data_block_size: Option<u32>,
    /// 0 stands for the whole device.
    pub(super) data_blocks: u64,
    pub(super) debug: bool,
    pub(super) deferred: bool,
    pub(super) error_as_corruption: bool,
    pub(super) fec_device: Option<PathBuf>,
    /// In bytes.
    pub(super) fec_offset: u64,
    pub(super) fec_roots: Option<u32>,
    pub(super) format: Option<u32>,
    pub(super) hash: Option<OsString>,
    pub(super) hash_block_size: Option<u32>,
    /// In bytes.
    pub(super) hash_offset: u64,
    pub(super) ignore_corruption: bool,
    pub(super) ignore_zero_blocks: bool,
    pub(super) no_superblock: bool,
    pub(super) panic_on_corruption: bool,
    pub(super) restart_on_corruption: bool,
    pub(super) root_hash_file: Option<PathBuf>,
    pub(super) root_hash_signature: Option<PathBuf>,
    pub(super) salt: Option<OsString>,
    pub(super) shared: bool,
    pub(super) use_tasklets: bool,
    pub(super) uuid: Option<OsString>,
    pub(super) verbose: bool,
}

/// A command line that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UsageError {
    /// What the message is about; the program itself, if nothing.
    pub(super) option: Option<OsString>,
    pub(super) message: String,
}

/// An option, in the order in which the original looks for one that an action does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Id {
    CancelDeferred,
    CheckAtMostOnce,
    DataBlockSize,
    DataBlocks,
    Debug,
    Deferred,
    ErrorAsCorruption,
    FecDevice,
    FecOffset,
    FecRoots,
    Format,
    Hash,
    HashBlockSize,
    HashOffset,
    IgnoreCorruption,
    IgnoreZeroBlocks,
    NoSuperblock,
    PanicOnCorruption,
    RestartOnCorruption,
    RootHashFile,
    RootHashSignature,
    Salt,
    Shared,
    UseTasklets,
    Uuid,
    Verbose,
    BatchMode,
    Help,
    Usage,
    Version,
}

const fn flag(id: Id, long: &'static str) -> Spec<Id> {
    Spec { id, long, letter: None, takes_value: false }
}

const fn value(id: Id, long: &'static str) -> Spec<Id> {
    Spec { id, long, letter: None, takes_value: true }
}

const fn lettered(letter: u8, spec: Spec<Id>) -> Spec<Id> {
    Spec { letter: Some(letter), ..spec }
}

const TABLE: [Spec<Id>; 30] = [
    flag(Id::CancelDeferred, "cancel-deferred"),
    flag(Id::CheckAtMostOnce, "check-at-most-once"),
    value(Id::DataBlockSize, "data-block-size"),
    value(Id::DataBlocks, "data-blocks"),
    flag(Id::Debug, "debug"),
    flag(Id::Deferred, "deferred"),
    flag(Id::ErrorAsCorruption, "error-as-corruption"),
    value(Id::FecDevice, "fec-device"),
    value(Id::FecOffset, "fec-offset"),
    value(Id::FecRoots, "fec-roots"),
    value(Id::Format, "format"),
    lettered(b'h', value(Id::Hash, "hash")),
    value(Id::HashBlockSize, "hash-block-size"),
    value(Id::HashOffset, "hash-offset"),
    flag(Id::IgnoreCorruption, "ignore-corruption"),
    flag(Id::IgnoreZeroBlocks, "ignore-zero-blocks"),
    flag(Id::NoSuperblock, "no-superblock"),
    flag(Id::PanicOnCorruption, "panic-on-corruption"),
    flag(Id::RestartOnCorruption, "restart-on-corruption"),
    value(Id::RootHashFile, "root-hash-file"),
    value(Id::RootHashSignature, "root-hash-signature"),
    lettered(b's', value(Id::Salt, "salt")),
    flag(Id::Shared, "shared"),
    flag(Id::UseTasklets, "use-tasklets"),
    value(Id::Uuid, "uuid"),
    lettered(b'v', flag(Id::Verbose, "verbose")),
    // In the original's manual page, and unknown to the original.
    lettered(b'q', flag(Id::BatchMode, "batch-mode")),
    lettered(b'?', flag(Id::Help, "help")),
    flag(Id::Usage, "usage"),
    lettered(b'V', flag(Id::Version, "version")),
];

/// Reads a command line, without the name of the program.
pub(super) fn parse(words: &[OsString]) -> Result<Invocation, UsageError> {
    let mut reader = Reader::new(&TABLE, words);
    let mut options = Options::default();
    let (mut given, mut arguments) = (Vec::new(), Vec::new());
    while let Some(word) = reader.read()? {
        match word {
            Word::Argument(argument) => arguments.push(argument),
            Word::Option(Id::Help, _) => return Ok(Invocation::Help),
            Word::Option(Id::Usage, _) => return Ok(Invocation::Usage),
            Word::Option(Id::Version, _) => return Ok(Invocation::Version),
            Word::Option(id, value) => {
                options.set(id, value.unwrap_or_default())?;
                given.push(id);
            }
        }
    }
    let action = action(&mut arguments)?;
    check_allowed(action, &given)?;
    options.check_consistent()?;
    Ok(Invocation::Act(Box::new(Request { action, arguments, options })))
}

/// Takes the action off the arguments and brings those of its older names into today's order.
fn action(arguments: &mut Vec<OsString>) -> Result<Action, UsageError> {
    if arguments.is_empty() {
        return Err(UsageError::new("Argument <action> missing."));
    }
    let name = arguments.remove(0);
    let name = match name.to_str() {
        Some("create") if arguments.len() > 1 => {
            arguments.swap(0, 1);
            "open"
        }
        Some("remove") => "close",
        Some(name) => name,
        None => "",
    };
    let action = Action::ALL.into_iter().find(|action| action.name() == name);
    let action = action.ok_or_else(|| UsageError::new("Unknown action."))?;
    if arguments.len() < action.required() {
        let (name, synopsis) = (action.name(), action.synopsis());
        return Err(UsageError::new(format!("{name}: requires {synopsis} as arguments")));
    }
    Ok(action)
}

fn check_allowed(action: Action, given: &[Id]) -> Result<(), UsageError> {
    let is_refused = |spec: &&Spec<Id>| given.contains(&spec.id) && !action.takes(spec.id);
    match TABLE.iter().find(is_refused) {
        None => Ok(()),
        Some(Spec { long, .. }) => Err(UsageError::new(format!(
            "Option --{long} is not allowed with {} action.",
            action.name()
        ))),
    }
}

impl Action {
    const ALL: [Action; 6] =
        [Action::Format, Action::Verify, Action::Open, Action::Close, Action::Status, Action::Dump];

    /// As it is typed.
    pub(super) fn name(self) -> &'static str {
        match self {
            Action::Format => "format",
            Action::Verify => "verify",
            Action::Open => "open",
            Action::Close => "close",
            Action::Status => "status",
            Action::Dump => "dump",
        }
    }

    fn synopsis(self) -> &'static str {
        match self {
            Action::Format => "<data_device> <hash_device>",
            Action::Verify => "<data_device> <hash_device> [<root_hash>]",
            Action::Open => "<data_device> <name> <hash_device> [<root_hash>]",
            Action::Close | Action::Status => "<name>",
            Action::Dump => "<hash_device>",
        }
    }

    /// How many arguments there must be; more are ignored.
    fn required(self) -> usize {
        match self {
            Action::Open => 3,
            Action::Format | Action::Verify => 2,
            Action::Close | Action::Status | Action::Dump => 1,
        }
    }

    /// Whether the option may stand with it, be it without effect.
    fn takes(self, id: Id) -> bool {
        match id {
            Id::CancelDeferred | Id::Deferred => self == Action::Close,
            Id::RootHashFile => matches!(self, Action::Format | Action::Open | Action::Verify),
            Id::ErrorAsCorruption
            | Id::IgnoreCorruption
            | Id::IgnoreZeroBlocks
            | Id::PanicOnCorruption
            | Id::RestartOnCorruption
            | Id::RootHashSignature
            | Id::Shared
            | Id::UseTasklets => self == Action::Open,
            _ => true,
        }
    }
}

impl Options {
    /// Takes one option; the last one of a name counts.
    fn set(&mut self, id: Id, value: OsString) -> Result<(), UsageError> {
        match id {
            Id::CancelDeferred => self.cancel_deferred = true,
            Id::CheckAtMostOnce => self.check_at_most_once = true,
            Id::DataBlockSize => self.data_block_size = Some(number_32(&value)?),
            Id::DataBlocks => self.data_blocks = number_64(&value)?,
            Id::Debug => self.debug = true,
            Id::Deferred => self.deferred = true,
            Id::ErrorAsCorruption => self.error_as_corruption = true,
            Id::FecDevice => self.fec_device = Some(value.into()),
            Id::FecOffset => self.fec_offset = number_64(&value)?,
            Id::FecRoots => self.fec_roots = Some(number_32(&value)?),
            Id::Format => self.format = Some(number_32(&value)?),
            Id::Hash => self.hash = Some(value),
            Id::HashBlockSize => self.hash_block_size = Some(number_32(&value)?),
            Id::HashOffset => self.hash_offset = number_64(&value)?,
            Id::IgnoreCorruption => self.ignore_corruption = true,
            Id::IgnoreZeroBlocks => self.ignore_zero_blocks = true,
            Id::NoSuperblock => self.no_superblock = true,
            Id::PanicOnCorruption => self.panic_on_corruption = true,
            Id::RestartOnCorruption => self.restart_on_corruption = true,
            Id::RootHashFile => self.root_hash_file = Some(value.into()),
            Id::RootHashSignature => self.root_hash_signature = Some(value.into()),
            Id::Salt => self.salt = Some(value),
            Id::Shared => self.shared = true,
            Id::UseTasklets => self.use_tasklets = true,
            Id::Uuid => self.uuid = Some(value),
            Id::Verbose => self.verbose = true,
            // Nothing is asked anyway; the other three never come here.
            Id::BatchMode | Id::Help | Id::Usage | Id::Version => {}
        }
        Ok(())
    }

    fn check_consistent(&self) -> Result<(), UsageError> {
        let faults = [
            (
                self.ignore_corruption && self.restart_on_corruption,
                "Option --ignore-corruption and --restart-on-corruption cannot be used together.",
            ),
            (
                self.panic_on_corruption && self.restart_on_corruption,
                "Option --panic-on-corruption and --restart-on-corruption cannot be used together.",
            ),
            (
                self.error_as_corruption
                    && !self.panic_on_corruption
                    && !self.restart_on_corruption,
                "Option --error-as-corruption must be used with --panic-on-corruption or \
                 --restart-on-corruption.",
            ),
            (
                self.cancel_deferred && self.deferred,
                "Options --cancel-deferred and --deferred cannot be used at the same time.",
            ),
        ];
        match faults.into_iter().find(|(is_there, _)| *is_there) {
            Some((_, words)) => Err(UsageError::new(words)),
            None => Ok(()),
        }
    }
}

impl UsageError {
    fn new(message: impl Into<String>) -> UsageError {
        UsageError { option: None, message: message.into() }
    }
}

impl From<BadOption> for UsageError {
    fn from(BadOption { word, fault }: BadOption) -> UsageError {
        let message = match fault {
            Fault::Unknown => "unknown option",
            Fault::MissingValue => "missing argument",
            Fault::UnwantedValue => "option does not take an argument",
        };
        UsageError { option: Some(word), message: message.to_owned() }
    }
}

fn number_64(text: &OsString) -> Result<u64, UsageError> {
    popt::number(text).ok_or_else(|| UsageError::new("invalid numeric value"))
}

fn number_32(text: &OsString) -> Result<u32, UsageError> {
    let number = popt::number(text).and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| UsageError::new("invalid numeric value"))
}

#[cfg(test)]
mod tests;
