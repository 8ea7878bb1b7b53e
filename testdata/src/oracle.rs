//! The real tools that results are compared with, and what happens where one is missing.
//!
//! A test asks [`require`] for its tool and returns early without it. On a developer's machine
//! that is a line on stderr; where `CI=true` or `VERITY_REQUIRE_ORACLES=1` it is a failure, so
//! that a comparison cannot vanish unseen. Which package brings which tool is in
//! `debian-packages.txt`.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::reference::Scheme;

/// The path of a tool, from `PATH` or the system directories that `PATH` may lack.
///
/// # Panics
/// If it is missing where tests may not be skipped.
#[must_use]
pub fn require(tool: &str) -> Option<PathBuf> {
    let found = find(tool);
    if found.is_none() {
        skip(&format!("{tool} (Debian package {})", debian_package(tool)));
    }
    found
}

/// Whether the test runs as root.
///
/// # Panics
/// If it does not where tests may not be skipped.
#[must_use]
pub fn require_root() -> bool {
    let root = is_root();
    if !root {
        skip("root");
    }
    root
}

/// Says that a test is skipped because it `needs` something, or fails where that is not allowed.
///
/// # Panics
/// If `CI=true` or `VERITY_REQUIRE_ORACLES=1` is set.
pub fn skip(needs: &str) {
    assert!(!skipping_is_forbidden(), "this test may not be skipped here, and needs {needs}");
    eprintln!("SKIPPED: needs {needs}");
}

/// Runs a command to its end, with no input.
///
/// # Panics
/// If it cannot be started.
pub fn run(command: &mut Command) -> Output {
    command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("start {}: {error}", describe(command)))
}

/// Runs a command that must succeed, and returns what it printed.
///
/// # Panics
/// If it cannot be started, fails, or prints anything but UTF-8.
pub fn run_ok(command: &mut Command) -> String {
    let output = run(command);
    assert!(output.status.success(), "{}", failure(command, &output));
    String::from_utf8(output.stdout).expect("UTF-8 on stdout")
}

/// A failed command in words: what was run, how it ended, what it said.
#[must_use]
pub fn failure(command: &Command, output: &Output) -> String {
    format!(
        "{}\n{}\nstdout: {}\nstderr: {}",
        describe(command),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The reference implementation.
#[derive(Clone, Debug)]
pub struct VeritySetup {
    path: PathBuf,
}

impl VeritySetup {
    /// Finds it, by the rule of [`require`].
    #[must_use]
    pub fn find() -> Option<VeritySetup> {
        require("veritysetup").map(|path| VeritySetup { path })
    }

    /// A command line to add to.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.env("LC_ALL", "C");
        command
    }

    /// The program's version, such as `2.6.1`.
    #[must_use]
    pub fn version(&self) -> String {
        let text = run_ok(self.command().arg("--version"));
        text.split_whitespace().nth(1).unwrap_or("unknown").to_owned()
    }

    /// `veritysetup format DATA HASH ARGS…`, which must succeed.
    ///
    /// # Panics
    /// If it does not.
    pub fn format<S: AsRef<OsStr>>(&self, data: &Path, hash: &Path, args: &[S]) -> Header {
        let mut command = self.command();
        command.arg("format").arg(data).arg(hash).args(args);
        Header::parse(run_ok(&mut command))
    }

    /// `veritysetup format DATA HASH ARGS…`.
    ///
    /// # Errors
    /// What it said, if it failed.
    pub fn try_format<S: AsRef<OsStr>>(
        &self,
        data: &Path,
        hash: &Path,
        args: &[S],
    ) -> Result<Header, Output> {
        let output = run(self.command().arg("format").arg(data).arg(hash).args(args));
        if !output.status.success() {
            return Err(output);
        }
        Ok(Header::parse(String::from_utf8_lossy(&output.stdout).into_owned()))
    }

    /// `veritysetup verify DATA HASH ROOT ARGS…`.
    pub fn verify<S: AsRef<OsStr>>(
        &self,
        data: &Path,
        hash: &Path,
        root_hash: &str,
        args: &[S],
    ) -> Output {
        run(self.command().arg("verify").arg(data).arg(hash).arg(root_hash).args(args))
    }

    /// `veritysetup dump HASH ARGS…`, which must succeed.
    ///
    /// # Panics
    /// If it does not.
    pub fn dump<S: AsRef<OsStr>>(&self, hash: &Path, args: &[S]) -> Header {
        Header::parse(run_ok(self.command().arg("dump").arg(hash).args(args)))
    }
}

/// What `veritysetup format` and `dump` print: `Label: value` lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    text: String,
}

impl Header {
    /// Takes the text of any program that prints the same labels.
    #[must_use]
    pub fn parse(text: String) -> Header {
        Header { text }
    }

    /// The value after a label, without the blanks around it; `Some("")` where there is none.
    #[must_use]
    pub fn field(&self, label: &str) -> Option<&str> {
        self.text
            .lines()
            .find_map(|line| line.strip_prefix(label)?.strip_prefix(':'))
            .map(str::trim)
    }

    /// The root hash, hexadecimal.
    ///
    /// # Panics
    /// If the text has none.
    #[must_use]
    pub fn root_hash(&self) -> &str {
        self.field("Root hash").unwrap_or_else(|| panic!("no root hash in:\n{}", self.text))
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// A scheme as options of `veritysetup` (and of `verity`, which spells them the same).
#[must_use]
pub fn arguments(scheme: &Scheme) -> Vec<String> {
    let salt = if scheme.salt.is_empty() { "-".to_owned() } else { hex::encode(&scheme.salt) };
    vec![
        format!("--hash={}", scheme.algorithm),
        format!("--format={}", scheme.hash_type),
        format!("--data-block-size={}", scheme.data_block_size),
        format!("--hash-block-size={}", scheme.hash_block_size),
        format!("--salt={salt}"),
    ]
}

/// The digest of each message as Python's hashlib computes it; none where Python is missing, or
/// where its hashlib lacks the algorithm (sm3 depends on the OpenSSL behind it).
///
/// # Panics
/// If Python fails, or is missing where tests may not be skipped.
#[must_use]
pub fn python_digests<M: AsRef<[u8]>>(algorithm: &str, messages: &[M]) -> Option<Vec<Vec<u8>>> {
    let python = require("python3")?;
    let mut child = Command::new(python)
        .args(["-c", PYTHON_DIGESTS, algorithm])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("start python3");
    let lines: String = messages.iter().map(|message| hex::encode(message) + "\n").collect();
    child.stdin.take().expect("a pipe").write_all(lines.as_bytes()).expect("python3 reads");
    let output = child.wait_with_output().expect("python3 ends");
    let text = String::from_utf8_lossy(&output.stdout);
    match output.status.code() {
        Some(0) => Some(text.lines().map(|line| hex::decode(line).expect("hexadecimal")).collect()),
        Some(3) => None,
        _ => panic!("python3 failed on {algorithm}: {}", output.status),
    }
}

// Reads everything before it writes anything, so that neither side waits for the other.
const PYTHON_DIGESTS: &str = r#"
import hashlib, sys
name = sys.argv[1]
messages = [bytes.fromhex(line) for line in sys.stdin]
sized = {
    "blake2b-256": ("blake2b", 32),
    "blake2b-512": ("blake2b", 64),
    "blake2s-256": ("blake2s", 32),
}
def digest(message):
    if name in sized:
        return getattr(hashlib, sized[name][0])(message, digest_size=sized[name][1])
    return hashlib.new(name.replace("sha3-", "sha3_"), message)
try:
    digests = [digest(message).hexdigest() for message in messages]
except ValueError:
    sys.exit(3)
print("\n".join(digests))
"#;

fn find(tool: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(system)
        .map(|directory| directory.join(tool))
        .find(|candidate| candidate.is_file())
}

fn debian_package(tool: &str) -> &'static str {
    PACKAGES
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_ascii_whitespace())
        .find_map(|mut words| words.next().filter(|name| *name == tool).and(words.next()))
        .unwrap_or("unknown")
}

const PACKAGES: &str = include_str!("../debian-packages.txt");

fn skipping_is_forbidden() -> bool {
    let is = |name, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    is("CI", "true") || is("VERITY_REQUIRE_ORACLES", "1")
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    // The process's own directory belongs to the effective user.
    std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_has_a_package() {
        assert_eq!(debian_package("veritysetup"), "cryptsetup-bin");
        assert_eq!(debian_package("losetup"), "mount");
        let grub = "/usr/lib/grub/x86_64-efi/moddep.lst";
        assert_eq!(debian_package(grub), "grub-efi-amd64-bin");
        assert_eq!(debian_package("no-such-tool"), "unknown");
    }

    #[test]
    fn a_header_gives_values_by_label() {
        let header = Header::parse(
            "VERITY header information for h\nUUID:            \t\n\
             Data block size: \t512\nRoot hash:      \tab\n"
                .to_owned(),
        );
        assert_eq!(header.field("UUID"), Some(""));
        assert_eq!(header.field("Data block size"), Some("512"));
        assert_eq!(header.field("Data block"), None);
        assert_eq!(header.root_hash(), "ab");
    }
}
