//! Where clients connect: a unix socket or a TCP port.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::net::{SocketFlags, sockopt};
use verity::publish::Leftover;

use crate::error::{Class, CommandError, OrFail};

/// After so long a silence, a TCP connection is asked whether the other side is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Where to listen.
#[derive(Clone, Debug)]
pub(crate) enum Address {
    Unix { path: PathBuf, mode: u32 },
    Tcp(SocketAddr),
}

/// A socket that listens.
#[derive(Debug)]
pub(crate) enum Endpoint {
    Unix { listener: UnixListener, file: SocketFile },
    Tcp(TcpListener),
}

impl Endpoint {
    pub(crate) fn bind(address: &Address) -> Result<Endpoint, CommandError> {
        let endpoint = match address {
            Address::Unix { path, mode } => bind_unix(path, *mode)?,
            Address::Tcp(address) => {
                let listener = TcpListener::bind(address).map_err(|error| {
                    let class = match error.kind() {
                        ErrorKind::AddrInUse => Class::Busy,
                        _ => Class::Io,
                    };
                    CommandError::new(
                        class,
                        anyhow::Error::new(error).context(format!("cannot listen on {address}")),
                    )
                })?;
                Endpoint::Tcp(listener)
            }
        };
        // Between the news of a client and its acceptance it may be gone: that must not block.
        rustix::io::ioctl_fionbio(endpoint.as_fd(), true)
            .map_err(|error| CommandError::new(Class::Io, error))?;
        Ok(endpoint)
    }

    /// The next client that is waiting.
    pub(crate) fn accept(&self) -> Result<OwnedFd, Errno> {
        let socket = rustix::net::accept_with(self.as_fd(), SocketFlags::CLOEXEC)?;
        if let Endpoint::Tcp(_) = self {
            sockopt::set_tcp_nodelay(&socket, true)?;
            sockopt::set_socket_keepalive(&socket, true)?;
            sockopt::set_tcp_keepidle(&socket, KEEPALIVE)?;
        }
        Ok(socket)
    }

    /// How clients name the export here.
    pub(crate) fn uri(&self, export_name: &str) -> Result<String, CommandError> {
        let name = percent_encoded(export_name.as_bytes());
        let failed = |error: io::Error| CommandError::new(Class::Io, error);
        Ok(match self {
            Endpoint::Unix { file, .. } => {
                let path = std::path::absolute(&file.path).map_err(failed)?;
                format!(
                    "nbd+unix:///{name}?socket={}",
                    percent_encoded(path.as_os_str().as_bytes())
                )
            }
            Endpoint::Tcp(listener) => {
                format!("nbd://{}/{name}", listener.local_addr().map_err(failed)?)
            }
        })
    }
}

impl AsFd for Endpoint {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Endpoint::Unix { listener, .. } => listener.as_fd(),
            Endpoint::Tcp(listener) => listener.as_fd(),
        }
    }
}

/// The file of a socket. It is removed when this is dropped, unless it has become another one.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
    /// Removes the file when the process is ended before this is dropped.
    _leftover: Leftover,
}

impl SocketFile {
    fn new(path: &Path) -> io::Result<SocketFile> {
        let (path, identity) = (path.to_owned(), identity(path)?);
        let remembered = path.clone();
        let leftover = Leftover::new(move || remove_socket(&remembered, identity));
        Ok(SocketFile { path, identity, _leftover: leftover })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        remove_socket(&self.path, self.identity);
    }
}

fn remove_socket(path: &Path, own: (u64, u64)) {
    if identity(path).is_ok_and(|found| found == own) {
        // Nobody is left to be told.
        let _ = fs::remove_file(path);
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

fn bind_unix(path: &Path, mode: u32) -> Result<Endpoint, CommandError> {
    let listener = match bind_with_mode(path, mode) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let _lock = lock_directory(path)?;
            remove_stale(path)?;
            bind_with_mode(path, mode)
        }
        result => result,
    };
    let listener = listener.map_err(|error| {
        let error = anyhow::Error::new(error).context("cannot make a socket here");
        CommandError::new(Class::Io, error).at(path)
    })?;
    let file = SocketFile::new(path).or_fail(Class::Io, path)?;
    Ok(Endpoint::Unix { listener, file })
}

/// The mode must be right from the start. It comes from the mask of the process, which makes no
/// other files yet.
fn bind_with_mode(path: &Path, mode: u32) -> io::Result<UnixListener> {
    let mask = rustix::process::umask(Mode::from_raw_mode(!mode & 0o777));
    let listener = UnixListener::bind(path);
    rustix::process::umask(mask);
    listener
}

/// So that of two servers that find the same stale socket, one does not remove the new one of the
/// other.
fn lock_directory(path: &Path) -> Result<File, CommandError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let file = File::open(directory).or_fail(Class::Io, directory)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let words = "another run has locked this directory, in which an old socket is to be \
                         replaced: try again once it has ended";
            Err(CommandError::message(Class::Busy, words).at(directory))
        }
        Err(TryLockError::Error(error)) => Err(error).or_fail(Class::Io, directory),
    }
}

/// Removes a socket that nobody listens on.
fn remove_stale(path: &Path) -> Result<(), CommandError> {
    let kind = fs::symlink_metadata(path).or_fail(Class::Io, path)?.file_type();
    if !kind.is_socket() {
        let words = "there is something else than a socket: remove it, or name another place";
        return Err(CommandError::usage(words).at(path));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).or_fail(Class::Io, path)
        }
        _ => Err(CommandError::message(Class::Busy, "another server listens there").at(path)),
    }
}

fn percent_encoded(bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                text.push(char::from(byte));
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c14_a_uri_is_one_word_whatever_the_path_holds() {
        assert_eq!(percent_encoded(b"/run/a-b_c.d~1"), "/run/a-b_c.d~1");
        assert_eq!(percent_encoded(b"a b?c&\n\xff%"), "a%20b%3Fc%26%0A%FF%25");
    }
}
