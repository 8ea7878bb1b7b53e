//! Many clients of one export: accepted, counted, bounded in number, and ended when a signal says
//! so.
//!
//! What they are told is the library's business (`verity::nbd`); sockets, threads and time are this
//! module's.

mod clients;
mod connection;
mod endpoint;
mod faults;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use verity::io::ReadAt;
use verity::nbd::{Export, SessionError, Traffic, negotiate};

use self::clients::Clients;
pub(crate) use self::clients::Totals;
use self::connection::Connection;
pub(crate) use self::endpoint::{Address, Endpoint};
pub(crate) use self::faults::Watched;
use crate::error::{Class, CommandError};
use crate::signals::Signals;

/// How long to let clients go before the next one is accepted, where the system has no room for
/// more.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// What clients may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How many there may be at a time.
    pub(crate) clients: usize,
    /// How many of them may come from one network address, where they have one.
    pub(crate) clients_per_address: Option<usize>,
    /// How long a handshake may take, and how long a client may take nothing of what it is sent.
    pub(crate) patience: Duration,
    /// How long a client may be connected without being sent anything, after the handshake; for
    /// ever unless given.
    pub(crate) idle: Option<Duration>,
}

/// Serves clients until a signal comes. What a client has not got a moment later it does not get:
/// its thread may go on, and ends with the process.
pub(crate) fn serve<R: ReadAt + Send + 'static>(
    endpoint: &Endpoint,
    export: &Arc<Export<R>>,
    limits: Limits,
    signals: &Signals,
) -> Result<Totals, CommandError> {
    let failed = |error: io::Error| CommandError::new(Class::Io, error);
    let (alarm, ring) = UnixStream::pair().map_err(failed)?;
    signals.wake(&ring).map_err(failed)?;
    let clients = Arc::<Clients>::default();
    let server = Server { endpoint, export, limits, clients: &clients };
    let result = server.accept_until(signals, &alarm);
    clients.end();
    result.map_err(failed)?;
    let totals = clients.lock().totals;
    Ok(totals)
}

struct Server<'a, R> {
    endpoint: &'a Endpoint,
    export: &'a Arc<Export<R>>,
    limits: Limits,
    clients: &'a Arc<Clients>,
}

impl<R: ReadAt + Send + 'static> Server<'_, R> {
    /// Accepts clients until a signal comes, which makes `alarm` readable.
    fn accept_until(&self, signals: &Signals, alarm: &UnixStream) -> io::Result<()> {
        while !signals.raised() {
            wait(&[self.endpoint.as_fd(), alarm.as_fd()], None)?;
            match self.endpoint.accept() {
                Ok(socket) => self.admit(socket),
                // It went away again, or it was the alarm.
                Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => {}
                Err(error) => {
                    tracing::warn!("a client cannot be accepted: {error}");
                    wait(&[alarm.as_fd()], Some(&PAUSE))?;
                }
            }
        }
        Ok(())
    }

    /// Serves a client in a thread of its own, or hangs up if there is no room.
    fn admit(&self, socket: OwnedFd) {
        let Some(seat) = self.clients.enter(socket, self.limits) else { return };
        let (export, limits) = (Arc::clone(self.export), self.limits);
        let name = format!("client {}", seat.id);
        let started = thread::Builder::new().name(name).spawn(move || {
            let mut traffic = Traffic::default();
            let stop = || seat.clients.is_over();
            let result = talk(&export, &seat.socket, limits, &stop, &mut traffic);
            if let Err(error) = result {
                tracing::debug!("client {}: {error}", seat.id);
            }
            seat.clients.count(traffic);
        });
        if let Err(error) = started {
            tracing::debug!("no thread for a client: {error}");
            self.clients.lock().totals.refused_clients += 1;
        }
    }
}

fn talk<R: ReadAt>(
    export: &Export<R>,
    socket: &OwnedFd,
    limits: Limits,
    stop: &(dyn Fn() -> bool + Sync),
    traffic: &mut Traffic,
) -> Result<(), SessionError> {
    let connection = Connection::new(socket, limits.patience)?;
    let Some(session) = negotiate(export, &connection, &connection)? else { return Ok(()) };
    connection.settled(limits.idle)?;
    let mut session = session.stop_when(stop);
    let result = session.serve();
    *traffic = session.traffic();
    result
}

/// Waits until one of these can be read, or the time is over.
fn wait(these: &[rustix::fd::BorrowedFd<'_>], timeout: Option<&Timespec>) -> io::Result<()> {
    let mut polled: Vec<_> =
        these.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    match poll(&mut polled, timeout) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
