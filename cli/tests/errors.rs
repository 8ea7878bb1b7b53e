//! Every text that a command can end with: the files in `screens/errors/` are shell commands, and
//! below each what it says on standard error and its exit code.
//!
//! A file is its own table of runs: to add one, write its line, `$ verity ...`, and bless. `in
//! PLACE` begins anew in a directory of [`PLACES`], and `% ...` prepares something there. A run
//! that fails changes nothing, so the next one finds everything as it was. That every error of the
//! sources stands here is the test `error_texts` of `testdata`.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::golden::Golden;
use crate::common::{Dir, Run};

/// The directories in which runs can take place.
const PLACES: [(&str, fn() -> Dir); 8] = [
    ("empty", Dir::new),
    ("data", super::data),
    ("image", super::image),
    ("legacy", super::legacy),
    ("corrupt", super::corrupt),
    ("beyond", super::beyond),
    ("keys", super::keys),
    ("signed", super::signed),
];

#[test]
fn every_error_text_is_the_one_on_file() {
    let mut golden = Golden::beside_tests("screens/errors");
    for name in golden.names() {
        let text = golden.text(&name);
        golden.compare(&name, &played(&text));
    }
    golden.finish();
}

/// The file with what its runs say now.
fn played(text: &str) -> String {
    let mut played = String::new();
    let mut dir = Dir::new();
    for line in text.lines() {
        let is_outcome = line == "|" || line.starts_with("| ") || line.starts_with("= ");
        if is_outcome {
            continue;
        }
        played += &format!("{line}\n");
        if let Some(place) = line.strip_prefix("in ") {
            let known = PLACES.iter().find(|(name, _)| *name == place);
            dir = known.unwrap_or_else(|| panic!("no place {place:?}")).1();
        } else if let Some(preparation) = line.strip_prefix("% ") {
            let run = shell(&dir, preparation);
            assert_eq!(run.code, 0, "{line}: {run:?}");
        } else if let Some(command) = line.strip_prefix("$ ") {
            let run = shell(&dir, command);
            assert_ne!(run.code, 0, "no error: {line}: {run:?}");
            played += &outcome(&dir, &run);
        }
    }
    played
}

fn shell(dir: &Dir, line: &str) -> Run {
    let binary = Path::new(env!("CARGO_BIN_EXE_verity")).parent().unwrap().display().to_string();
    let path = std::env::var("PATH").unwrap();
    let mut shell: Command = dir.tool("sh");
    shell.args(["-c", line]).env("PATH", format!("{binary}:{path}:/usr/sbin:/sbin"));
    Run::of(shell.env("COLUMNS", "100").stdin(Stdio::null()).output().unwrap())
}

/// What was said, without the usage that clap adds, and the exit code.
fn outcome(dir: &Dir, run: &Run) -> String {
    let said = run.stderr.split("\n\nUsage: ").next().unwrap();
    let said = said.split("\n\nFor more information").next().unwrap();
    let said = said.replace(&*fs::canonicalize(dir.path("")).unwrap().to_string_lossy(), "[here]");
    let lines = said.lines().map(|line| format!("| {line}").trim_end().to_owned() + "\n");
    lines.collect::<String>() + &format!("= {}\n", run.code)
}
