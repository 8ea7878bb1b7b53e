//! `verity close`: removes a verity device, now or once nobody uses it.

use std::ffi::OsString;
use std::time::Duration;

use verity_dm::{Close, Closed, MapperName, cancel_deferred};

use crate::context::Context;
use crate::error::CommandError;
use crate::live::{self, Live};

/// What to close, and when.
#[derive(Debug)]
pub(crate) struct Options {
    /// The name of the device, or the path of its node.
    pub(crate) device: OsString,
    pub(crate) when: When,
    /// How long udev is waited for.
    pub(crate) udev_timeout: Option<Duration>,
}

/// When a device is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Now; who has it open is waited for, for a moment.
    Now,
    /// Once nobody uses it.
    Deferred,
    /// Not after all.
    Never,
}

/// What became of a device.
#[derive(Debug)]
pub(crate) struct ClosedDevice {
    pub(crate) name: MapperName,
    /// `None` if it stays.
    pub(crate) closed: Option<Closed>,
}

/// Closes the device.
pub(crate) fn run(options: &Options, context: &Context) -> Result<ClosedDevice, CommandError> {
    let live = Live::connect(&context.signals)?;
    let name = live.find(&options.device)?;
    let close = Close::new(name.clone()).udev(live::udev(options.udev_timeout));
    let close = if options.when == When::Deferred { close.deferred() } else { close };
    let closed = match options.when {
        When::Now | When::Deferred => {
            Some(live.run(|device_mapper, run| close.run(device_mapper, run))?)
        }
        When::Never => {
            live.verity_status(&name)?;
            let kept = cancel_deferred(&live.device_mapper, &name);
            kept.map(|()| None).map_err(|error| live.failed(error))?
        }
    };
    Ok(ClosedDevice { name, closed })
}
