//! The files that a command line can name, anew for each run.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use verity_testdata::{oracle, pattern};

use super::judge::Judge;
use super::line::Line;
use crate::command::memory_tempdir;

pub(crate) const UUID: &str = "a60c98d2-ae9b-4865-bfcb-b4e3ace11033";

/// What every run finds, and what is known of it.
pub(crate) struct Template {
    dir: TempDir,
    /// The root hash of `d` by `h`.
    pub(crate) root: String,
}

/// Directories in which one line runs after the other.
pub(crate) struct World<'a> {
    template: &'a Template,
    dir: TempDir,
}

/// How a run ended and what it left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) files: BTreeMap<String, Content>,
}

/// A file: its permission bits and its bytes; of a directory, none.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) mode: u32,
    pub(crate) bytes: Vec<u8>,
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:o} {} bytes", self.mode, self.bytes.len())
    }
}

/// The size of the data, in blocks of 4096 bytes.
pub(crate) const BLOCKS: usize = 40;

impl World<'_> {
    /// Makes the files that every run finds.
    pub(crate) fn template(judge: &Judge) -> Template {
        let dir = memory_tempdir();
        let path = |name: &str| dir.path().join(name);
        let data = pattern::sha256_stream(BLOCKS * 4096);
        let write = |name: &str, bytes: &[u8]| fs::write(path(name), bytes).unwrap();
        write("d", &data);
        write("e", b"");
        write("small", &data[..300]);
        write("odd", &data[..5000]);
        write("img", &[&data[..], &[0x5a; 1 << 18]].concat());
        write("old", &[0xa5; 1 << 16]);
        fs::create_dir(path("dir")).unwrap();
        let format = |line: &str| {
            let mut command = judge.command();
            command.arg("format").args(line.split_whitespace()).current_dir(dir.path());
            let text = oracle::run_ok(&mut command);
            let line = text.lines().find(|line| line.starts_with("Root hash:")).unwrap();
            line.split_whitespace().last().unwrap().to_owned()
        };
        let identity = format!("--salt=00ff --uuid={UUID}");
        let root = format(&format!("d h {identity} --fec-device=f"));
        format(&format!("d plain {identity} --no-superblock"));
        let size = BLOCKS * 4096;
        format(&format!("img img {identity} --data-blocks={BLOCKS} --hash-offset={size}"));
        let changed = |name: &str, source: &str, offset: usize, bytes: &[u8]| {
            let mut all = fs::read(path(source)).unwrap();
            all[offset..offset + bytes.len()].copy_from_slice(bytes);
            write(name, &all);
        };
        changed("bad", "d", 9000, b"x");
        changed("worse", "d", 0, &vec![7; size]);
        changed("badh", "h", 4096 + 40, b"x");
        changed("spare", "h", 4096 + 4000, b"x");
        changed("version", "h", 8, &[2]);
        changed("type", "h", 12, &[2]);
        changed("size", "h", 65, &[11]);
        changed("alg", "h", 32, b"foo");
        changed("salt", "h", 81, &[7]);
        let hash = fs::read(path("h")).unwrap();
        write("cut", &hash[..5000]);
        write("root", root.as_bytes());
        write("rootline", format!("{root}\nmore\n").as_bytes());
        write("blank", format!(" {root}").as_bytes());
        write("short", &root.as_bytes()[..20]);
        write("sig", b"signature");
        Template { dir, root }
    }

    pub(crate) fn new(template: &Template) -> World<'_> {
        World { template, dir: memory_tempdir() }
    }

    pub(crate) fn run_ours(&mut self, line: &Line) -> Outcome {
        let mut command = Command::new(env!("CARGO_BIN_EXE_verity"));
        command.arg0("veritysetup");
        self.run(command, line)
    }

    pub(crate) fn run_theirs(&mut self, judge: &Judge, line: &Line) -> Outcome {
        self.run(judge.command(), line)
    }

    fn run(&mut self, mut command: Command, line: &Line) -> Outcome {
        let place = self.dir.path().join("run");
        if place.exists() {
            fs::remove_dir_all(&place).unwrap();
        }
        fs::create_dir(&place).unwrap();
        for (name, path) in entries(self.template.dir.path()) {
            match path.is_dir() {
                true => fs::create_dir(place.join(name)).unwrap(),
                false => drop(fs::copy(path, place.join(name)).unwrap()),
            }
        }
        command.args(line.words()).current_dir(&place).stdin(Stdio::null());
        let Output { status, stdout, stderr } = command.output().unwrap();
        Outcome {
            code: status.code(),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
            files: contents(&place),
        }
    }
}

impl Template {
    /// What a file holds before a run.
    pub(crate) fn files(&self) -> BTreeMap<String, Content> {
        contents(self.dir.path())
    }
}

fn entries(dir: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path())).collect()
}

fn contents(dir: &Path) -> BTreeMap<String, Content> {
    let content = |path: &Path| Content {
        mode: fs::metadata(path).unwrap().permissions().mode() & 0o7777,
        bytes: if path.is_dir() { Vec::new() } else { sparse_bytes(path) },
    };
    entries(dir).into_iter().map(|(name, path)| (name, content(&path))).collect()
}

/// The bytes of a file; of one that is all too long for that, how long it is.
fn sparse_bytes(path: &Path) -> Vec<u8> {
    let size = fs::metadata(path).unwrap().len();
    if size > 64 << 20 { size.to_string().into_bytes() } else { fs::read(path).unwrap() }
}
