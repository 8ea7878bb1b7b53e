//! Devices in a real Linux kernel, beside `dmsetup` and `veritysetup`.
//!
//! Each test is run twice: on the host it boots a virtual machine in which this very program is
//! started again, with the same test; there it opens and closes devices (`cases`).

#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod cases;
mod image;
mod tools;

use verity_testdata::guest::{self, Machine, More};

use self::tools::{Case, Guest};

/// Runs the cases in the machine, or boots the machine that does.
fn run(test: &str, machine: Machine, cases: &[Case]) {
    if guest::is_inside() {
        if !cases::opened_for_another() {
            Guest::new(machine == Machine::Udev).run(cases);
        }
    } else {
        guest::boot(test, machine, cases.len(), &More::default());
    }
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
