//! Passphrases and PINs: from a file, an open descriptor or the environment, never from an
//! argument.
//!
//! Buffers are wiped. While a secret is held, this process writes no core dump and other processes
//! of the same user cannot look into its memory.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use zeroize::Zeroizing;

use super::key_file::warn_of_readers;
use crate::descriptors::is_inherited;
use crate::dumps;
use crate::error::{Class, CommandError, OrFail};
use crate::inputs;
use crate::roles;
use crate::signals::Signals;
use crate::streams::{INPUT, is_standard};

/// The longest passphrase or PIN, in bytes.
pub(super) const MAX_SECRET_BYTES: usize = 1024;

/// Where a secret comes from.
#[derive(Debug)]
pub(crate) enum SecretSource {
    /// What was behind the number of a file descriptor when the command began.
    Descriptor {
        number: u32,
        file: Result<File, Errno>,
    },
    /// The name of a variable.
    Environment(OsString),
    File(PathBuf),
}

impl SecretSource {
    /// An open file descriptor. Taken before the command opens anything: a number that is not open
    /// now would be a file of our own later.
    pub(crate) fn descriptor(number: u32) -> SecretSource {
        SecretSource::Descriptor { number, file: descriptor(number) }
    }

    /// Reads the secret, less one line end behind it. A signal ends the waiting for it.
    pub(crate) fn read(
        &self,
        what: &str,
        signals: &Signals,
    ) -> Result<Zeroizing<Vec<u8>>, CommandError> {
        match self {
            SecretSource::File(path) if is_standard(path) => {
                let file = descriptor(STDIN);
                read_descriptor(file.as_ref(), Path::new(INPUT), what, signals)
            }
            SecretSource::File(path) => {
                let input = inputs::open(path)?;
                warn_of_readers(input.file(), path, &format!("the {what}"))?;
                dumps::forbid()?;
                read_file(input.file(), path, what, signals)
            }
            SecretSource::Descriptor { number, file } => {
                read_descriptor(file.as_ref(), &descriptor_path(*number), what, signals)
            }
            SecretSource::Environment(name) => {
                dumps::forbid()?;
                // The name is not repeated: somebody may have given the passphrase itself.
                let value = std::env::var_os(name).ok_or_else(|| {
                    CommandError::usage(
                        "--passphrase-env: there is no environment variable of that name",
                    )
                })?;
                let mut bytes = Zeroizing::new(vec![0; MAX_SECRET_BYTES + 1]);
                let length = value.as_bytes().len().min(bytes.len());
                bytes[..length].copy_from_slice(&value.as_bytes()[..length]);
                bytes.truncate(length);
                finish(bytes, what)
            }
        }
    }

    /// The file, if it is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            SecretSource::File(path) if !is_standard(path) => Some(path),
            _ => None,
        }
    }
}

/// Reads a secret out of what was open when the command began.
fn read_descriptor(
    file: Result<&File, &Errno>,
    path: &Path,
    what: &str,
    signals: &Signals,
) -> Result<Zeroizing<Vec<u8>>, CommandError> {
    let file = file.map_err(|&error| io::Error::from(error)).or_fail(Class::Io, path)?;
    roles::reads(file, path)?;
    dumps::forbid()?;
    read_file(file, path, what, signals)
}

fn read_file(
    file: &File,
    path: &Path,
    what: &str,
    signals: &Signals,
) -> Result<Zeroizing<Vec<u8>>, CommandError> {
    // Up to one byte more than a secret and its line end may have.
    let bytes = inputs::read_wiped(Waiting { file, signals }, MAX_SECRET_BYTES + 3);
    signals.check()?;
    finish(bytes.or_fail(Class::Io, path)?, what).map_err(|error| error.at(path))
}

/// The number of standard input.
const STDIN: u32 = 0;

/// What a descriptor is called.
fn descriptor_path(number: u32) -> PathBuf {
    PathBuf::from(format!("/dev/fd/{number}"))
}

/// The file behind a number. The kernel duplicates the descriptor itself where it can (since Linux
/// 5.6): the path opens the file anew, which a pipe that another user has made does not allow.
fn descriptor(number: u32) -> Result<File, Errno> {
    let foreign = i32::try_from(number).map_err(|_| Errno::BADF)?;
    if !is_inherited(number) {
        return Err(Errno::BADF);
    }
    let duplicate = pidfd_open(getpid(), PidfdFlags::empty())
        .and_then(|own| pidfd_getfd(own, foreign, PidfdGetfdFlags::empty()));
    match duplicate {
        Ok(descriptor) => Ok(descriptor.into()),
        Err(Errno::BADF) => Err(Errno::BADF),
        Err(_) => File::open(descriptor_path(number))
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO)),
    }
}

/// A file, perhaps a pipe that stays silent: a signal ends the waiting.
struct Waiting<'a> {
    file: &'a File,
    signals: &'a Signals,
}

impl Read for Waiting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.signals.raised() {
            let tick = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
            match poll(&mut [PollFd::new(self.file, PollFlags::IN)], Some(&tick)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Read::read(&mut &*self.file, buffer),
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::Error::other("interrupted"))
    }
}

/// Cuts off one line end, and refuses what cannot be a secret.
pub(super) fn finish(
    mut bytes: Zeroizing<Vec<u8>>,
    what: &str,
) -> Result<Zeroizing<Vec<u8>>, CommandError> {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    let refused = |words: String| Err(CommandError::message(Class::Trust, words));
    match bytes.as_slice() {
        [] => refused(format!("the {what} is empty")),
        bytes if bytes.len() > MAX_SECRET_BYTES => {
            refused(format!("the {what} is longer than {MAX_SECRET_BYTES} bytes"))
        }
        bytes if bytes.iter().any(|byte| matches!(byte, b'\0' | b'\n' | b'\r')) => {
            refused(format!("the {what} has a line end or a zero byte in it"))
        }
        _ => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k03_one_line_end_is_cut_off_and_nothing_else() {
        let read = |bytes: &[u8]| {
            let bytes = inputs::read_wiped(bytes, MAX_SECRET_BYTES + 3).unwrap();
            finish(bytes, "passphrase").map(|secret| secret.to_vec()).map_err(|error| error.words())
        };
        for (file, secret) in [
            ("word", "word"),
            ("word\n", "word"),
            ("word\r\n", "word"),
            (" two words \n", " two words "),
            ("\u{e9}\t\n", "\u{e9}\t"),
        ] {
            assert_eq!(read(file.as_bytes()), Ok(secret.as_bytes().to_vec()));
        }
        let most = "x".repeat(MAX_SECRET_BYTES);
        assert_eq!(read(format!("{most}\r\n").as_bytes()), Ok(most.clone().into_bytes()));
        for (file, words) in [
            (String::new(), "is empty"),
            ("\n".to_owned(), "is empty"),
            ("\r\n".to_owned(), "is empty"),
            ("\n\n".to_owned(), "line end"),
            ("word\n\n".to_owned(), "line end"),
            ("one\ntwo".to_owned(), "line end"),
            ("ze\0ro".to_owned(), "zero byte"),
            (format!("{most}x"), "longer than 1024"),
            ("x".repeat(1 << 20), "longer than 1024"),
        ] {
            let error = read(file.as_bytes()).unwrap_err();
            assert!(error.contains(words), "{error}");
            assert!(!error.contains("word"), "{error}");
        }
    }
}
