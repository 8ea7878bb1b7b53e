//! Who is being served, and what was served.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use rustix::net::Shutdown;
use verity::internals::unpoisoned;
use verity::nbd::Traffic;

/// How long clients have to read what they were promised, once a signal has come: with it, the
/// command ends within a second.
const GRACE: Duration = Duration::from_millis(500);

/// What was served.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    /// Clients that were let in.
    pub(crate) clients: u64,
    /// Clients that found no room.
    pub(crate) refused_clients: u64,
    pub(crate) requests: u64,
    pub(crate) failed_requests: u64,
    pub(crate) bytes_sent: u64,
}

/// Who is being served.
#[derive(Debug, Default)]
pub(super) struct Clients {
    roster: Mutex<Roster>,
    left: Condvar,
    /// Whether patience with them has come to its end.
    over: AtomicBool,
}

/// The clients that are connected, and the counts.
#[derive(Debug, Default)]
pub(super) struct Roster {
    open: HashMap<u64, Arc<OwnedFd>>,
    pub(super) totals: Totals,
}

impl Clients {
    pub(super) fn lock(&self) -> MutexGuard<'_, Roster> {
        unpoisoned(self.roster.lock())
    }

    pub(super) fn enter(&self, socket: OwnedFd, limit: usize) -> Option<Seat<'_>> {
        let mut roster = self.lock();
        if roster.open.len() >= limit {
            roster.totals.refused_clients += 1;
            return None;
        }
        roster.totals.clients += 1;
        let (id, socket) = (roster.totals.clients, Arc::new(socket));
        roster.open.insert(id, Arc::clone(&socket));
        Some(Seat { clients: self, id, socket })
    }

    pub(super) fn count(&self, traffic: Traffic) {
        let totals = &mut self.lock().totals;
        totals.requests += traffic.requests;
        totals.failed_requests += traffic.failed;
        totals.bytes_sent += traffic.bytes;
    }

    /// Lets clients have the replies to what they have sent, for a while; then hangs up.
    pub(super) fn end(&self) {
        let roster = self.shut(Shutdown::Read);
        let waited = self.left.wait_timeout_while(roster, GRACE, |roster| !roster.open.is_empty());
        drop(waited);
        self.over.store(true, Ordering::Relaxed);
        drop(self.shut(Shutdown::Both));
    }

    /// Whether requests are to be dropped where they are.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn shut(&self, how: Shutdown) -> MutexGuard<'_, Roster> {
        let roster = self.lock();
        for socket in roster.open.values() {
            // It may be shut already, by the other side.
            let _ = rustix::net::shutdown(socket, how);
        }
        roster
    }
}

/// The seat of one client, which is free again when this is dropped.
pub(super) struct Seat<'a> {
    pub(super) clients: &'a Clients,
    pub(super) id: u64,
    pub(super) socket: Arc<OwnedFd>,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.clients.lock().open.remove(&self.id);
        self.clients.left.notify_all();
    }
}
