//! Do the tests see a change of the code? Takes a seeded sample of the changes that cargo-mutants
//! lists, weaves all of them into one build, and tries each against the tests that meet it.
//!
//! `mutants [--seed N] [--count N] [--jobs N] WORK`; `fuzz/mutants.sh` runs it. cargo-mutants by
//! itself builds the tests anew for each change, which takes minutes each; here a build is shared,
//! and a change costs the tests that run until one fails.

mod built;
mod listed;
mod tried;
mod woven;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use listed::Mutant;
use tried::Outcome;

struct Options {
    seed: u64,
    count: usize,
    jobs: usize,
    work: PathBuf,
}

fn main() -> ExitCode {
    match options().and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mutants: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<Options> {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut options = Options { seed: 1, count: 440, jobs, work: PathBuf::new() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || -> Result<u64> {
            let value = words.next().with_context(|| format!("{word} needs a number"))?;
            value.parse().with_context(|| format!("{word} {value}"))
        };
        match word.as_str() {
            "--seed" => options.seed = number()?,
            "--count" => options.count = usize::try_from(number()?)?,
            "--jobs" => options.jobs = usize::try_from(number()?)?.max(1),
            _ if word.starts_with('-') => bail!("no option {word}"),
            _ => options.work = word.into(),
        }
    }
    if options.work.as_os_str().is_empty() {
        bail!("usage: mutants [--seed N] [--count N] [--jobs N] WORK");
    }
    Ok(options)
}

fn run(options: &Options) -> Result<()> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no workspace")?;
    let all = listed::all()?;
    let mutants = listed::sample(&all, options.seed, options.count);
    eprintln!("mutants: {} of {}, seed {}", mutants.len(), all.len(), options.seed);
    let built = built::build(top, &options.work.join("copy"), &mutants)?;
    eprintln!("mutants: {} woven into {} programs", built.woven.len(), built.programs.len());
    let tests = tried::tests(&built.programs, &options.work, options.jobs)?;
    eprintln!("mutants: {} tests", tests.len());
    let numbered: Vec<(usize, &str)> =
        built.woven.iter().map(|&number| (number, mutants[number].package.as_str())).collect();
    let outcomes = tried::try_all(&numbered, &tests, options.jobs, |number, outcome| {
        eprintln!("{outcome:?} {}", mutants[number].name);
    })?;
    report(&mutants, &outcomes);
    Ok(())
}

/// As Markdown: a row for each room, then what nobody noticed, then what did not compile.
fn report(mutants: &[Mutant], outcomes: &BTreeMap<usize, Outcome>) {
    let mut rooms = BTreeMap::<String, [usize; 5]>::new();
    for (number, mutant) in mutants.iter().enumerate() {
        let room = rooms.entry(mutant.room()).or_default();
        let column = match outcomes.get(&number) {
            Some(Outcome::Caught(_)) => 1,
            Some(Outcome::Endless(_)) => 2,
            Some(Outcome::Survived) => 3,
            None => 4,
        };
        room[0] += 1;
        room[column] += 1;
    }
    println!("| room | sample | caught | without an end | survived | not woven |");
    println!("|---|---|---|---|---|---|");
    let mut sums = [0; 5];
    for (room, counts) in &rooms {
        row(&format!("`{room}`"), counts);
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }
    row("all", &sums);
    println!("\nSurvived:\n");
    names(mutants, |number| outcomes.get(&number) == Some(&Outcome::Survived));
    println!("\nNot woven:\n");
    names(mutants, |number| !outcomes.contains_key(&number));
}

fn row(name: &str, counts: &[usize; 5]) {
    let counts: Vec<String> = counts.iter().map(usize::to_string).collect();
    println!("| {name} | {} |", counts.join(" | "));
}

fn names(mutants: &[Mutant], of: impl Fn(usize) -> bool) {
    for (_, mutant) in mutants.iter().enumerate().filter(|(number, _)| of(*number)) {
        println!("- `{}`", mutant.name);
    }
}
