//! A story of command lines in the machine: each with its exit code and words that it must say.

use std::path::Path;

use verity_testdata::files;
use verity_testdata::machine::Machine;

use crate::common::Dir;

/// A line for a shell, its exit code, and what it must print on either channel.
pub(crate) type Step = (&'static str, i32, &'static [&'static str]);

/// A step, as a function: so that the lines stay short.
pub(crate) const fn step(line: &'static str, code: i32, words: &'static [&'static str]) -> Step {
    (line, code, words)
}

/// What a step has printed, as the machine says it.
const END_OF_STEP: &str = "step ended: ";

/// What the machine does before its first step.
const BEFORE: &str = "cp -r /images /tmp\ncd /tmp/images\n";

/// Runs the steps in a machine whose working directory is a copy of this one. Returns what all have
/// printed; nothing where there is no machine and may be none.
pub(super) fn run(dir: &Dir, steps: &[Step]) -> String {
    let Some(mut machine) = Machine::find() else { return String::new() };
    machine.add_program(Path::new(env!("CARGO_BIN_EXE_verity")), "usr/sbin/verity");
    for tool in ["dmsetup", "keyctl", "strace", "veritysetup"] {
        if machine.add_tool(tool).is_none() {
            return String::new();
        }
    }
    let certificate = dir.path("known.der");
    dir.openssl("x509 -outform DER -in rsa2048.cert -out known.der");
    if machine.trust(&[files::read(&certificate)]).is_none() {
        return String::new();
    }
    run_in(&machine, dir, "", steps)
}

/// Runs the steps in this machine, after what it does `before`.
pub(crate) fn run_in(machine: &Machine, dir: &Dir, before: &str, steps: &[Step]) -> String {
    for name in dir.names() {
        machine.add(&dir.path(&name), &format!("images/{name}"));
    }
    let said = machine.run(&script(before, steps));
    check(steps, &said);
    said
}

fn script(before: &str, steps: &[Step]) -> String {
    let mut script = format!("{BEFORE}{before}");
    for (line, _, _) in steps {
        let quoted = line.replace('\'', "'\\''");
        script += &format!("sh -c '{quoted}' >/tmp/said 2>&1\ncode=$?\ncat /tmp/said\n");
        script += &format!("echo \"{END_OF_STEP}$code\"\n");
    }
    script
}

fn check(steps: &[Step], said: &str) {
    println!("{said}");
    let mut rest = said;
    let mut failed = Vec::new();
    for (line, code, words) in steps {
        let (printed, after) = rest.split_once(END_OF_STEP).expect("the end of a step");
        let (found, after) = after.split_once('\n').expect("a line");
        rest = after;
        let missing: Vec<_> = words.iter().filter(|word| !printed.contains(**word)).collect();
        if found != code.to_string() || !missing.is_empty() {
            failed.push(format!("{line}\n{printed}exit {found}, not {code}; no {missing:?}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}
