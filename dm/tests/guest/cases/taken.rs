//! Devices that somebody else removes while they are opened or closed, and other ones of their
//! names.

use std::cell::{Cell, RefCell};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use verity_dm::{Close, Error, Reason, Run, State, Step};

use crate::image::Image;
use crate::tools::{Guest, device, ok};

/// Makes a device, and its node where there is no udev.
fn create(arguments: &[&str]) {
    let create = ["create", "root", "--verifyudev", "--table", "0 8 error"];
    ok("dmsetup", &[&create, arguments].concat());
}

/// Removes the device, and its node where there is no udev.
fn remove() {
    ok("dmsetup", &["remove", "--verifyudev", "root"]);
}

/// Removes the device and makes another one of its name.
fn replace(arguments: &[&str]) {
    remove();
    create(arguments);
}

/// The device of the name is the other one, and has its node.
fn check_other(guest: &Guest) {
    guest.settle();
    let status = guest.status("root");
    assert_eq!(status.state, State::Other { kinds: vec!["error".to_owned()] });
    assert_eq!(status.node.as_deref(), Some(Path::new("/dev/mapper/root")));
    remove();
}

pub(crate) fn replaced_while_it_is_opened(guest: &Guest) {
    for step in [Step::Created, Step::Loaded, Step::Resumed] {
        for expected in [Reason::Cancelled, Reason::NotActive] {
            let image = Image::new(guest);
            let is_over = Cell::new(false);
            let tell = |now| {
                if now == step {
                    guest.settle();
                    replace(&[]);
                    is_over.set(expected == Reason::Cancelled);
                }
            };
            let is_cancelled = || is_over.get();
            let run = Run::default().told_by(&tell).cancelled_by(&is_cancelled);
            let error = image.open(guest, "root").run(&guest.device_mapper, run).unwrap_err();
            assert_eq!(error.reason(), expected, "{step:?}: {error}");
            check_other(guest);
            guest.check_clean();
        }
    }
}

pub(crate) fn removed_while_it_is_opened(guest: &Guest) {
    for step in [Step::Created, Step::Loaded, Step::Resumed] {
        let image = Image::new(guest);
        let tell = |now| {
            if now == step {
                guest.settle();
                remove();
            }
        };
        let run = Run::default().told_by(&tell);
        let error = image.open(guest, "root").run(&guest.device_mapper, run).unwrap_err();
        assert!(matches!(error, Error::NotActive { .. }), "{step:?}: {error}");
        guest.check_clean();
    }
}

pub(crate) fn replaced_while_it_is_closed(guest: &Guest) {
    let close = || Close::new(device("root")).udev(guest.udev);
    for is_verity in [true, false] {
        let image = Image::new(guest);
        if is_verity {
            image.open(guest, "root").run(&guest.device_mapper, Run::default()).unwrap();
        } else {
            create(&[]);
        }
        guest.settle();
        // It is in use, until it is replaced.
        let held = RefCell::new(Some(File::open("/dev/mapper/root").unwrap()));
        let asked = Cell::new(0);
        let is_cancelled = || {
            asked.set(asked.get() + 1);
            if asked.get() == 2 {
                held.replace(None);
                guest.settle();
                replace(&["--uuid", "other"]);
            }
            false
        };
        let run = Run::default().cancelled_by(&is_cancelled);
        let close = if is_verity { close() } else { close().any_target() };
        let error = close.run(&guest.device_mapper, run).unwrap_err();
        assert_eq!(error.reason(), Reason::NotActive, "{error}");
        assert!(asked.get() >= 2);
        check_other(guest);
    }
}

pub(crate) fn closed_by_a_run_that_is_cancelled(guest: &Guest) {
    let image = Image::new(guest);
    image.open(guest, "root").run(&guest.device_mapper, Run::default()).unwrap();
    let run = Run::default().cancelled_by(&|| true);
    let closed = Close::new(device("root")).udev(guest.udev).run(&guest.device_mapper, run);
    assert_eq!(closed.unwrap_err().reason(), Reason::Cancelled);
    assert!(guest.status("root").verity().is_some());
    guest.close("root");
}

/// A device that we are about to make is no device that was left behind.
pub(crate) fn closed_while_it_is_opened(guest: &Guest) {
    for step in [Step::Created, Step::Loaded] {
        let image = Image::new(guest);
        let asked = Cell::new(0);
        let is_cancelled = || {
            asked.set(asked.get() + 1);
            asked.get() == 4
        };
        let tell = |now| {
            if now == step {
                let run = Run::default().cancelled_by(&is_cancelled);
                let close = Close::new(device("root")).udev(guest.udev);
                let closed = close.run(&guest.device_mapper, run);
                assert_eq!(closed.unwrap_err().reason(), Reason::Cancelled);
            }
        };
        let run = Run::default().told_by(&tell);
        let opened = image.open(guest, "root").run(&guest.device_mapper, run).unwrap();
        assert_eq!(asked.get(), 4);
        image.check_device(&opened.node);
        guest.close("root");
    }
}

/// A loop device that somebody detaches stays as long as it is open.
pub(crate) fn detached_while_it_is_opened(guest: &Guest) {
    let image = Image::new(guest);
    let data = ok("losetup", &["--find", "--show", image.data.to_str().unwrap()]);
    let tell = |now| {
        if now == Step::BackingOpened {
            ok("losetup", &["-d", &data]);
        }
    };
    let open = image.open_at(guest, "root", Path::new(&data), &image.hash);
    let opened = open.run(&guest.device_mapper, Run::default().told_by(&tell)).unwrap();
    image.check_device(&opened.node);
    guest.close("root");
}

/// The kernel says the same of each try; we say it once.
pub(crate) fn held_while_it_is_opened(guest: &Guest) {
    let image = Image::new(guest);
    let data = ok("losetup", &["--find", "--show", image.data.to_str().unwrap()]);
    let held = RefCell::new(None);
    let tell = |now| {
        if now == Step::BackingOpened {
            let flags = OFlags::EXCL.bits().cast_signed();
            let file = OpenOptions::new().read(true).custom_flags(flags).open(&data).unwrap();
            held.replace(Some(file));
        }
    };
    let open = image.open_at(guest, "root", Path::new(&data), &image.hash);
    let error = open.run(&guest.device_mapper, Run::default().told_by(&tell)).unwrap_err();
    let Error::Refused(refusal) = &error else { panic!("{error}") };
    assert_eq!((refusal.reason, refusal.lines.len()), (Reason::BackingInUse, 1), "{error}");
    drop(held);
    ok("losetup", &["-d", &data]);
    assert!(!fs::exists("/dev/mapper/root").unwrap());
}
