//! What the cases in the machine need: the tools beside ours, and the look for what was left
//! behind.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use verity_dm::{Close, DeviceMapper, MapperName, Status, Udev};
use verity_testdata::guest;

/// What is done in the machine, and its name.
pub(crate) type Case = (&'static str, fn(&Guest));

/// The machine as a case sees it.
pub(crate) struct Guest {
    pub(crate) device_mapper: DeviceMapper,
    pub(crate) udev: Udev,
    made: Cell<u32>,
}

impl Guest {
    pub(crate) fn new(udev: bool) -> Guest {
        let found = Udev::detect(Duration::from_secs(20));
        assert_eq!(udev, found != Udev::Never, "udev runs, or does not");
        let device_mapper = DeviceMapper::open().expect("device-mapper");
        Guest { device_mapper, udev: found, made: Cell::new(0) }
    }

    /// Runs all cases; each must leave nothing behind.
    pub(crate) fn run(&self, cases: &[Case]) {
        let run = |case: &fn(&Guest)| {
            case(self);
            self.check_clean();
        };
        let clean = || {
            self.log();
            guest::clean(|| self.settle());
        };
        guest::run_cases(cases, run, clean);
    }

    /// A directory of its own for each image.
    pub(crate) fn directory(&self) -> std::path::PathBuf {
        self.made.set(self.made.get() + 1);
        let path = Path::new("/tmp").join(format!("image-{}", self.made.get()));
        fs::create_dir_all(&path).expect("a directory");
        path
    }

    /// How many directories of images were made.
    pub(crate) fn images(&self) -> u32 {
        self.made.get()
    }

    pub(crate) fn status(&self, name: &str) -> Status {
        self.find(name).unwrap_or_else(|| panic!("there is no device {name}"))
    }

    pub(crate) fn find(&self, name: &str) -> Option<Status> {
        self.device_mapper.status(&device(name)).expect("an answer")
    }

    pub(crate) fn close(&self, name: &str) {
        let closed = Close::new(device(name)).udev(self.udev);
        let closed = closed.run(&self.device_mapper, verity_dm::Run::default());
        assert_eq!(closed.expect("it closes"), verity_dm::Closed::Removed);
    }

    /// Whatever a case made is gone again.
    pub(crate) fn check_clean(&self) {
        self.settle();
        assert_eq!(self.device_mapper.names().expect("an answer"), [], "devices");
        guest::check_nothing_is_left();
    }

    /// Waits until udev has nothing to do: it opens devices to look at them.
    pub(crate) fn settle(&self) {
        if self.udev != Udev::Never {
            ok("udevadm", &["settle"]);
        }
    }

    fn log(&self) {
        let log = tool("dmesg", &[]);
        let log = String::from_utf8_lossy(&log.stdout).into_owned();
        let lines: Vec<_> = log.lines().filter(|line| line.contains("device-mapper")).collect();
        println!("{}", lines[lines.len().saturating_sub(5)..].join("\n"));
    }
}

pub(crate) fn device(name: &str) -> MapperName {
    MapperName::new(name).expect("a name")
}

/// Runs a tool.
pub(crate) fn tool(program: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    command.output().unwrap_or_else(|error| panic!("{program}: {error}"))
}

/// Runs a tool that must succeed, and returns what it printed.
pub(crate) fn ok(program: &str, arguments: &[&str]) -> String {
    let output = tool(program, arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {stderr}");
    String::from_utf8(output.stdout).expect("UTF-8").trim_end().to_owned()
}

/// Runs a tool that must fail with this exit code, and returns what it said.
pub(crate) fn fails(program: &str, arguments: &[&str], code: i32) -> String {
    let output = tool(program, arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{program} {arguments:?}: {said}");
    said
}
