//! The words of a command line as they are typed: around what clap makes of them.

use std::ffi::{OsStr, OsString};

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::cli::Cli;
use super::streams::outputs_of;
use super::veritysetup;
use crate::error::CommandError;
use crate::streams::STANDARD;

/// Whether standard output is for data, so that results and failures have to go elsewhere.
pub(super) fn prints_data(arguments: &[OsString]) -> bool {
    let words: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
    let Some(command) = words.get(1) else { return false };
    let mut is_named = false;
    for option in outputs_of(command) {
        for (index, word) in words.iter().enumerate() {
            let next = || words.get(index + 1).map(|file| &**file);
            let file = match word.strip_prefix(&*option) {
                Some("") => next(),
                Some(rest) => rest.strip_prefix('='),
                None => None,
            };
            is_named |= option == "--output" && file.is_some();
            if file == Some(STANDARD) {
                return true;
            }
        }
    }
    command == "read" && !is_named
}

/// Puts options for the words by which people ask for help: `help`, `help COMMAND`, `version`, and
/// `-h` where it cannot name a hash algorithm, as nothing follows.
pub(super) fn with_help_words(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let cli = Cli::command();
    let is_command = |name: &str| cli.get_subcommands().any(|it| it.get_name() == name);
    let places = places_of_words(&arguments);
    let words: Vec<_> = places.iter().map(|&place| arguments[place].to_str()).collect();
    match words[..] {
        [Some("version")] => arguments[places[0]] = "--version".into(),
        // The help of all commands tells of these two.
        [Some("help"), Some("help" | "version")] => {
            arguments[places[0]] = "--help".into();
            arguments.remove(places[1]);
        }
        [Some("help"), Some("exit-codes")] => {}
        [Some("help"), ..] => {
            arguments.remove(places[0]);
            arguments.push("--help".into());
        }
        [Some("-h"), Some(name)] if is_command(name) => {
            arguments.remove(places[0]);
            arguments.push("--help".into());
        }
        _ => {
            let last = arguments.len().saturating_sub(1);
            let is_value = last > 1 && takes_next(&cli, &arguments[last - 1]);
            if last > 0 && arguments[last] == "-h" && !is_value {
                arguments[last] = "--help".into();
            }
        }
    }
    arguments
}

/// Whether somebody asks for the table of exit codes.
pub(super) fn asks_for_exit_codes(arguments: &[OsString]) -> bool {
    let words = places_of_words(arguments).into_iter().map(|place| &arguments[place]);
    words.eq(["help", "exit-codes"])
}

/// Where the words stand that are no flags of all commands, such as `--json`: those may stand
/// anywhere.
fn places_of_words(arguments: &[OsString]) -> Vec<usize> {
    let cli = Cli::command();
    let is_flag = |word: &OsString| {
        cli.get_arguments().any(|arg| !arg.get_action().takes_values() && is_spelling(arg, word))
    };
    (1..arguments.len()).filter(|&place| !is_flag(&arguments[place])).collect()
}

/// Whether a word is this option.
fn is_spelling(arg: &clap::Arg, word: &OsStr) -> bool {
    let Some(word) = word.to_str() else { return false };
    match word.strip_prefix("--") {
        Some(long) => arg.get_long() == Some(long),
        None => arg.get_short().is_some_and(|short| word == format!("-{short}")),
    }
}

/// What clap has to say, as any other failure.
pub(super) fn usage_error(mut error: clap::Error, command: Option<&str>) -> CommandError {
    veritysetup::explain(&mut error, command);
    let text = error.to_string();
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return CommandError::usage(format!("a command is needed\n\n{}", text.trim_end()));
    }
    if error.kind() == ErrorKind::ValueValidation && is_about(&error, "--passphrase-fd") {
        // What is no number may be the passphrase, which clap would repeat.
        return CommandError::usage("--passphrase-fd takes the number of an open file descriptor");
    }
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    CommandError::usage(text.trim_end())
}

fn is_about(error: &clap::Error, option: &str) -> bool {
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(name)) => name.split(' ').next() == Some(option),
        _ => false,
    }
}

/// Moves the name of the command in front of the options, as options may stand anywhere.
pub(super) fn command_first(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let cli = Cli::command();
    let mut index = 1;
    while let Some(argument) = arguments.get(index) {
        if !argument.as_encoded_bytes().starts_with(b"-") || argument == "--" {
            break;
        }
        index += if takes_next(&cli, argument) { 2 } else { 1 };
    }
    let is_command = |name: &OsString| {
        cli.get_subcommands().any(|command| command.get_name() == name)
            || name.to_str().is_some_and(veritysetup::is_action)
    };
    if index > 1 && arguments.get(index).is_some_and(is_command) {
        let command = arguments.remove(index);
        arguments.insert(1, command);
    }
    arguments
}

/// Whether the value of this option is the next argument. An option has one meaning in every
/// command.
fn takes_next(cli: &clap::Command, option: &OsStr) -> bool {
    let commands = cli.get_subcommands();
    let commands = commands.flat_map(|command| command.get_subcommands().chain([command]));
    let of_commands = commands.flat_map(clap::Command::get_arguments);
    let mut known = cli.get_arguments().chain(of_commands);
    known.any(|arg| is_spelling(arg, option) && arg.get_action().takes_values())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_may_stand_before_the_command() {
        let order = |line: &str| {
            let moved = command_first(line.split(' ').map(OsString::from).collect());
            moved.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(order("verity --json dump h"), "verity dump --json h");
        assert_eq!(order("verity -h sha1 format d h"), "verity format -h sha1 d h");
        assert_eq!(order("verity --salt=- -v format d h"), "verity format --salt=- -v d h");
        assert_eq!(order("verity --platform avx2 dump h"), "verity dump --platform avx2 h");
        assert_eq!(order("verity --uuid dump h"), "verity --uuid dump h");
        assert_eq!(order("verity format d dump"), "verity format d dump");
    }

    #[test]
    fn help_is_what_people_ask_for() {
        let meant = |line: &str| {
            let words = command_first(line.split(' ').map(OsString::from).collect());
            let words = with_help_words(words);
            words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
        };
        for (line, meaning) in [
            ("verity help", "verity --help"),
            ("verity -h", "verity --help"),
            ("verity help build", "verity build --help"),
            ("verity --json help build", "verity --json build --help"),
            ("verity help build --json -q", "verity build --json -q --help"),
            ("verity help -v build", "verity -v build --help"),
            ("verity help help", "verity --help"),
            ("verity help version", "verity --help"),
            ("verity help --json version -q", "verity --help --json -q"),
            ("verity build -h", "verity build --help"),
            ("verity -h build", "verity build --help"),
            ("verity verify a b -h", "verity verify a b --help"),
            ("verity version", "verity --version"),
            ("verity -v version", "verity -v --version"),
            ("verity version --json", "verity --version --json"),
            ("verity --json version -q", "verity --json --version -q"),
            ("verity version --all", "verity version --all"),
            ("verity version 1", "verity version 1"),
            ("verity help exit-codes", "verity help exit-codes"),
            ("verity -q help --json exit-codes", "verity -q help --json exit-codes"),
            ("verity format a b -h sha1", "verity format a b -h sha1"),
            ("verity sign a --signer-arg -h", "verity sign a --signer-arg -h"),
            ("verity dump help", "verity dump help"),
            ("verity", "verity"),
        ] {
            assert_eq!(meant(line), meaning, "{line}");
        }
    }
}
