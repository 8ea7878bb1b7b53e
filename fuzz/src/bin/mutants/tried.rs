//! Runs of the tests: one by one without a change, to see which changes each of them meets, and
//! then, for each change, those that meet it, the shortest first, until one fails.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use crate::built::Program;

/// A test takes so much longer than without the change before it counts as one without an end.
const PATIENCE: (u32, Duration) = (10, Duration::from_secs(20));

/// What became of a change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// The tests do not see a difference.
    Survived,
    /// This test failed.
    Caught(String),
    /// This test came to no end.
    Endless(String),
}

/// One test of a program.
#[derive(Debug)]
pub(crate) struct Test<'a> {
    program: &'a Program,
    name: String,
    took: Duration,
    meets: Vec<usize>,
}

enum End {
    Passed,
    Failed,
    Endless,
}

/// Every test, with what it meets; tests that fail by themselves are left out, and named.
pub(crate) fn tests<'a>(
    programs: &'a [Program],
    work: &Path,
    jobs: usize,
) -> Result<Vec<Test<'a>>> {
    let mut names = Vec::new();
    for program in programs {
        let run =
            Command::new(&program.executable).args(["--list", "--format", "terse"]).output()?;
        let list = String::from_utf8(run.stdout)?;
        let tests = list.lines().filter_map(|line| line.strip_suffix(": test"));
        names.extend(tests.map(|name| (program, name.to_owned())));
    }
    let tests = in_parallel(names.len(), jobs, |index| {
        let (program, name) = &names[index];
        let seen = work.join(format!("seen-{index}"));
        drop(fs::remove_file(&seen));
        let start = Instant::now();
        let environment = ("VERITY_MUTANTS_SEEN", seen.display().to_string());
        let end = run(program, name, environment, Duration::from_secs(900))?;
        if !matches!(end, End::Passed) {
            eprintln!("mutants: {name} fails by itself and is left out");
            return Ok(None);
        }
        let meets = fs::read_to_string(&seen).unwrap_or_default();
        let meets = meets.lines().filter_map(|line| line.parse().ok()).collect();
        drop(fs::remove_file(&seen));
        Ok(Some(Test { program, name: name.clone(), took: start.elapsed(), meets }))
    })?;
    let mut tests: Vec<Test<'a>> = tests.into_iter().flatten().collect();
    tests.sort_by_key(|test| test.took);
    Ok(tests)
}

/// Tries changes, each a number and its package, and tells of each as it ends.
pub(crate) fn try_all(
    mutants: &[(usize, &str)],
    tests: &[Test<'_>],
    jobs: usize,
    tell: impl Fn(usize, &Outcome) + Sync,
) -> Result<BTreeMap<usize, Outcome>> {
    let outcomes = in_parallel(mutants.len(), jobs, |index| {
        let (number, package) = mutants[index];
        let outcome = try_one(number, package, tests)?;
        tell(number, &outcome);
        Ok((number, outcome))
    })?;
    Ok(outcomes.into_iter().collect())
}

fn try_one(number: usize, package: &str, tests: &[Test<'_>]) -> Result<Outcome> {
    let meets = |test: &&Test<'_>| test.program.package == package && test.meets.contains(&number);
    for test in tests.iter().filter(meets) {
        let limit = test.took * PATIENCE.0 + PATIENCE.1;
        let environment = ("VERITY_MUTANT", number.to_string());
        match run(test.program, &test.name, environment, limit)? {
            End::Passed => {}
            End::Failed => return Ok(Outcome::Caught(test.name.clone())),
            End::Endless => return Ok(Outcome::Endless(test.name.clone())),
        }
    }
    Ok(Outcome::Survived)
}

/// A change may take memory without end: that is a failure, not the end of the machine.
fn run(program: &Program, test: &str, environment: (&str, String), limit: Duration) -> Result<End> {
    let mut command = Command::new("prlimit");
    command.arg("--as=17179869184").arg(&program.executable).args(["--exact", test]);
    command.current_dir(&program.directory).env(environment.0, environment.1).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().context("prlimit")?;
    let start = Instant::now();
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(if status.success() { End::Passed } else { End::Failed });
        }
        if start.elapsed() > limit {
            let group = format!("-{}", child.id());
            Command::new("kill").args(["-KILL", "--", &group]).status()?;
            child.wait()?;
            return Ok(End::Endless);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// The results of `0..count`, in order.
fn in_parallel<T: Send>(
    count: usize,
    jobs: usize,
    work: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return;
                    }
                    let result = work(index);
                    results.lock().expect("no worker panics").push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().map_err(|_| anyhow!("a worker panicked"))?;
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
