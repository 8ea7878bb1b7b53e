//! What veritysetup has and this command has not, or has under another name: what to use instead.
//!
//! Without this, the parser would guess at a name that is spelled alike and does something else.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::cli::Cli;

/// Puts what to use instead in the place of a guess, if it is known.
pub(super) fn explain(error: &mut clap::Error, command: Option<&str>) {
    let Some(tip) = tip(error, command) else { return };
    error.remove(ContextKind::SuggestedArg);
    error.remove(ContextKind::SuggestedSubcommand);
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
}

fn tip(error: &clap::Error, command: Option<&str>) -> Option<String> {
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            of_action(text(error, ContextKind::InvalidSubcommand)?).map(str::to_owned)
        }
        ErrorKind::UnknownArgument => {
            let option = text(error, ContextKind::InvalidArg)?;
            of_option(option).map(str::to_owned).or_else(|| of_other_commands(option, command))
        }
        _ => None,
    }
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<&str> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text),
        _ => None,
    }
}

/// Whether it is an action of veritysetup that is no command here.
pub(super) fn is_action(name: &str) -> bool {
    of_action(name).is_some()
}

fn of_action(name: &str) -> Option<&'static str> {
    Some(match name {
        "create" => "`verity open DATA NAME HASH ROOT`, with the name behind the data",
        "remove" => "`verity close NAME`",
        _ => return None,
    })
}

fn of_option(option: &str) -> Option<&'static str> {
    OPTIONS.iter().find(|(name, _)| *name == option).map(|(_, tip)| *tip)
}

/// Which commands take an option that this one does not.
fn of_other_commands(option: &str, command: Option<&str>) -> Option<String> {
    let long = option.strip_prefix("--")?;
    let cli = <Cli as clap::CommandFactory>::command();
    let takes = |of: &&clap::Command| of.get_arguments().any(|arg| arg.get_long() == Some(long));
    let names: Vec<_> = cli.get_subcommands().filter(takes).map(clap::Command::get_name).collect();
    let command = command.filter(|name| cli.find_subcommand(name).is_some())?;
    match names[..] {
        [] => None,
        [one] => Some(format!("{one} takes {option}, {command} does not")),
        _ => Some(format!("{option} is for {}, not for {command}", names.join(", "))),
    }
}

/// What is said of an option, to a command that does not have it.
const OPTIONS: [(&str, &str); 17] = [
    ("--ignore-corruption", "for the kernel open and table take `--option ignore_corruption`"),
    (
        "--restart-on-corruption",
        "for the kernel open and table take `--option restart_on_corruption`",
    ),
    ("--panic-on-corruption", "for the kernel open and table take `--option panic_on_corruption`"),
    (
        "--error-as-corruption",
        "for the kernel open and table take `--option restart_on_error`, or panic_on_error",
    ),
    ("--check-at-most-once", "for the kernel open and table take `--option check_at_most_once`"),
    (
        "--ignore-zero-blocks",
        "for the kernel open and table take `--option ignore_zero_blocks`; of the commands here \
         verify, read and serve take it",
    ),
    ("--use-tasklets", "for the kernel open and table take `--option try_verify_in_tasklet`"),
    (
        "--root-hash-signature",
        "verify takes it, and checks the signature; open takes it, and has the kernel check it \
         too; `verity lint-signature` tells whether the kernel would take the signature",
    ),
    ("--batch-mode", "nothing is asked here, so nothing needs to be answered beforehand"),
    ("--debug", "--verbose says more"),
    ("--debug-json", "--verbose says more"),
    ("--usage", "--help tells every option"),
    (
        "--root-hash",
        "the root hash is the argument ROOT, or --root-hash-file FILE; slots and rehash take it",
    ),
    ("--hash-algorithm", "--hash ALG"),
    ("--algorithm", "--hash ALG"),
    ("--hash-type", "--format 0 or 1"),
    ("--block-size", "--data-block-size and --hash-block-size"),
];

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// A tip for an option that some command has would hide it, unless it names that command.
    #[test]
    fn tips_are_for_what_is_not_there() {
        let cli = Cli::command();
        for action in ["create", "remove"] {
            assert!(is_action(action) && cli.find_subcommand(action).is_none(), "{action}");
        }
        assert!(!is_action("format"));
        for (option, tip) in OPTIONS {
            let long = option.trim_start_matches("--");
            assert!(!cli.get_arguments().any(|arg| arg.get_long() == Some(long)), "{option}");
            for command in cli.get_subcommands() {
                let mut told = command.get_arguments().filter(|arg| !arg.is_hide_set());
                let mut words = tip.split(|c: char| !c.is_ascii_lowercase() && c != '-');
                assert!(
                    told.all(|arg| arg.get_long() != Some(long))
                        || words.any(|word| word == command.get_name()),
                    "{option} of {}",
                    command.get_name()
                );
            }
        }
    }
}
