//! The real veritysetup, installed or unpacked.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use verity_testdata::oracle::{self, VeritySetup};
use verity_testdata::workspace;

/// One version of the original.
#[derive(Debug)]
pub(crate) struct Judge {
    program: PathBuf,
    words: Vec<String>,
    version: String,
}

impl Judge {
    /// The one that is installed.
    pub(crate) fn installed() -> Option<Judge> {
        let veritysetup = VeritySetup::find()?;
        let program = PathBuf::from(veritysetup.command().get_program());
        Some(Judge { program, words: Vec::new(), version: veritysetup.version() })
    }

    /// The one of a newer Debian, with its own loader and libraries.
    pub(crate) fn newer() -> Option<Judge> {
        let root = workspace().join("target/veritysetup/root");
        let libraries = root.join(format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH));
        let loader = std::fs::read_dir(&libraries).ok().and_then(|entries| {
            let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
            paths.find(|path| {
                path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("ld-linux"))
            })
        });
        let Some(program) = loader else {
            oracle::skip("a newer veritysetup (testdata/veritysetup/make.sh)");
            return None;
        };
        let setup = root.join("usr/sbin/veritysetup");
        let words =
            ["--library-path", libraries.to_str()?, "--argv0", "veritysetup", setup.to_str()?];
        let words = words.map(str::to_owned).to_vec();
        let mut judge = Judge { program, words, version: String::new() };
        let text = oracle::run_ok(judge.command().arg("--version"));
        judge.version = text.split_whitespace().nth(1).unwrap().to_owned();
        Some(judge)
    }

    /// A command line to add to.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        if self.words.is_empty() {
            command.arg0("veritysetup");
        }
        command.args(&self.words).env("LC_ALL", "C");
        command
    }

    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Whether it is older than the version that the personality follows.
    pub(crate) fn is_older(&self) -> bool {
        self.version.starts_with("2.6.")
    }
}
