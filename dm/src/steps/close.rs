//! Closing a device.

use std::thread;
use std::time::{Duration, Instant};

use crate::device::{DeviceMapper, State, Status};
use crate::error::Error;
use crate::node::Udev;
use crate::record::{Command, Flags, MapperName, Request};
use crate::run::{Run, TICK};
use crate::users::Users;

use super::remove::{Removal, remove};

/// Closes a device. By default, a verity device that nobody uses, or that whoever has it open
/// closes within five seconds.
///
/// ```no_run
/// use verity_dm::{Close, DeviceMapper, Run};
///
/// Close::new("root".parse()?).run(&DeviceMapper::open()?, Run::default())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Close {
    name: MapperName,
    takes_any: bool,
    is_deferred: bool,
    patience: Duration,
    udev: Udev,
}

/// What became of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// It is gone.
    Removed,
    /// It is in use, and goes when it is closed last. Until then its node stays; where there is no
    /// udev to remove it then, the next device of the name replaces it.
    Scheduled,
}

impl Close {
    /// How long those who have the device open are waited for unless another limit is set. Devices
    /// over it and mounts are not waited for.
    pub const PATIENCE: Duration = Duration::from_secs(5);

    /// Closes the device of this name.
    #[must_use]
    pub fn new(name: MapperName) -> Close {
        let (patience, udev) = (Self::PATIENCE, Udev::default());
        Close { name, takes_any: false, is_deferred: false, patience, udev }
    }

    /// Also closes a device that is no verity device.
    #[must_use]
    pub fn any_target(mut self) -> Close {
        self.takes_any = true;
        self
    }

    /// Has a device that is in use removed when it is closed last.
    #[must_use]
    pub fn deferred(mut self) -> Close {
        self.is_deferred = true;
        self
    }

    /// Waits this long for those who have the device open.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Close {
        self.patience = patience;
        self
    }

    /// Says who removes the node.
    #[must_use]
    pub fn udev(mut self, udev: Udev) -> Close {
        self.udev = udev;
        self
    }

    /// Closes the device.
    ///
    /// # Errors
    /// When there is no such device, also because somebody else removed it meanwhile, and be there
    /// another one of the name by then; when it is no verity device, it has no table and was not
    /// begun as a verity device, somebody uses it, the run is cancelled, or device-mapper fails. A
    /// run that is cancelled before the device is removed leaves it, one that is cancelled after
    /// that succeeds.
    pub fn run(&self, device_mapper: &DeviceMapper, run: Run<'_>) -> Result<Closed, Error> {
        let mut status = self.find(device_mapper)?;
        // Another program of ours may be making it at this moment. One that was stopped meanwhile
        // is not waited for: it finds the device gone.
        let mut lock = None;
        if status.is_half_made() {
            lock = Some(device_mapper.lock(run)?);
            status = self.find(device_mapper)?;
        }
        let _lock = lock.filter(|_| status.is_half_made());
        let device = status.id();
        let lasting = Users::lasting(status.number);
        if !self.is_deferred && !lasting.is_empty() {
            return Err(self.in_use(status.number));
        }
        let flags = if self.is_deferred { Flags::DEFERRED_REMOVE } else { Flags::default() };
        let start = Instant::now();
        loop {
            if run.is_cancelled() {
                return Err(Error::Cancelled);
            }
            if !device_mapper.is_there(&device)? {
                return Err(self.absent());
            }
            match remove(device_mapper, &device, flags, self.udev, run) {
                Ok(Removal::Gone) => return Ok(Closed::Removed),
                Ok(Removal::Scheduled) => return Ok(Closed::Scheduled),
                Err(error) if error.errno() == Some(libc::EBUSY) => {
                    if start.elapsed() >= self.patience {
                        return Err(self.in_use(status.number));
                    }
                }
                Err(error) if error.errno() == Some(libc::ENXIO) => return Err(self.absent()),
                Err(error) => return Err(error),
            }
            thread::sleep(TICK);
        }
    }

    /// The device of the name, if it is one that may be closed.
    fn find(&self, device_mapper: &DeviceMapper) -> Result<Status, Error> {
        let status = device_mapper.status(&self.name)?.ok_or_else(|| self.absent())?;
        if !self.takes_any && !status.is_verity() {
            return Err(foreign(&self.name, &status.state));
        }
        Ok(status)
    }

    fn absent(&self) -> Error {
        Error::NotActive { name: self.name.clone() }
    }

    fn in_use(&self, number: crate::record::DeviceNumber) -> Error {
        Error::InUse { name: self.name.clone(), users: Box::new(Users::find(number)) }
    }
}

/// Takes back that the device goes when it is closed last; nothing happens if it would not.
///
/// # Errors
/// When there is no such device, or device-mapper fails.
pub fn cancel_deferred(device_mapper: &DeviceMapper, name: &MapperName) -> Result<(), Error> {
    // Sector 0, then the message.
    let payload = [&[0; 8], &b"@cancel_deferred_remove\0"[..]].concat();
    let request = Request { name: name.kernel(), payload: &payload, ..Request::default() };
    match device_mapper.call(Command::Message, &request, name.plain(), |_| Ok(())) {
        Err(error) if error.errno() == Some(libc::ENXIO) => {
            Err(Error::NotActive { name: name.clone() })
        }
        answer => answer,
    }
}

fn foreign(name: &MapperName, state: &State) -> Error {
    let name = name.clone();
    match state {
        State::Other { kinds } => Error::NotVerity { name, target: kinds.join(", ") },
        State::NoTable | State::Verity(_) => Error::NoTable { name },
    }
}
