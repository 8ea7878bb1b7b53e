//! What the cases in the machine need: ours and the original of two versions, the tools beside
//! them, and the look for what was left behind.

use std::cell::Cell;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use verity_testdata::guest;

/// Where ours is.
pub(crate) const OURS: &str = "/ours/veritysetup";
/// Where the newer one of the originals is, and what it runs by.
pub(crate) const NEWER: &str = "/newer/veritysetup";
pub(crate) const LOADER: &str = "/newer/loader";
pub(crate) const LIBRARIES: &str = "/newer/lib";

/// One of those that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    Ours,
    /// The original that ours follows.
    Newer,
    /// The original of the host.
    Older,
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Tool {
    pub(crate) const ALL: [Tool; 3] = [Tool::Ours, Tool::Newer, Tool::Older];

    pub(crate) fn command<S: AsRef<std::ffi::OsStr>>(self, arguments: &[S]) -> Command {
        let mut command = Command::new(match self {
            Tool::Ours => OURS,
            Tool::Newer => LOADER,
            Tool::Older => "veritysetup",
        });
        match self {
            Tool::Newer => {
                let words = ["--library-path", LIBRARIES, "--argv0", "veritysetup", NEWER];
                command.args(words);
            }
            _ => {
                command.arg0("veritysetup");
            }
        }
        command.args(arguments).env("LC_ALL", "C").stdin(Stdio::null());
        command
    }

    pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(self, arguments: &[S]) -> Said {
        let output = self.command(arguments).output().unwrap();
        Said::of(&output)
    }

    /// Does what must succeed without a word, and perhaps `said` lines on standard output.
    pub(crate) fn ok<S: AsRef<std::ffi::OsStr>>(self, arguments: &[S]) -> String {
        let said = self.run(arguments);
        let words: Vec<_> = arguments.iter().map(|word| word.as_ref().to_string_lossy()).collect();
        assert_eq!((said.code, &*said.stderr), (0, ""), "{self:?} {words:?}: {said:?}");
        said.stdout
    }

    /// Does what must succeed and say nothing.
    pub(crate) fn silently<S: AsRef<std::ffi::OsStr>>(self, arguments: &[S]) {
        assert_eq!(self.ok(arguments), "", "{self:?}");
    }
}

impl Said {
    pub(crate) fn of(output: &Output) -> Said {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_owned()).unwrap();
        let code = output.status.code().unwrap_or(-1);
        Said { code, stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

/// What is done in the machine, and its name.
pub(crate) type Case = (&'static str, fn(&Guest));

/// The machine as a case sees it.
pub(crate) struct Guest {
    pub(crate) has_udev: bool,
    made: Cell<u32>,
}

impl Guest {
    pub(crate) fn new(has_udev: bool) -> Guest {
        assert_eq!(has_udev, Path::new("/run/udev/control").exists(), "udev runs, or does not");
        Guest { has_udev, made: Cell::new(0) }
    }

    /// Runs all cases; each must leave nothing behind.
    pub(crate) fn run(&self, cases: &[Case]) {
        let run = |case: &fn(&Guest)| {
            case(self);
            self.check_clean();
        };
        guest::run_cases(cases, run, || guest::clean(|| self.settle()));
    }

    /// A directory of its own for each image, and its number.
    pub(crate) fn directory(&self) -> (PathBuf, u32) {
        self.made.set(self.made.get() + 1);
        let path = Path::new("/tmp").join(format!("image-{}", self.made.get()));
        fs::create_dir_all(&path).unwrap();
        (path, self.made.get())
    }

    /// Waits until udev has nothing to do: it opens devices to look at them.
    pub(crate) fn settle(&self) {
        if self.has_udev {
            tool("udevadm", &["settle"]);
        }
    }

    /// Whatever was made is gone again.
    pub(crate) fn check_clean(&self) {
        self.settle();
        assert_eq!(tool("dmsetup", &["ls"]), "No devices found");
        guest::check_nothing_is_left();
    }
}

/// Runs another tool, which must succeed, and returns what it printed.
pub(crate) fn tool(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    let output = command.args(arguments).stdin(Stdio::null()).output().unwrap();
    let said = Said::of(&output);
    assert_eq!(said.code, 0, "{program} {arguments:?}: {said:?}");
    said.stdout.trim_end().to_owned()
}

/// Attaches a loop device.
pub(crate) fn attach(file: &Path, more: &[&str]) -> String {
    let line = [&["--find", "--show"], more, &[file.to_str().unwrap()]].concat();
    tool("losetup", &line)
}

pub(crate) fn detach(device: &str) {
    tool("losetup", &["-d", device]);
}
