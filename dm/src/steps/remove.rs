//! The removal of a device, with udev's part of it.

use crate::device::{DeviceId, DeviceMapper};
use crate::error::Error;
use crate::node::{self, Cookie, Udev};
use crate::record::{Command, Flags, Request};
use crate::run::{Run, Step};

/// What a removal came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removal {
    /// The device is gone, and its node too.
    Gone,
    /// The device will go when it is closed last.
    Scheduled,
}

/// Removes the device. While others have it open that fails (`EBUSY`), unless `flags` say that it
/// may be removed later.
///
/// A device without UUID is removed by its name, so that the caller has just looked whether it is
/// still there.
pub(super) fn remove(
    device_mapper: &DeviceMapper,
    device: &DeviceId,
    flags: Flags,
    udev: Udev,
    run: Run<'_>,
) -> Result<Removal, Error> {
    let cookie = Cookie::new(udev);
    let request = Request { flags, event: cookie.event(), ..device.request() };
    let about = device.name.plain();
    let answered =
        device_mapper.call(Command::Remove, &request, about, |answer| Ok(answer.flags))?;
    run.tell(Step::Removed);
    if answered.has(Flags::DEFERRED_REMOVE) {
        run.tell(Step::NodeRemoved);
        return Ok(Removal::Scheduled);
    }
    if answered.has(Flags::UEVENT_GENERATED) {
        // However the wait ends, the device is gone.
        cookie.wait_until_gone(&device.name, device.number, run);
    }
    remove_node(device_mapper, device);
    run.tell(Step::NodeRemoved);
    Ok(Removal::Gone)
}

/// Removes the node of a device that is gone. If there is another device of the name by now, the
/// node is for that one, which may even have the number.
pub(super) fn remove_node(device_mapper: &DeviceMapper, device: &DeviceId) {
    if matches!(device_mapper.known(&device.name), Ok(None)) {
        node::remove(&device.name, device.number);
    }
}
