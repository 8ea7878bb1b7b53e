//! The words of a command line as they are typed: around what clap makes of them.

use std::ffi::{OsStr, OsString};

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::cli::Cli;
use super::veritysetup;
use crate::error::CommandError;

/// Whether standard output is for data, so that results and failures have to go elsewhere.
pub(super) fn prints_data(arguments: &[OsString]) -> bool {
    let mut words = arguments.iter().map(|argument| argument.to_string_lossy());
    let reads = words.nth(1).is_some_and(|command| command == "read");
    let mut output = None;
    while let Some(word) = words.next() {
        if word == "--output" {
            output = words.next();
        } else if let Some(file) = word.strip_prefix("--output=") {
            output = Some(file.to_owned().into());
        }
    }
    reads && output.is_none_or(|file| file == "-")
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
    let Some(option) = option.to_str() else { return false };
    let of_commands = cli.get_subcommands().flat_map(clap::Command::get_arguments);
    let mut known = cli.get_arguments().chain(of_commands);
    known.any(|arg| {
        let named = match option.strip_prefix("--") {
            Some(long) => arg.get_long() == Some(long),
            None => arg.get_short().is_some_and(|short| option == format!("-{short}")),
        };
        named && arg.get_action().takes_values()
    })
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
}
