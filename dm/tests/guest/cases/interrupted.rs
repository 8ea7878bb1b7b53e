//! Runs that do not come to their end.

use std::cell::Cell;
use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Output};

use rustix::process::{Signal, getpid, kill_process};
use verity_dm::{
    Close, DeviceMapper, Error, ExistingState, Note, Reason, Run, Step, Udev, make_node,
};

use crate::image::Image;
use crate::tools::{Guest, device, ok};

const STEPS: [Step; 6] = [
    Step::NameIsFree,
    Step::BackingOpened,
    Step::Created,
    Step::Loaded,
    Step::Resumed,
    Step::NodeMade,
];

/// Set for a process that opens a device: after which step it is killed, if any, and the image.
const ORDER: &str = "VERITY_DM_ORDER";

pub(crate) fn cancelled_at_each_step(guest: &Guest) {
    for step in STEPS {
        let image = Image::new(guest);
        let (is_over, after) = (Cell::new(false), Cell::new(0));
        let tell = |now| {
            after.set(after.get() + u32::from(is_over.get()));
            is_over.set(is_over.get() || now == step);
        };
        let is_cancelled = || is_over.get();
        let run = Run::default().told_by(&tell).cancelled_by(&is_cancelled);
        let error = image.open(guest, "root").run(&guest.device_mapper, run).unwrap_err();
        assert_eq!(error.reason(), Reason::Cancelled, "{step:?}: {error}");
        guest.settle();
        assert!(guest.find("root").is_none(), "{step:?}");
        guest.check_clean();
    }
}

/// Has another process open the image: this program, started by another one if need be.
pub(crate) fn open_elsewhere(
    guest: &Guest,
    starter: &[&str],
    image: &Image,
    killed_after: Option<Step>,
) -> Output {
    let directory = image.data.parent().unwrap().display();
    let step = killed_after.map_or_else(|| "never".to_owned(), |step| format!("{step:?}"));
    let udev = if guest.udev == Udev::Never { "" } else { "udev" };
    let order = format!("{step} {directory} {} {udev}", image.root_hash);
    let this = env::current_exe().unwrap();
    let mut words = starter.iter().map(OsString::from).chain([this.into_os_string()]);
    let mut command = Command::new(words.next().unwrap());
    command.args(words).args(env::args_os().skip(1)).env(ORDER, order);
    command.output().unwrap()
}

/// Opens a device, if this process was started for that, and is killed after a step if that was
/// said. Returns whether it was.
pub(crate) fn opened_for_another() -> bool {
    let Some(order) = env::var_os(ORDER) else { return false };
    let order = order.into_string().unwrap();
    let mut words = order.split(' ');
    let (step, directory, root_hash) =
        (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
    let guest = Guest::new(words.next() == Some("udev"));
    let image = Image::load(Path::new(directory), root_hash);
    let tell = |now: Step| {
        if format!("{now:?}") == step {
            kill_process(getpid(), Signal::KILL).unwrap();
        }
    };
    let open = image.open(&guest, "root");
    let opened = open.run(&guest.device_mapper, Run::default().told_by(&tell)).unwrap();
    assert_eq!((step, &opened.notes[..]), ("never", &[][..]));
    true
}

pub(crate) fn killed_at_each_step(guest: &Guest) {
    let has_udev = guest.udev != Udev::Never;
    for step in STEPS {
        let image = Image::new(guest);
        let output = open_elsewhere(guest, &[], &image, Some(step));
        let signal = std::os::unix::process::ExitStatusExt::signal(&output.status);
        assert_eq!(signal, Some(9), "{}", String::from_utf8_lossy(&output.stdout));
        guest.settle();
        let open = image.open(guest, "root");
        match step {
            Step::NameIsFree | Step::BackingOpened => assert!(guest.find("root").is_none()),
            Step::Created | Step::Loaded => {
                let status = guest.status("root");
                assert!(status.is_half_made(), "{status:?}");
                assert_eq!(status.has_inactive_table, step == Step::Loaded);
                assert_eq!(guest.device_mapper.list().unwrap(), [status]);
                let opened = open.run(&guest.device_mapper, Run::default()).unwrap();
                assert_eq!(opened.notes, [Note::HalfMadeRemoved]);
                image.check_device(&opened.node);
                guest.close("root");
            }
            _ => {
                let existing = open.existing(&guest.device_mapper).unwrap().unwrap();
                assert!(existing.is_equal(), "{existing:?}");
                image.check_device(&make_node(&existing.status).unwrap());
                guest.close("root");
            }
        }
        if has_udev {
            // The semaphore of a process that was killed while it had one.
            ok("dmsetup", &["udevcomplete_all", "--yes"]);
        }
        guest.check_clean();
    }
}

/// Devices that others have begun.
pub(crate) fn without_a_table(guest: &Guest) {
    let image = Image::new(guest);
    ok("dmsetup", &["create", "root", "--notable"]);
    let error = image.open(guest, "root").run(&guest.device_mapper, Run::default()).unwrap_err();
    assert!(matches!(error, Error::Exists { state: ExistingState::WithoutTable, .. }), "{error}");
    let close = Close::new(device("root")).udev(guest.udev);
    let error = close.run(&guest.device_mapper, Run::default()).unwrap_err();
    assert_eq!(error.reason(), Reason::NoTable);
    assert!(guest.device_mapper.list().unwrap().is_empty());
    ok("dmsetup", &["remove", "root"]);
    ok("dmsetup", &["create", "root", "--notable", "-u", "CRYPT-VERITY-root"]);
    assert!(guest.device_mapper.list().unwrap()[0].is_half_made());
    close.run(&guest.device_mapper, Run::default()).unwrap();
    // Another program that takes its time gets it.
    ok("dmsetup", &["create", "root", "--notable", "-u", "CRYPT-VERITY-root"]);
    let device_mapper = DeviceMapper::open().unwrap();
    let asked = Cell::new(0);
    let is_cancelled = || {
        asked.set(asked.get() + 1);
        if asked.get() == 3 {
            ok("dmsetup", &["load", "--readonly", "root", "--table", "0 8 error"]);
            ok("dmsetup", &["resume", "root"]);
        }
        false
    };
    let run = Run::default().cancelled_by(&is_cancelled);
    let error = image.open(guest, "root").run(&device_mapper, run).unwrap_err();
    assert!(matches!(error, Error::Exists { state: ExistingState::Live, .. }), "{error}");
    ok("dmsetup", &["remove", "root"]);
}
