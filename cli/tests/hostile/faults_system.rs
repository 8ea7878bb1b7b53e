//! Jobs whose system calls fail.

use std::process::Command;

use verity_testdata::oracle;
use verity_testdata::pattern::Prng;

use super::faults::{Bench, Place, runs};
use super::limits;

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
    let root = place.0.path().display();
    let outputs = ["out", "out2", "image.verity", "image.roothash", "image.roothash.p7s"];
    let more = ["image.manifest.json", "image.manifest.json.p7s"];
    let outputs = outputs.iter().chain(&more).flat_map(|name| {
        [format!("{root}/o/{name}"), format!("{root}/o/.{name}.verity-tmp"), (*name).to_owned()]
    });
    let inputs = ["data", "hash", "fec", "broken", "twin", "image.raw", "o", "."];
    let inputs = inputs.iter().flat_map(|name| [format!("{root}/{name}"), (*name).to_owned()]);
    outputs.chain(inputs).chain([root.to_string()]).collect()
}

#[test]
fn i09_system_calls_that_fail_lose_nothing() {
    let Some(strace) = oracle::require("strace") else { return };
    let bench = Bench::new();
    runs(10, |prng| {
        let job = prng.pick(&bench.jobs);
        let place = bench.place().with_old_outputs(job);
        // A tree over bytes that were never read is no fault of the command.
        let reads_verified = !job.line.starts_with("format") && !job.line.starts_with("build");
        let rules: Vec<_> = (0..=prng.below(2)).map(|_| rule(prng, reads_verified)).collect();
        let mut command = Command::new(&strace);
        command.current_dir(place.0.path()).args(["-f", "-qq", "-o", "/dev/null"]);
        command.args(files(&place).iter().flat_map(|name| ["-P", name]));
        command.args(rules.iter().flat_map(|rule| ["-e", rule]));
        command.arg(env!("CARGO_BIN_EXE_verity")).args(job.line.split_whitespace());
        let ended = limits::finish(&mut command);
        let mut fault = bench.fault(&place, job, &ended);
        let blind = rules.iter().any(|rule| ["statx", "openat"].iter().any(|it| rule.contains(it)));
        if blind && fault.as_ref().is_some_and(|words| words.ends_with("is left")) {
            // A file that cannot be looked up is not removed: it may be another's. The next run
            // removes it.
            let again = limits::run(place.0.path(), &job.line);
            fault = bench.fault(&place, job, &again);
        }
        fault.map(|fault| format!("{}, {rules:?}: {fault}: {ended:?}", job.line))
    });
}
