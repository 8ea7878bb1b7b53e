//! Who is being served, and what was served.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use rustix::net::Shutdown;
use verity::internals::unpoisoned;
use verity::nbd::Traffic;

use super::Limits;

/// How long clients have to read what they were promised, once a signal has come. The whole command
/// has to end within a second.
const GRACE: Duration = Duration::from_millis(350);

/// How long they have to leave, once they were hung up on.
const FAREWELL: Duration = Duration::from_millis(100);

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
    open: HashMap<u64, Connected>,
    pub(super) totals: Totals,
}

/// A client that is connected.
#[derive(Debug)]
struct Connected {
    socket: Arc<OwnedFd>,
    /// The network that it comes from, if it has a network address.
    origin: Option<IpAddr>,
}

impl Clients {
    pub(super) fn lock(&self) -> MutexGuard<'_, Roster> {
        unpoisoned(self.roster.lock())
    }

    /// Gives a client a seat, unless there is none left, or none for its address.
    pub(super) fn enter(self: &Arc<Self>, socket: OwnedFd, limits: Limits) -> Option<Seat> {
        let origin = origin_of(&socket);
        let mut roster = self.lock();
        if roster.open.len() >= limits.clients || roster.is_crowded(origin, limits) {
            roster.totals.refused_clients += 1;
            return None;
        }
        roster.totals.clients += 1;
        let (id, socket) = (roster.totals.clients, Arc::new(socket));
        roster.open.insert(id, Connected { socket: Arc::clone(&socket), origin });
        Some(Seat { clients: Arc::clone(self), id, socket })
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
        self.wait_for_leaving(roster, GRACE);
        self.over.store(true, Ordering::Relaxed);
        let roster = self.shut(Shutdown::Both);
        self.wait_for_leaving(roster, FAREWELL);
    }

    fn wait_for_leaving(&self, roster: MutexGuard<'_, Roster>, patience: Duration) {
        let is_used = |roster: &mut Roster| !roster.open.is_empty();
        drop(self.left.wait_timeout_while(roster, patience, is_used));
    }

    /// Whether requests are to be dropped where they are.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn shut(&self, how: Shutdown) -> MutexGuard<'_, Roster> {
        let roster = self.lock();
        for client in roster.open.values() {
            // It may be shut already, by the other side.
            let _ = rustix::net::shutdown(&client.socket, how);
        }
        roster
    }
}

impl Roster {
    /// Whether as many clients as may come from one address are here from this one.
    fn is_crowded(&self, origin: Option<IpAddr>, limits: Limits) -> bool {
        let (Some(_), Some(limit)) = (origin, limits.clients_per_address) else { return false };
        self.open.values().filter(|client| client.origin == origin).count() >= limit
    }
}

/// Where the other side comes from, if it has a network address.
fn origin_of(socket: &OwnedFd) -> Option<IpAddr> {
    let peer = rustix::net::getpeername(socket).ok().flatten()?;
    SocketAddr::try_from(peer).ok().map(|address| network_of(address.ip()))
}

/// The addresses that one machine has at its choice count as one: of IPv6 all that share the first
/// 64 bits, of IPv4 each alone, also where it is written in IPv6.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
        address => address,
    }
}

/// The seat of one client, which is free again when this is dropped.
pub(super) struct Seat {
    pub(super) clients: Arc<Clients>,
    pub(super) id: u64,
    pub(super) socket: Arc<OwnedFd>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.clients.lock().open.remove(&self.id);
        self.clients.left.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_all_addresses_of_its_network() {
        let network = |text: &str| network_of(text.parse().unwrap());
        for (one, other, is_one) in [
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.2", false),
            ("192.0.2.1", "::1", false),
        ] {
            assert_eq!(network(one) == network(other), is_one, "{one} {other}");
        }
    }
}
