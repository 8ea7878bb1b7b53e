//! Man pages and shell completions, made from the definitions that the command parses by.
//!
//! Behind the feature `pages`. `cli/install.sh` asks the command that it installs for them, and so
//! may anybody who has got nothing but the command.

use std::fs;
use std::io;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::cli::Cli;
use crate::exit;

/// Writes them below a folder: `man1/*.1`, and one file for each shell, named as that looks for it.
pub(crate) fn write(folder: &Path) -> io::Result<()> {
    let mut command = Cli::command();
    command.build();
    let man = folder.join("man1");
    fs::create_dir_all(&man)?;
    write_man(&command, &man, None)?;
    let shells = [
        (Shell::Bash, "bash", "verity"),
        (Shell::Zsh, "zsh", "_verity"),
        (Shell::Fish, "fish", "verity.fish"),
    ];
    for (shell, name, file) in shells {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "verity", &mut text);
        fs::create_dir_all(folder.join(name))?;
        fs::write(folder.join(name).join(file), text)?;
    }
    Ok(())
}

/// The page of a command, and those of its commands: `verity.1`, `verity-build.1`.
fn write_man(command: &Command, folder: &Path, above: Option<&str>) -> io::Result<()> {
    let name = match above {
        Some(above) => format!("{above}-{}", command.get_name()),
        None => command.get_name().to_owned(),
    };
    fs::write(folder.join(format!("{name}.1")), man_page(command, &name, above)?)?;
    let shown = |below: &&Command| !below.is_hide_set() && below.get_name() != "help";
    command
        .get_subcommands()
        .filter(shown)
        .try_for_each(|below| write_man(below, folder, Some(&name)))
}

/// One page. Synopsis and exit codes are not `clap_mangen`'s, which lists every option there once
/// more, and runs tables together.
fn man_page(command: &Command, name: &str, above: Option<&str>) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    // Without a date: the same source makes the same page.
    let man = Man::new(command.clone())
        .title(name)
        .source(concat!("verity ", env!("CARGO_PKG_VERSION")))
        .manual("verity");
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    synopsis(command).to_writer(&mut page)?;
    man.render_description_section(&mut page)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(&mut page)?;
    }
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    notes(command).to_writer(&mut page)?;
    exit_status().to_writer(&mut page)?;
    if let Some(above) = above {
        let mut roff = Roff::new();
        roff.control("SH", ["SEE ALSO"]);
        roff.text([bold(above), roman("(1)")]);
        roff.to_writer(&mut page)?;
    }
    Ok(page)
}

fn synopsis(command: &Command) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    let usage = command.clone().render_usage().to_string();
    for line in usage.trim_start_matches("Usage:").lines() {
        roff.text([bold(line.trim())]);
        roff.control("br", []);
    }
    roff
}

/// What the help screen says behind the options, less what is said of exit codes.
fn notes(command: &Command) -> Roff {
    let mut roff = Roff::new();
    let text = command.get_after_long_help().or(command.get_after_help());
    let text = text.map(ToString::to_string).unwrap_or_default();
    let codes = exit::TABLE.lines().next().unwrap_or_default();
    let paragraphs = text.split("\n\n").filter(|text| !text.starts_with(codes));
    for (number, paragraph) in paragraphs.filter(|text| !text.is_empty()).enumerate() {
        match number {
            0 => roff.control("SH", ["NOTES"]),
            _ => roff.control("PP", []),
        };
        roff.text([roman(paragraph)]);
    }
    roff
}

fn exit_status() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    for line in exit::TABLE.lines().skip(1) {
        let (code, meaning) = line.trim().split_once(' ').unwrap_or((line, ""));
        roff.control("TP", ["8"]);
        roff.text([bold(code)]);
        roff.text([roman(meaning.trim())]);
    }
    roff
}

#[cfg(test)]
mod tests {
    use std::process::Command as Program;

    use verity_testdata::files;
    use verity_testdata::oracle::{require, run, run_ok};

    use super::*;

    #[test]
    fn every_command_has_a_page_that_man_reads_without_a_warning() {
        let directory = files::tempdir();
        write(directory.path()).unwrap();
        let Some(man) = require("man") else { return };
        let mut names = Vec::new();
        for entry in fs::read_dir(directory.path().join("man1")).unwrap() {
            let path = entry.unwrap().path();
            let mut command = Program::new(&man);
            command.env("LC_ALL", "C.UTF-8").env("MANWIDTH", "80").args(["--warnings", "-l"]);
            let output = run(command.arg(&path));
            let warnings = String::from_utf8_lossy(&output.stderr);
            assert!(
                output.status.success() && warnings.is_empty(),
                "{}: {warnings}",
                path.display()
            );
            let text = String::from_utf8(output.stdout).unwrap();
            for wanted in ["SYNOPSIS", "DESCRIPTION", "--json", "EXIT STATUS", "input/output"] {
                assert!(text.contains(wanted), "{}: no {wanted}: {text}", path.display());
            }
            // One usage, not a list of all options; and codes once, in the table.
            let usage = text.split("DESCRIPTION").next().unwrap();
            assert!(usage.lines().count() < 16, "{text}");
            assert!(!text.contains("Exit codes:"), "{text}");
            names.push(path.file_stem().unwrap().to_str().unwrap().to_owned());
        }
        for verb in Cli::command().get_subcommands().filter(|verb| !verb.is_hide_set()) {
            let name = format!("verity-{}", verb.get_name());
            assert!(verb.get_name() == "help" || names.contains(&name), "{name}");
        }
        assert!(names.contains(&"verity".to_owned()));
    }

    #[test]
    fn shells_read_their_completions() {
        let directory = files::tempdir();
        write(directory.path()).unwrap();
        let at = |path: &str| directory.path().join(path);
        run_ok(Program::new("bash").arg("-n").arg(at("bash/verity")));
        let script = ". \"$0\"; COMP_WORDS=(verity ver); COMP_CWORD=1; _verity verity ver; \
                      echo ${COMPREPLY[*]}";
        let mut command = Program::new("bash");
        command.arg("-c").arg(script).arg(at("bash/verity"));
        assert_eq!(run_ok(&mut command).trim(), "verify");
        for (shell, file) in [("zsh", "zsh/_verity"), ("fish", "fish/verity.fish")] {
            if let Some(shell) = require(shell) {
                run_ok(Program::new(shell).arg("-n").arg(at(file)));
            }
        }
    }
}
