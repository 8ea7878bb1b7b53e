//! udev that works, and udev that does not.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::time::Duration;

use verity_dm::{Close, Note, Reason, Run, Step, Udev};

use super::interrupted::open_elsewhere;
use crate::image::{Image, UUID};
use crate::tools::{Guest, device, ok};

pub(crate) fn links(guest: &Guest) {
    let image = Image::new(guest);
    let opened = image.open(guest, "root").run(&guest.device_mapper, Run::default()).unwrap();
    assert_eq!(opened.notes, []);
    let minor = opened.status.number.minor;
    let target = fs::read_link("/dev/mapper/root").unwrap();
    assert_eq!(target, Path::new("..").join(format!("dm-{minor}")));
    let uuid = format!("dm-uuid-CRYPT-VERITY-{}-root", UUID.replace('-', ""));
    for link in ["dm-name-root", &uuid] {
        assert!(Path::new("/dev/disk/by-id").join(link).exists(), "{link}");
    }
    let properties = ok("udevadm", &["info", "-q", "property", "-n", "/dev/mapper/root"]);
    for property in ["DM_UDEV_PRIMARY_SOURCE_FLAG=1", "DM_NAME=root", "DM_SUSPENDED=0"] {
        assert!(properties.lines().any(|line| line == property), "{property}: {properties}");
    }
    // A later event finds the device as it is.
    ok("udevadm", &["trigger", "--action=add", "--settle", "/dev/mapper/root"]);
    assert!(Path::new("/dev/disk/by-id/dm-name-root").exists());
    guest.close("root");
    assert!(!Path::new("/dev/disk/by-id/dm-name-root").exists());
}

pub(crate) fn without_the_rule_that_notifies(guest: &Guest) {
    let (rule, away) = ("/lib/udev/rules.d/95-dm-notify.rules", "/tmp/95-dm-notify.rules");
    fs::copy(rule, away).unwrap();
    fs::remove_file(rule).unwrap();
    ok("udevadm", &["control", "--reload"]);
    let image = Image::new(guest);
    // The limit would be noted.
    let opened = image.open(guest, "root").run(&guest.device_mapper, Run::default()).unwrap();
    assert_eq!(opened.notes, []);
    assert!(fs::read_link(&opened.node).is_ok());
    image.check_device(&opened.node);
    guest.close("root");
    fs::copy(away, rule).unwrap();
    ok("udevadm", &["control", "--reload"]);
}

pub(crate) fn without_semaphores(guest: &Guest) {
    let limits = "/proc/sys/kernel/sem";
    let before = fs::read_to_string(limits).unwrap();
    fs::write(limits, "250 32000 32 0").unwrap();
    let image = Image::new(guest);
    let opened = image.open(guest, "root").run(&guest.device_mapper, Run::default()).unwrap();
    assert_eq!(opened.notes, []);
    assert!(fs::read_link(&opened.node).is_ok());
    guest.close("root");
    fs::write(limits, before).unwrap();
}

/// As in a container: udev counts down a semaphore that is not there, or another one.
pub(crate) fn in_another_ipc_namespace(guest: &Guest) {
    let image = Image::new(guest);
    let output = open_elsewhere(guest, &["unshare", "-i"], &image, None);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let node = Path::new("/dev/mapper/root");
    assert!(fs::read_link(node).is_ok());
    image.check_device(node);
    guest.close("root");
}

/// udev does not remove what it has not made. Were it waited for, the limit would never come.
pub(crate) fn node_of_our_own(guest: &Guest) {
    let (rule, away) = ("/lib/udev/rules.d/55-dm.rules", "/tmp/55-dm.rules");
    fs::copy(rule, away).unwrap();
    fs::remove_file(rule).unwrap();
    ok("udevadm", &["control", "--reload"]);
    let limits = "/proc/sys/kernel/sem";
    let before = fs::read_to_string(limits).unwrap();
    fs::write(limits, "250 32000 32 0").unwrap();
    let image = Image::new(guest);
    let open = image.open(guest, "root").udev(Udev::Wait(Duration::from_secs(2)));
    let opened = open.run(&guest.device_mapper, Run::default()).unwrap();
    assert_eq!(opened.notes, [Note::UdevTimedOut]);
    assert!(fs::read_link(&opened.node).is_err(), "a node of our own");
    guest.settle();
    let close = Close::new(device("root")).udev(Udev::Wait(Duration::from_secs(100_000)));
    close.run(&guest.device_mapper, Run::default()).unwrap();
    assert!(!fs::exists(&opened.node).unwrap());
    fs::write(limits, before).unwrap();
    fs::copy(away, rule).unwrap();
    ok("udevadm", &["control", "--reload"]);
}

/// Sends udevd a signal.
fn signal(name: &str) {
    ok("killall", &[name, "systemd-udevd"]);
}

pub(crate) fn stopped(guest: &Guest) {
    let image = Image::new(guest);
    signal("-STOP");
    let open = image.open(guest, "root").udev(Udev::Wait(Duration::from_secs(2)));
    let opened = open.run(&guest.device_mapper, Run::default()).unwrap();
    assert_eq!(opened.notes, [Note::UdevTimedOut]);
    image.check_device(&opened.node);
    assert!(fs::read_link(&opened.node).is_err(), "a node of our own");
    signal("-CONT");
    guest.settle();
    image.check_device(&opened.node);
    guest.close("root");
}

pub(crate) fn cancelled_while_stopped(guest: &Guest) {
    let image = Image::new(guest);
    signal("-STOP");
    let (is_waiting, asked) = (Cell::new(false), Cell::new(0));
    let tell = |step| is_waiting.set(is_waiting.get() || step == Step::Resumed);
    let is_cancelled = || {
        asked.set(asked.get() + u32::from(is_waiting.get()));
        asked.get() > 5
    };
    let run = Run::default().told_by(&tell).cancelled_by(&is_cancelled);
    // Were it not cancelled, the limit would be reached, and noted.
    let error = image.open(guest, "root").run(&guest.device_mapper, run).unwrap_err();
    assert_eq!(error.reason(), Reason::Cancelled, "{error}");
    assert!(guest.find("root").is_none());
    signal("-CONT");
    guest.settle();
}
