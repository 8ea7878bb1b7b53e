//! A copy of the workspace with the changes woven in, and the test programs built from it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::listed::Mutant;
use crate::woven::{self, SWITCH};

/// The crates that are changed.
pub(crate) const CRATES: [(&str, &str); 2] = [("dm-verity", "verity"), ("dm-verity-sign", "sign")];

/// A program of tests.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) package: String,
    pub(crate) executable: PathBuf,
    /// Where it is run.
    pub(crate) directory: PathBuf,
}

/// What was built.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) programs: Vec<Program>,
    /// Numbers of the changes that are in it.
    pub(crate) woven: BTreeSet<usize>,
}

/// Copies the workspace, weaves, and takes out what does not compile until everything does.
pub(crate) fn build(top: &Path, copy: &Path, mutants: &[Mutant]) -> Result<Built> {
    copy_workspace(top, copy)?;
    let mut woven: BTreeSet<usize> = (0..mutants.len()).collect();
    loop {
        let texts = weave_all(top, copy, mutants, &mut woven)?;
        let wrong = check(copy, &texts)?;
        if wrong.is_empty() {
            break;
        }
        eprintln!("mutants: {} do not compile", wrong.len());
        woven.retain(|number| !wrong.contains(number));
    }
    Ok(Built { programs: programs(copy)?, woven })
}

/// Files keep their times, by which cargo knows what it has built before.
fn copy_workspace(top: &Path, copy: &Path) -> Result<()> {
    let files = Command::new("git")
        .arg("-C")
        .arg(top)
        .args(["ls-files", "-coz", "--exclude-standard"])
        .output()?;
    ensure!(files.status.success(), "git ls-files: {}", String::from_utf8_lossy(&files.stderr));
    let files = String::from_utf8(files.stdout)?;
    for file in files.split_terminator('\0') {
        let to = copy.join(file);
        let text = fs::read(top.join(file)).with_context(|| file.to_owned())?;
        write(&to, &text)?;
        fs::set_permissions(&to, fs::metadata(top.join(file))?.permissions())?;
    }
    for (_, directory) in CRATES {
        let root = copy.join(directory).join("src");
        write(&root.join("mutant.rs"), SWITCH.as_bytes())?;
        let library = fs::read_to_string(top.join(directory).join("src/lib.rs"))?;
        let (head, rest) = library.split_once("\nmod ").context("a library without modules")?;
        let library = format!("{head}\nmod mutant;\nmod {rest}");
        write(&root.join("lib.rs"), library.as_bytes())?;
    }
    Ok(())
}

fn write(path: &Path, text: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let parent = path.parent().context("a file in no directory")?;
    fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
    fs::write(path, text).with_context(|| path.display().to_string())
}

/// Writes every changed file anew; what has no place in one is taken out of `numbers`.
fn weave_all(
    top: &Path,
    copy: &Path,
    mutants: &[Mutant],
    numbers: &mut BTreeSet<usize>,
) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::<&str, Vec<(usize, &Mutant)>>::new();
    for (number, mutant) in mutants.iter().enumerate() {
        let file = files.entry(&mutant.file).or_default();
        if numbers.contains(&number) {
            file.push((number, mutant));
        }
    }
    let mut texts = BTreeMap::new();
    for (file, mutants) in files {
        let text = fs::read_to_string(top.join(file)).with_context(|| file.to_owned())?;
        let woven = woven::weave(&text, &mutants).with_context(|| file.to_owned())?;
        numbers.retain(|number| !woven.left_out.contains(number));
        write(&copy.join(file), woven.text.as_bytes())?;
        texts.insert(file.to_owned(), woven.text);
    }
    Ok(texts)
}

/// The changes that do not compile; none if everything does.
fn check(copy: &Path, texts: &BTreeMap<String, String>) -> Result<BTreeSet<usize>> {
    let run = cargo(copy, &["check"]).output()?;
    let mut wrong = BTreeSet::new();
    for message in messages(&run.stdout) {
        let message = &message["message"];
        if message["level"] != "error" || message["spans"].as_array().is_none_or(Vec::is_empty) {
            continue;
        }
        let numbers: BTreeSet<usize> = spans(message, texts);
        if numbers.is_empty() {
            bail!(
                "no change is to blame for: {}",
                message["rendered"].as_str().unwrap_or_default()
            );
        }
        wrong.extend(numbers);
    }
    ensure!(run.status.success() || !wrong.is_empty(), "cargo check failed");
    Ok(wrong)
}

/// Of the place that the message is about, else of the others that it names, else the value that
/// the function there returns.
fn spans(message: &Value, texts: &BTreeMap<String, String>) -> BTreeSet<usize> {
    let spans = message["spans"].as_array().map(Vec::as_slice).unwrap_or_default();
    let places = |primary: bool| {
        let spans = spans.iter().filter(move |span| span["is_primary"] == primary);
        spans.filter_map(|span| {
            let text = span["file_name"].as_str().and_then(|file| texts.get(file))?;
            let offset = span["byte_start"].as_u64().and_then(|it| usize::try_from(it).ok())?;
            Some((text, offset))
        })
    };
    let of = |primary| -> BTreeSet<usize> {
        places(primary).flat_map(|(text, offset)| woven::at(text, offset)).collect()
    };
    let values =
        || places(true).filter_map(|(text, offset)| woven::value_before(text, offset)).collect();
    [of(true), of(false)].into_iter().find(|it| !it.is_empty()).unwrap_or_else(values)
}

fn programs(copy: &Path) -> Result<Vec<Program>> {
    let run = cargo(copy, &["test", "--no-run"]).stderr(Stdio::inherit()).output()?;
    ensure!(run.status.success(), "cargo test --no-run failed");
    let mut programs = Vec::new();
    for message in messages(&run.stdout) {
        let Some(executable) = message["executable"].as_str() else { continue };
        let manifest = Path::new(message["manifest_path"].as_str().unwrap_or_default());
        let directory = manifest.parent().context("no directory")?.to_path_buf();
        let package = CRATES.iter().find(|(_, name)| directory.ends_with(name));
        let Some((package, _)) = package.filter(|_| message["profile"]["test"] == true) else {
            continue;
        };
        let package = (*package).to_owned();
        programs.push(Program { package, executable: executable.into(), directory });
    }
    ensure!(!programs.is_empty(), "no test programs");
    Ok(programs)
}

fn cargo(copy: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(copy).args(arguments).args(["--locked", "--message-format=json"]);
    command.args(CRATES.iter().flat_map(|(package, _)| ["-p", package]));
    command.args(["--features", "dm-verity/mmap,dm-verity/https"]);
    command.env("CARGO_TARGET_DIR", copy.join("target")).stderr(Stdio::null());
    command
}

fn messages(output: &[u8]) -> impl Iterator<Item = Value> {
    let lines = output.split(|&byte| byte == b'\n');
    lines.filter_map(|line| serde_json::from_slice(line).ok())
}
