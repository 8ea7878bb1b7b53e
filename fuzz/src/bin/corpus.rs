//! Writes the seeds of a fuzz target, or runs a target on files: `corpus seeds TARGET DIR`,
//! `corpus replay TARGET FILE…`.

use std::path::Path;
use std::process::ExitCode;

use verity_fuzz::{TARGETS, Target};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["seeds", target, directory] => find(target).and_then(|it| seeds(it, directory.as_ref())),
        ["replay", target, ref files @ ..] => find(target).and_then(|it| replay(it, files)),
        _ => Err("usage: corpus seeds TARGET DIR | corpus replay TARGET FILE...".to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("corpus: {message}");
            ExitCode::FAILURE
        }
    }
}

fn find(name: &str) -> Result<Target, String> {
    let target = TARGETS.into_iter().find(|target| target.name == name);
    target.ok_or_else(|| format!("no target {name:?}"))
}

fn seeds(target: Target, directory: &Path) -> Result<(), String> {
    std::fs::create_dir_all(directory).map_err(|error| format!("{directory:?}: {error}"))?;
    for (index, seed) in (target.seeds)().iter().enumerate() {
        let path = directory.join(format!("seed-{index:02}"));
        std::fs::write(&path, seed).map_err(|error| format!("{path:?}: {error}"))?;
    }
    Ok(())
}

/// A violated invariant panics, and so ends the program with its message.
fn replay(target: Target, files: &[&str]) -> Result<(), String> {
    for file in files {
        let input = std::fs::read(file).map_err(|error| format!("{file:?}: {error}"))?;
        (target.run)(&input);
    }
    Ok(())
}
