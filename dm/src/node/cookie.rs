//! The cookie by which udev tells that it has finished with an event of device-mapper.
//!
//! The caller of an ioctl makes a semaphore and puts the lower half of its key into the request.
//! The kernel hands it to udev with the event; udev's rules make the links of the device and at the
//! end run a program of device-mapper's, which counts the semaphore down. Everyone with
//! device-mapper's rules has this protocol, and each part of it may be missing: there may be no
//! semaphores, or those of another IPC namespace; rules may be missing, or udev may hang. So the
//! wait has a limit, and ends early once what it waits for is seen to be done.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::nodes;
use super::udev::Udev;
use crate::ioctl::Semaphore;
use crate::record::{DeviceNumber, MapperName};
use crate::run::{Run, Waited};

/// The upper half of the keys of all such semaphores.
const MAGIC: i32 = 0x0d4d_0000;
/// A flag of the upper half of a cookie: what udev fails to do is not done by its program.
const NO_FALLBACK: u32 = 0x20;
/// A flag of the upper half of a cookie: this event is the one by which the device comes to be, so
/// that rules need not wait for another. udev remembers it.
const PRIMARY_SOURCE: u32 = 0x40;
/// How often another number is tried when one is taken.
const TRIES: usize = 64;
/// From when on the wait ends if the node and udev's database say that all is done. Usually the
/// semaphore is faster.
const PATIENCE: Duration = Duration::from_secs(1);

/// What goes into a request for udev, and the semaphore behind it if there is one.
#[derive(Debug)]
pub(crate) struct Cookie {
    udev: Udev,
    event: u32,
    semaphore: Option<Semaphore>,
}

impl Cookie {
    /// A cookie for one event.
    pub(crate) fn new(udev: Udev) -> Cookie {
        let (flags, made) = match udev {
            Udev::Never => (PRIMARY_SOURCE, None),
            Udev::Wait(_) => (NO_FALLBACK | PRIMARY_SOURCE, make_semaphore()),
        };
        let (base, semaphore) = made.map_or((0, None), |(base, made)| (base, Some(made)));
        Cookie { udev, event: flags << 16 | u32::from(base), semaphore }
    }

    /// The event number of the request.
    pub(crate) fn event(&self) -> u32 {
        self.event
    }

    /// Waits until udev has finished with the device that has come to be.
    pub(crate) fn wait_until_there(
        self,
        name: &MapperName,
        number: DeviceNumber,
        run: Run<'_>,
    ) -> Waited {
        self.wait(run, || nodes::is_right(name, number) && database_entry(number).exists())
    }

    /// Waits until udev has finished with the device that is gone. A node that is no link is not
    /// udev's: it was made here.
    pub(crate) fn wait_until_gone(
        self,
        name: &MapperName,
        number: DeviceNumber,
        run: Run<'_>,
    ) -> Waited {
        let node = name.node();
        self.wait(run, || {
            let is_link = std::fs::symlink_metadata(&node).is_ok_and(|node| node.is_symlink());
            !is_link && !database_entry(number).exists()
        })
    }

    fn wait(self, run: Run<'_>, is_done: impl Fn() -> bool) -> Waited {
        let Udev::Wait(limit) = self.udev else { return Waited::Done };
        let start = Instant::now();
        run.wait(limit, || match &self.semaphore {
            Some(semaphore) => {
                // Who removes the semaphore of another will hardly count it down.
                semaphore.value().is_ok_and(|value| value == 0)
                    || start.elapsed() >= PATIENCE && is_done()
            }
            None => is_done(),
        })
    }
}

/// A semaphore and the lower half of its key; `None` where there are none, or none left.
fn make_semaphore() -> Option<(u16, Semaphore)> {
    for _ in 0..TRIES {
        let [low, high, ..] = RandomState::new().build_hasher().finish().to_ne_bytes();
        let base = u16::from_ne_bytes([low, high]);
        if base == 0 {
            continue;
        }
        match Semaphore::create(MAGIC | i32::from(base)) {
            Ok(semaphore) => return Some((base, semaphore)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(_) => return None,
        }
    }
    None
}

fn database_entry(number: DeviceNumber) -> PathBuf {
    PathBuf::from(format!("/run/udev/data/b{number}"))
}
