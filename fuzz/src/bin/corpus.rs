//! Writes the seeds of a fuzz target and what fuzzing kept, keeps what it found, or runs a target
//! on files: `corpus seeds TARGET DIR`, `corpus keep TARGET DIR`, `corpus replay TARGET FILE…`.

use std::path::Path;
use std::process::ExitCode;

use verity_fuzz::{TARGETS, Target, kept};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["seeds", target, directory] => find(target).and_then(|it| seeds(it, directory.as_ref())),
        ["keep", target, directory] => find(target).and_then(|it| keep(it, directory.as_ref())),
        ["replay", target, ref files @ ..] => find(target).and_then(|it| replay(it, files)),
        _ => Err("usage: corpus seeds|keep TARGET DIR | corpus replay TARGET FILE...".to_owned()),
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
    let kept = kept::read(target.name).map_err(|error| error.to_string())?;
    let named = |name: &'static str, inputs: Vec<Vec<u8>>| {
        inputs.into_iter().enumerate().map(move |(index, it)| (format!("{name}-{index:02}"), it))
    };
    for (name, input) in named("seed", (target.seeds)()).chain(named("kept", kept)) {
        let path = directory.join(name);
        std::fs::write(&path, input).map_err(|error| format!("{path:?}: {error}"))?;
    }
    Ok(())
}

fn keep(target: Target, directory: &Path) -> Result<(), String> {
    kept::write(target.name, directory, &(target.seeds)())
        .map_err(|error| format!("{directory:?}: {error}"))
}

/// A violated invariant panics, and so ends the program with its message.
fn replay(target: Target, files: &[&str]) -> Result<(), String> {
    for file in files {
        let input = std::fs::read(file).map_err(|error| format!("{file:?}: {error}"))?;
        (target.run)(&input);
    }
    Ok(())
}
