//! Every text that a command can end with: the files in `screens/errors/` are shell commands, and
//! below each what it says on standard error and its exit code.
//!
//! A file is its own table of runs: to add one, write its line, `$ verity ...`, and bless. `in
//! PLACE` begins anew in a directory of [`PLACES`], and `% ...` prepares something there. A run
//! that fails changes nothing, so the next one finds everything as it was. That every error of the
//! sources stands here is the test `error_texts` of `testdata`.

mod server;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use verity_testdata::oracle;

use crate::common::golden::Golden;
#[cfg(feature = "pkcs11")]
use crate::common::token::{PIN, Token};
use crate::common::{Dir, Run};
use crate::screens;

/// A directory by its name, and how it is made.
type Place = (&'static str, fn() -> Dir);

/// The directories in which runs can take place.
const PLACES: [Place; 10] = [
    ("empty", Dir::new),
    ("data", screens::data),
    ("image", screens::image),
    ("legacy", screens::legacy),
    ("corrupt", screens::corrupt),
    ("beyond", screens::beyond),
    ("keys", screens::keys),
    ("signed", screens::signed),
    ("server", server::place),
    ("token", token),
];

/// The tools that make what commands fail at.
const TOOLS: [&str; 6] = ["flock", "openssl", "script", "sgdisk", "softhsm2-util", "strace"];

#[test]
fn every_error_text_is_the_one_on_file() {
    if TOOLS.iter().any(|tool| oracle::require(tool).is_none()) {
        return;
    }
    let mut golden = Golden::beside_tests("screens/errors");
    let mut successes = Vec::new();
    for name in golden.names() {
        let text = golden.text(&name);
        let played = played(&text);
        let errors = played.split("$ ").skip(1).filter(|run| run.contains("\n= 0\n"));
        successes.extend(errors.map(|run| format!("{name}: {run}")));
        golden.compare(&name, &played);
    }
    assert!(successes.is_empty(), "these are no errors:\n{}", successes.concat());
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
            played += &outcome(&dir, &run);
        }
    }
    played
}

fn shell(dir: &Dir, line: &str) -> Run {
    let binary = Path::new(env!("CARGO_BIN_EXE_verity")).parent().unwrap().display().to_string();
    let path = std::env::var("PATH").unwrap();
    let mut shell: Command = dir.tool("timeout");
    shell.args(["60", "sh", "-c", line]).env("PATH", format!("{binary}:{path}:/usr/sbin:/sbin"));
    Run::of(shell.env("COLUMNS", "100").stdin(Stdio::null()).output().unwrap())
}

/// What was said, without the usage that clap adds, and the exit code.
fn outcome(dir: &Dir, run: &Run) -> String {
    let said = run.stderr.split("\n\nUsage: ").next().unwrap();
    let said = said.split("\n\nFor more information").next().unwrap();
    let said = said.replace(&*fs::canonicalize(dir.path("")).unwrap().to_string_lossy(), "[here]");
    let said = match fs::read_to_string(dir.path("url")) {
        Ok(url) => said.replace(url.trim(), "http://[server]"),
        Err(_) => said,
    };
    let lines = said.lines().map(|line| format!("| {line}").trim_end().to_owned() + "\n");
    lines.collect::<String>() + &format!("= {}\n", run.code)
}

/// Keys in files, and the first of them on a token: its module's URI is in `uri`.
fn token() -> Dir {
    let dir = screens::keys();
    #[cfg(feature = "pkcs11")]
    if let Some(token) = Token::new(&dir) {
        token.import("rsa2048.key", "k", "a1");
        dir.write("pin", PIN.as_bytes());
        dir.set_mode("pin", 0o600);
        dir.write("module", token.module().to_str().unwrap().as_bytes());
    }
    dir
}
