//! Jobs whose system calls fail.

use std::path::Path;
use std::process::Command;

use verity_testdata::oracle;
use verity_testdata::pattern::Prng;

use super::faults::{Bench, PADDED, Place, runs};
use super::limits;
use super::serving;

/// Calls that jobs make on their files, and how often at the most it is worth to let them pass.
const CALLS: [(&str, u64); 14] = [
    ("pread64", 30),
    ("pwrite64", 20),
    ("read", 10),
    ("write", 10),
    ("openat", 20),
    ("fsync", 6),
    ("ftruncate", 3),
    ("lseek", 20),
    ("flock", 8),
    ("statx,fstat,newfstatat", 30),
    ("?rename,renameat,renameat2", 6),
    ("ioctl", 3),
    ("copy_file_range", 4),
    ("fchmod,fchown", 4),
];
const ERRORS: [&str; 7] = ["EIO", "ENOSPC", "EINTR", "EACCES", "ENOMEM", "EAGAIN", "EDQUOT"];

/// A rule of strace: what happens to which call.
fn rule(prng: &mut Prng, keeps_inputs: bool) -> String {
    let (call, most) = *prng.pick(&CALLS);
    let first = prng.range(1..=most);
    // One call, or all from there on. What is interrupted for ever is tried for ever.
    let error = *prng.pick(&ERRORS);
    let every = if error != "EINTR" && prng.one_in(3) { "+" } else { "" };
    match prng.below(6) {
        0 => format!("inject={call}:delay_enter=3000:when={first}"),
        // It says that it has read some bytes, and has not.
        1 if call == "pread64" && keeps_inputs => {
            format!("inject=pread64:retval={}:when={first}", prng.range(1..=4096))
        }
        _ => format!("inject={call}:error={error}:when={first}{every}"),
    }
}

/// The names of all files, which are those whose calls may fail: the program must be loaded first.
fn files(place: &Place) -> Vec<String> {
    let root = place.path().display();
    let sets = ["verity", "roothash", "roothash.p7s", "manifest.json", "manifest.json.p7s"];
    let sets = sets.iter().map(|part| format!("image.{part}"));
    let outputs = ["out", "out2", "image"].iter().map(|name| (*name).to_owned()).chain(sets);
    let outputs = outputs.flat_map(|name| {
        [format!("{root}/o/{name}"), format!("{root}/o/.{name}.verity-tmp"), name]
    });
    let inputs = ["data", "hash", "fec", "broken", "twin", "short", "image.raw", "key", "cert"];
    let inputs = inputs.iter().chain(&["o", "."]);
    let inputs = inputs.flat_map(|name| [format!("{root}/{name}"), (*name).to_owned()]);
    outputs.chain(inputs).chain([root.to_string()]).collect()
}

/// The command under strace, which does not stand between us and it.
fn traced(strace: &Path, place: &Place, rules: &[String], line: &str) -> Command {
    let mut command = Command::new(strace);
    command.current_dir(place.path()).args(["-D", "-f", "--quiet=all", "-o", "/dev/null"]);
    command.args(files(place).iter().flat_map(|name| ["-P", name]));
    command.args(rules.iter().flat_map(|rule| ["-e", rule]));
    command.arg(env!("CARGO_BIN_EXE_verity")).args(line.split_whitespace());
    command
}

#[test]
fn i09_system_calls_that_fail_lose_nothing() {
    let Some(strace) = oracle::require("strace") else { return };
    let bench = Bench::new();
    runs(10, |prng| {
        if prng.one_in(6) {
            return serves(&strace, &bench, prng);
        }
        let job = prng.pick(&bench.jobs);
        let place = bench.place();
        let place = if prng.one_in(4) { place } else { place.with_old_outputs(job) };
        // A tree over bytes that were never read is no fault of the command.
        let reads_verified = !job.line.starts_with("format") && !job.line.starts_with("build");
        let rules: Vec<_> = (0..=prng.below(2)).map(|_| rule(prng, reads_verified)).collect();
        let ended = limits::finish(&mut traced(&strace, &place, &rules, &job.line));
        let mut fault = bench.fault(&place, job, &ended);
        if fault.as_ref().is_some_and(|words| is_excused(words, &rules)) {
            let again = limits::run(place.path(), &job.line);
            fault = bench.fault(&place, job, &again);
        }
        fault.map(|fault| format!("{}, {rules:?}: {fault}: {ended:?}", job.line))
    });
}

/// Whether the next run may put that right.
fn is_excused(fault: &str, rules: &[String]) -> bool {
    let fails =
        |calls: &[&str]| rules.iter().any(|rule| calls.iter().any(|call| rule.contains(call)));
    // A file that cannot be looked up is not removed, nor one whose lock another seems to hold: it
    // may be another's. Zeros stay that cannot be cut off, or whose file cannot be looked at.
    let is_left = fault.ends_with("is left") && fails(&["statx", "openat", "flock"]);
    is_left || fault.ends_with(PADDED) && fails(&["ftruncate", "fstat"])
}

/// Serves while calls fail.
fn serves(strace: &Path, bench: &Bench, prng: &mut Prng) -> Option<String> {
    let place = bench.place();
    let line = prng.pick(&bench.servers);
    let rules: Vec<_> = (0..=prng.below(2)).map(|_| rule(prng, true)).collect();
    let command = traced(strace, &place, &rules, &format!("{line} --socket s"));
    let fault = serving::drive(command, place.path(), &bench.data, false);
    let fault = fault.or_else(|| bench.changed_input(&place));
    fault.map(|fault| format!("{line}, {rules:?}: {fault}"))
}

/// Rules of strace reach every job, and a server.
#[test]
fn i09_calls_of_every_job_can_fail() {
    let Some(strace) = oracle::require("strace") else { return };
    let bench = Bench::new();
    let rules = ["inject=openat:error=EIO".to_owned()];
    for job in &bench.jobs {
        let place = bench.place().with_old_outputs(job);
        let none = limits::finish(&mut traced(&strace, &place, &[], &job.line));
        assert_eq!(none.code, Some(job.code), "{}: {none:?}", job.line);
        let place = bench.place().with_old_outputs(job);
        let ended = limits::finish(&mut traced(&strace, &place, &rules, &job.line));
        assert_eq!(ended.code, Some(4), "{}: {ended:?}", job.line);
    }
    for line in &bench.servers {
        let place = bench.place();
        let line = format!("{line} --socket s");
        let command = traced(&strace, &place, &[], &line);
        assert_eq!(serving::drive(command, place.path(), &bench.data, true), None, "{line}");
        let command = traced(&strace, &place, &rules, &line);
        let fault = serving::drive(command, place.path(), &bench.data, true);
        assert!(fault.is_some_and(|words| words.contains("exit code 4")), "{line}");
    }
}
