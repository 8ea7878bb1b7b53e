//! Runs the real binary in a directory of its own.

pub(crate) mod disk;
pub(crate) mod golden;
pub(crate) mod layout;
#[cfg(feature = "pkcs11")]
pub(crate) mod token;
#[cfg(feature = "http")]
pub(crate) mod web;

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use verity_testdata::files::{self, TempDir};
use verity_testdata::{oracle, pattern};

pub(crate) const UUID: &str = "a60c98d2-ae9b-4865-bfcb-b4e3ace11033";

/// A directory in which the command runs.
pub(crate) struct Dir(TempDir);

impl Dir {
    pub(crate) fn new() -> Dir {
        Dir(files::tempdir())
    }

    /// A directory with an image of `blocks` blocks of 4096 bytes, called `data`.
    pub(crate) fn with_data(blocks: usize) -> Dir {
        let dir = Dir::new();
        dir.write("data", &pattern::sha256_stream(blocks * 4096));
        dir
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        files::write(&self.path(name), bytes);
    }

    /// Makes a shell script by another process: a file that this one has open for writing cannot be
    /// executed, and what other tests start at that moment has it open, too.
    pub(crate) fn script(&self, name: &str, text: &str) {
        let mut shell = self.tool("sh");
        shell.args(["-c", "cat >\"$1\" && chmod 755 \"$1\"", "sh", name]).stdin(Stdio::piped());
        let mut shell = shell.spawn().unwrap();
        write!(shell.stdin.take().unwrap(), "#!/bin/sh\n{text}\n").unwrap();
        assert!(shell.wait().unwrap().success());
    }

    /// The program itself, where other users can execute it; by another process, as scripts are.
    pub(crate) fn own_verity(&self) {
        oracle::run_ok(self.tool("cp").args([env!("CARGO_BIN_EXE_verity"), "verity"]));
        self.set_mode("verity", 0o755);
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        files::read(&self.path(name))
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// Overwrites bytes in the middle of a file.
    pub(crate) fn patch(&self, name: &str, offset: usize, bytes: &[u8]) {
        let mut all = self.read(name);
        all[offset..offset + bytes.len()].copy_from_slice(bytes);
        self.write(name, &all);
    }

    pub(crate) fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.path(name)).unwrap().permissions().mode() & 0o7777
    }

    pub(crate) fn set_mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// The names in the directory, sorted; hidden ones too.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    /// The command, in this directory.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_verity"));
        command.current_dir(self.0.path());
        command
    }

    /// Another program, in this directory.
    pub(crate) fn tool(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.0.path());
        command
    }

    /// Runs a command line, split at blanks.
    pub(crate) fn run(&self, line: &str) -> Run {
        self.run_words(line.split_whitespace())
    }

    pub(crate) fn run_words<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Run {
        Run::of(self.command().args(words).output().unwrap())
    }

    /// Runs a command line whose standard output is data; returns the exit code, the data and what
    /// was said.
    pub(crate) fn run_bytes(&self, line: &str) -> (i32, Vec<u8>, String) {
        let output = self.command().args(line.split_whitespace()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), output.stdout, said)
    }

    /// Runs a command line that must succeed; returns its standard output.
    #[track_caller]
    pub(crate) fn ok(&self, line: &str) -> String {
        let run = self.run(line);
        assert_eq!(run.code, 0, "{line}: {run:?}");
        run.stdout
    }

    /// Runs a command line that must fail so, and checks that a word stands in the message.
    #[track_caller]
    pub(crate) fn fails(&self, line: &str, code: i32, word: &str) -> Run {
        let run = self.run(line);
        assert_eq!(run.code, code, "{line}: {run:?}");
        assert!(run.stderr.contains(word), "{line}: {word:?} is not in {run:?}");
        assert!(run.stderr.contains("verity: "), "{line}: {run:?}");
        run
    }

    /// Makes `hash` over `data` and returns the root hash.
    #[track_caller]
    pub(crate) fn format(&self, options: &str) -> String {
        root_hash(&self.ok(&format!("format data hash {options}")))
    }

    /// Copies a test key and its certificate here, as `NAME.key` and `NAME.cert`.
    pub(crate) fn key(&self, name: &str) {
        for (part, mode) in [("key", 0o600), ("cert", 0o644)] {
            let source = format!("keys/TEST_KEY_DO_NOT_USE.{name}.{part}.pem");
            let here = format!("{name}.{part}");
            self.write(&here, &files::read(&verity_testdata::path(&source)));
            self.set_mode(&here, mode);
        }
    }

    /// A directory with the RSA test key, the same encrypted (`enc.key`), its passphrase, and a
    /// signature of [`ROOT`] by it (`plain`). `None` where openssl is missing and may be.
    pub(crate) fn with_encrypted_key() -> Option<Dir> {
        oracle::require("openssl")?;
        let dir = Dir::new();
        dir.key("rsa2048");
        dir.write("passphrase", format!("{PASSPHRASE}\n").as_bytes());
        dir.set_mode("passphrase", 0o600);
        dir.openssl("pkcs8 -topk8 -in rsa2048.key -passout file:passphrase -out enc.key");
        dir.set_mode("enc.key", 0o600);
        dir.ok(&format!("sign {ROOT} --key rsa2048.key --certificate rsa2048.cert --output plain"));
        Some(dir)
    }

    /// Runs openssl here, words split at blanks.
    pub(crate) fn openssl(&self, line: &str) {
        oracle::run_ok(self.tool("openssl").args(line.split_whitespace()));
    }

    /// Runs a command line, and counts the bytes that it reads from the file of this name. `None`
    /// where strace is missing and may be.
    pub(crate) fn bytes_read(&self, line: &str, name: &str) -> Option<(Run, u64)> {
        let mut strace = self.tool(oracle::require("strace")?);
        strace.args([
            // A file for each thread: in one for all, calls that overlap are told in halves.
            "-ff",
            "-y",
            "-s",
            "0",
            "-o",
            "calls",
            "-e",
            "trace=read,pread64,readv,preadv,preadv2,mmap",
        ]);
        strace.arg(env!("CARGO_BIN_EXE_verity")).args(line.split_whitespace());
        let run = Run::of(strace.output().unwrap());
        let mut sum = 0;
        for calls in self.names().iter().filter(|name| name.starts_with("calls.")) {
            let text = String::from_utf8(self.read(calls)).unwrap();
            let of_file = text
                .lines()
                .filter(|call| call.contains(&format!("/{name}>")) && !is_for_prefetching(call));
            sum += of_file.map(bytes_of_read).sum::<u64>();
            fs::remove_file(self.path(calls)).unwrap();
        }
        Some((run, sum))
    }

    /// A directory with an image of that many blocks, built and signed with the RSA test key.
    pub(crate) fn with_signed_set(blocks: usize) -> Dir {
        let dir = Dir::new();
        dir.key("rsa2048");
        dir.write("image.raw", &pattern::sha256_stream(blocks * 4096));
        dir.ok(SIGNED_BUILD);
        dir
    }
}

/// Whether a call serves to fetch what comes next: a mapping, of which no byte is read, or a byte
/// that tells, without waiting, whether others are in memory.
pub(crate) fn is_for_prefetching(call: &str) -> bool {
    call.starts_with("mmap(") && call.contains("PROT_READ, MAP_PRIVATE,")
        || call.starts_with("preadv2(") && call.contains(", RWF_NOWAIT)")
}

/// What a read has given, as strace tells of it; nothing if it failed, or if the program was gone
/// before it ended.
fn bytes_of_read(call: &str) -> u64 {
    assert!(call.contains("read"), "{call}");
    let (_, result) = call.rsplit_once(" = ").unwrap_or_else(|| panic!("{call}"));
    match result.split_once(' ').map_or(result, |(number, _)| number) {
        "?" | "-1" => 0,
        number => number.parse().unwrap_or_else(|error| panic!("{call}: {error}")),
    }
}

#[test]
fn reads_are_counted_however_strace_tells_of_them() {
    for (call, bytes) in [
        ("pread64(3</tmp/data>, \"\"..., 4096, 0) = 4096", 4096),
        ("read(3</tmp/a = b>, \"\"..., 4096) = 17", 17),
        ("read(3</tmp/data>, \"\", 4096)     = 0", 0),
        ("pread64(3</tmp/data>,  <unfinished ...>) = ?", 0),
        ("pread64(3</tmp/data>, 0x7f00, 4096, 0) = -1 EIO (Input/output error)", 0),
        ("pread64(3</tmp/data>, 0x7f00, 4096, 0) = ? ERESTARTSYS (To be restarted)", 0),
    ] {
        assert_eq!(bytes_of_read(call), bytes, "{call}");
    }
}

/// A root hash.
pub(crate) const ROOT: &str = "a9e406766857ce87406feadbd6ae3eed3482772d6154ba2080a4b2cb6f21af4d";
pub(crate) const PASSPHRASE: &str = "correct horse 271828";

pub(crate) const SIGNED_BUILD: &str =
    "build image.raw --key rsa2048.key --certificate rsa2048.cert --seed test";
pub(crate) const CHECK: &str = "check image.raw --certificate rsa2048.cert";

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn of(output: Output) -> Run {
        // A shell's word for a process that a signal has ended.
        let killed = output.status.signal().map(|signal| 128 + signal);
        Run {
            code: output.status.code().or(killed).unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The last field of the line `Root hash:`, as scripts take it.
#[track_caller]
pub(crate) fn root_hash(text: &str) -> String {
    let line = text.lines().find(|line| line.starts_with("Root hash:")).expect("a root hash");
    line.split_whitespace().last().unwrap().to_owned()
}

/// Another root hash of the same length.
pub(crate) fn wrong(root_hash: &str) -> String {
    let digit = if root_hash.starts_with('0') { "1" } else { "0" };
    format!("{digit}{}", &root_hash[1..])
}

/// No temporary file is left.
#[track_caller]
pub(crate) fn assert_no_leftovers(dir: &Dir) {
    let names = dir.names();
    assert!(names.iter().all(|name| !name.contains("verity-tmp")), "{names:?}");
}

pub(crate) fn same_file(a: &Path, b: &Path) -> bool {
    fs::read(a).unwrap() == fs::read(b).unwrap()
}

/// Waits until a run has read some of its data, and so has opened it.
pub(crate) fn wait_until_reading(child: &Child) {
    let io = format!("/proc/{}/io", child.id());
    for _ in 0..10_000 {
        let read = fs::read_to_string(&io).unwrap_or_default();
        let read = read.lines().find_map(|line| line.strip_prefix("rchar: ")?.parse::<u64>().ok());
        if read.is_some_and(|bytes| bytes > 8 << 20) {
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
    panic!("nothing is read");
}
