//! The suite that cryptsetup has for its veritysetup, run in the machine with this command in its
//! place. It is not part of this tree: `VERITY_COMPAT_SUITE` names a copy of its
//! `tests/verity-compat-test`, and without one there is nothing to run.

use std::path::Path;

use verity_testdata::{files, machine::Machine, oracle};

/// What the suite calls beside busybox's programs.
const TOOLS: [&str; 9] =
    ["bash", "blockdev", "dd", "dmsetup", "grep", "losetup", "sed", "stat", "strace"];

/// `dmsetup` makes nodes itself, as there is no udev in the machine.
const SCRIPT: &str = "\
export DM_DISABLE_UDEV=1 CRYPTSETUP_PATH=/veritysetup CRYPTSETUP_TESTS_RUN_IN_MESON=1
mkdir /tmp/suite && cd /tmp/suite
bash /suite 2>&1
echo \"the suite ends with $?\"
";

#[test]
fn cryptsetups_own_suite_passes() {
    let Some(suite) = std::env::var_os("VERITY_COMPAT_SUITE") else { return };
    let Some(machine) = Machine::find() else { return };
    machine.add_program(Path::new(env!("CARGO_BIN_EXE_verity")), "veritysetup/veritysetup");
    for tool in TOOLS {
        let path = oracle::require(tool).expect("a tool of every Debian");
        machine.add_program(&path, &format!("usr/sbin/{tool}"));
    }
    machine.add_text(&String::from_utf8_lossy(&files::read(Path::new(&suite))), "suite");
    let said = machine.run(SCRIPT);
    println!("{said}");
    println!("{} lines say that a check passed", said.matches("[OK]").count());
    assert!(said.contains("the suite ends with 0\n"));
    assert!(!said.contains("[N/A]") && !said.contains("FAILED"));
}
