//! One client's socket, with an end to patience.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::sockopt::{self, Timeout};
use rustix::net::{RecvFlags, SendFlags};

/// Less than this is no time at all.
const TICK: Duration = Duration::from_millis(1);

/// A connection whose handshake has a deadline, and whose every write must get on within the same
/// time. Afterwards a client that is sent nothing may have a deadline, too.
#[derive(Debug)]
pub(super) struct Connection<'a> {
    socket: &'a OwnedFd,
    deadline: Cell<Option<Instant>>,
    /// How far the deadline moves with each write.
    idle: Cell<Option<Duration>>,
}

impl Connection<'_> {
    pub(super) fn new(socket: &OwnedFd, patience: Duration) -> io::Result<Connection<'_>> {
        sockopt::set_socket_timeout(socket, Timeout::Send, Some(patience))?;
        let deadline = Cell::new(Instant::now().checked_add(patience));
        Ok(Connection { socket, deadline, idle: Cell::new(None) })
    }

    /// The handshake is over: from now on the client may be silent for that time, or as long as it
    /// likes.
    pub(super) fn settled(&self, idle: Option<Duration>) -> io::Result<()> {
        self.idle.set(idle);
        self.move_deadline();
        Ok(sockopt::set_socket_timeout(self.socket, Timeout::Recv, None)?)
    }

    /// A client that has got something is not idle. What it sends does not count: half a request
    /// now and then would keep its place for ever.
    fn move_deadline(&self) {
        self.deadline.set(self.idle.get().and_then(|idle| Instant::now().checked_add(idle)));
    }
}

impl Read for &Connection<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if let Some(deadline) = self.deadline.get() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left < TICK {
                return Err(io::ErrorKind::TimedOut.into());
            }
            sockopt::set_socket_timeout(self.socket, Timeout::Recv, Some(left))?;
        }
        let (read, _) = rustix::net::recv(self.socket, buf, RecvFlags::empty()).map_err(late)?;
        Ok(read)
    }
}

impl Write for &Connection<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let sent = rustix::net::send(self.socket, buf, SendFlags::NOSIGNAL).map_err(late)?;
        if self.idle.get().is_some() {
            self.move_deadline();
        }
        Ok(sent)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A socket with a time limit says that it would block, once the time is over.
fn late(error: Errno) -> io::Error {
    if error == Errno::AGAIN { io::ErrorKind::TimedOut.into() } else { error.into() }
}
