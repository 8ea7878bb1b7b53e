//! That no command and no file of a command is forgotten, and that each command line works.

use std::collections::BTreeSet;
use std::process::Command;

use verity_testdata::oracle;
use verity_testdata::pattern::Prng;

use super::case::Case;
use super::{manifests, parities, signatures, superblocks};

/// Commands that read nothing.
const WITHOUT: [&str; 2] = ["help", "version"];

/// Options that name what is read, and are met elsewhere: by the token of the tests, which only one
/// process at a time should use (tests/tokens.rs), and where a server is asked for TLS
/// (tests/https.rs).
const ELSEWHERE: [&str; 2] = ["--cacert", "--pin-file"];

/// What options are called that name a file to read.
const FILES: [&str; 5] = ["<FILE>", "<CERT>", "<KEY>", "<HASH>", "<SIZE|FILE>"];

fn families() -> [Vec<Case>; 4] {
    let mut random = Prng::new(1);
    let (honest, hostile) = parities::cases(&mut random);
    [
        superblocks::cases(false),
        [honest, hostile].concat(),
        manifests::cases(&mut random),
        signatures::cases(&mut random),
    ]
}

/// What is printed of a command, or of all.
fn help(command: &[&str]) -> String {
    oracle::run_ok(Command::new(env!("CARGO_BIN_EXE_verity")).args(command).arg("--help"))
}

fn commands() -> Vec<String> {
    let help = help(&[]);
    let commands = help.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let commands = commands.filter(|word| word.starts_with(|letter: char| letter.is_lowercase()));
    let commands: Vec<_> = commands.map(str::to_owned).collect();
    assert!(commands.len() >= 14, "{help}");
    commands
}

#[test]
fn every_command_meets_hostile_inputs_in_every_file_that_it_reads() {
    if oracle::require("openssl").is_none() {
        return;
    }
    let families = families();
    let lines = families.iter().flatten().flat_map(|case| &case.lines);
    let lines: Vec<&str> = lines.map(|line| line.words.as_str()).collect();
    let mut forgotten = Vec::new();
    for command in commands().iter().filter(|command| !WITHOUT.contains(&command.as_str())) {
        let start = format!("{command} ");
        let lines = lines.iter().filter(|line| line.starts_with(&start));
        let met: BTreeSet<&str> = lines.flat_map(|line| line.split(' ')).collect();
        if met.is_empty() {
            forgotten.push(command.clone());
        }
        let help = help(&[command]);
        let options = help.lines().filter_map(|line| line.trim_start().split_once(' '));
        let options = options.filter(|(option, rest)| {
            option.starts_with("--") && FILES.iter().any(|name| rest.starts_with(name))
        });
        let options = options.map(|(option, _)| option).filter(|option| !met.contains(option));
        let options = options.filter(|option| !ELSEWHERE.contains(option));
        forgotten.extend(options.map(|option| format!("{command} {option}")));
    }
    assert_eq!(forgotten, [""; 0]);
}

/// What a command line does to honest inputs is what runs of `is_honest` cases show.
#[test]
fn every_command_line_is_tried_with_honest_inputs() {
    if oracle::require("openssl").is_none() {
        return;
    }
    for family in families() {
        let lines = |is_honest: bool| {
            let cases = family.iter().filter(move |case| case.is_honest == is_honest);
            let lines = cases.flat_map(|case| &case.lines);
            lines.map(|line| line.words.as_str()).collect::<BTreeSet<_>>()
        };
        let (honest, hostile) = (lines(true), lines(false));
        assert_eq!(hostile.difference(&honest).collect::<Vec<_>>(), [&""; 0]);
    }
}
