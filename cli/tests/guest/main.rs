//! The front `veritysetup` on live devices of a real Linux kernel, beside the original of two
//! versions and `dmsetup`.
//!
//! Each test is run twice: on the host it boots a virtual machine in which this very program is
//! started again, with the same test; there each program opens devices, and all of them look at
//! and close what another one has opened (`cases`).

#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod cases;
mod image;
mod tools;

use std::path::{Path, PathBuf};
use std::process::Command;

use verity_testdata::guest::{self, Machine, More};
use verity_testdata::{oracle, workspace};

use self::tools::{Case, Guest};

/// Runs the cases in the machine, or boots the machine that does.
fn run(test: &str, machine: Machine, cases: &[Case]) {
    if guest::is_inside() {
        return Guest::new(machine == Machine::Udev).run(cases);
    }
    let ours = PathBuf::from(env!("CARGO_BIN_EXE_verity"));
    let programs = vec![(ours, tools::OURS.to_owned())];
    let Some(files) = newer() else { return };
    guest::boot(test, machine, cases.len(), &More { programs, files });
}

/// The original of a newer Debian, with its own loader and libraries.
fn newer() -> Option<Vec<(PathBuf, String)>> {
    let root = workspace().join("target/veritysetup/root");
    let libraries = root.join("usr/lib/x86_64-linux-gnu");
    let (loader, program) =
        (libraries.join("ld-linux-x86-64.so.2"), root.join("usr/sbin/veritysetup"));
    if !loader.is_file() {
        oracle::skip("a newer veritysetup (testdata/veritysetup/make.sh)");
        return None;
    }
    let mut list = Command::new(&loader);
    list.arg("--library-path").arg(&libraries).arg("--list").arg(&program);
    let mut files = Vec::new();
    for line in oracle::run_ok(&mut list).lines() {
        let path = line.split(' ').find(|word| word.starts_with(libraries.to_str().unwrap()));
        let Some(path) = path.map(Path::new) else { continue };
        let name = path.file_name().unwrap().to_str().unwrap();
        files.push((path.to_owned(), format!("{}/{name}", tools::LIBRARIES)));
    }
    files.push((loader, tools::LOADER.to_owned()));
    files.push((program, tools::NEWER.to_owned()));
    Some(files)
}

#[test]
fn devices_without_udev() {
    run("devices_without_udev", Machine::Bare, cases::WITHOUT_UDEV);
}

#[test]
fn devices_with_udev() {
    run("devices_with_udev", Machine::Udev, cases::WITH_UDEV);
}

#[test]
fn signed_devices() {
    run("signed_devices", Machine::Firmware, cases::SIGNED);
}
