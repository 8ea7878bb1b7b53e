//! Which arguments may be `-`, for standard input or standard output. For all other file names `-`
//! is refused here, before any file is touched, and `./-` is a file.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, PathBufValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Command};

use crate::streams::{STANDARD, is_standard};

/// Where the bytes of an argument come from, or go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Input,
    Output,
}

/// Inputs that are read once, from the start to the end, wherever these arguments are known.
const INPUTS: [&str; 10] = [
    "ca",
    "certificate",
    "chain",
    "manifest",
    "passphrase_file",
    "pin_file",
    "raw_signature",
    "root_hash_file",
    "root_hash_signature",
    "signature",
];

/// Other arguments of single commands.
const OTHERS: [(&str, &str, Direction); 12] = [
    ("attach-signature", "output", Direction::Output),
    ("attach-signature", "signature_partition", Direction::Output),
    ("build", "image", Direction::Input),
    ("dump", "hash", Direction::Input),
    ("format", "data", Direction::Input),
    ("format", "root_hash_file", Direction::Output),
    ("prepare-signature", "content_output", Direction::Output),
    ("prepare-signature", "output", Direction::Output),
    ("read", "output", Direction::Output),
    ("rehash", "root_hash_file", Direction::Output),
    ("sign", "output", Direction::Output),
    ("sign", "signature_partition", Direction::Output),
];

fn direction(command: &str, argument: &str) -> Option<Direction> {
    let other = OTHERS.iter().find(|(verb, name, _)| (*verb, *name) == (command, argument));
    match other {
        Some((_, _, direction)) => Some(*direction),
        None => INPUTS.contains(&argument).then_some(Direction::Input),
    }
}

/// A command line that refuses `-` for files that cannot be streams.
pub(super) fn refusing_streams(cli: Command) -> Command {
    cli.mut_args(refusing).mut_subcommands(|command| {
        let name = command.get_name().to_owned();
        refusing_streams_of(&name, command)
            .mut_subcommands(|command| refusing_streams_of(&name, command))
    })
}

fn refusing_streams_of(name: &str, command: Command) -> Command {
    command.mut_args(|arg| match direction(name, arg.get_id().as_str()) {
        None => refusing(arg),
        Some(_) => arg,
    })
}

fn refusing(arg: Arg) -> Arg {
    let of_type = arg.get_value_parser().type_id();
    if of_type == std::any::TypeId::of::<PathBuf>() {
        let refuse = |path: PathBuf| match is_standard(&path) {
            true => Err(REFUSAL),
            false => Ok(path),
        };
        return arg.value_parser(PathBufValueParser::new().try_map(refuse));
    }
    if arg.get_id() == "key" {
        let refuse = |key: OsString| if key == STANDARD { Err(KEY_REFUSAL) } else { Ok(key) };
        return arg.value_parser(OsStringValueParser::new().try_map(refuse));
    }
    arg
}

const REFUSAL: &str = "this cannot be standard input or output: name a file; one that is called - \
                       is ./-";

const KEY_REFUSAL: &str = "a key is not read from standard input: who may read and replace it is \
                           checked, so name a file; one that is called - is ./-";

/// Refuses two arguments that both are standard input, or both standard output.
pub(super) fn check_single_use(matches: &ArgMatches) -> Result<(), clap::Error> {
    let Some((name, matches)) = matches.subcommand() else { return Ok(()) };
    let matches = matches.subcommand().map_or(matches, |(_, matches)| matches);
    for (wanted, stream) in
        [(Direction::Input, "standard input"), (Direction::Output, "standard output")]
    {
        let is_wanted = |id: &&str| direction(name, id) == Some(wanted);
        let ids = matches.ids().map(clap::Id::as_str).filter(is_wanted);
        let used = ids.flat_map(|id| {
            let values = matches.get_raw(id).into_iter().flatten();
            values.filter(|value| *value == OsStr::new(STANDARD)).map(move |_| option(id))
        });
        let mut used: Vec<_> = used.collect();
        let descriptor = matches.try_get_one::<u32>("passphrase_fd").ok().flatten();
        if wanted == Direction::Input && descriptor == Some(&0) {
            used.push("--passphrase-fd 0".to_owned());
        }
        if used.len() > 1 {
            let words = format!("only one argument can be {stream}: {}\n", used.join(", "));
            return Err(clap::Error::raw(ErrorKind::ArgumentConflict, words));
        }
    }
    Ok(())
}

/// The options of a command that may be standard output, as they are spelled.
pub(super) fn outputs_of(command: &str) -> impl Iterator<Item = String> {
    let of = OTHERS
        .iter()
        .filter(move |(verb, _, direction)| *verb == command && *direction == Direction::Output);
    of.map(|(_, name, _)| option(name))
}

fn option(id: &str) -> String {
    format!("--{}", id.replace('_', "-"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::front::verity::cli::Cli;

    /// A new argument that names a file is refused `-` unless it is in the tables.
    #[test]
    fn a_file_is_no_stream_unless_the_tables_say_so() {
        let cli = refusing_streams(Cli::command());
        let (mut streams, mut files) = (0, 0);
        for command in cli.get_subcommands() {
            for arg in command.get_arguments() {
                let is_path = arg.get_value_parser().type_id() == std::any::TypeId::of::<PathBuf>();
                let id = arg.get_id().as_str();
                let value = Arg::new("value").value_parser(arg.get_value_parser().clone());
                let alone = Command::new("alone").no_binary_name(true).arg(value);
                let parsed = alone.try_get_matches_from([STANDARD]);
                match direction(command.get_name(), id) {
                    Some(_) => {
                        assert!(is_path && parsed.is_ok(), "{} {id}", command.get_name());
                        streams += 1;
                    }
                    None if is_path => {
                        assert!(parsed.is_err(), "{} {id}", command.get_name());
                        files += 1;
                    }
                    None => {}
                }
            }
        }
        assert!(streams > 20 && files > 20, "{streams} {files}");
    }

    #[test]
    fn every_line_of_the_tables_is_an_argument() {
        let cli = Cli::command();
        for (verb, name, _) in OTHERS {
            let command = cli.find_subcommand(verb).expect("a command");
            assert!(command.get_arguments().any(|arg| arg.get_id() == name), "{verb} {name}");
        }
    }
}
