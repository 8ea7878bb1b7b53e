//! Live devices as commands reach them: device-mapper, the names of devices, and its failures as
//! those of a command, each with what can be done about it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use verity_dm::{DeviceMapper, Error, MapperName, Reason, Run, Status, Udev};

use crate::error::{Class, CommandError};
use crate::signals::Signals;

/// Device-mapper, and the signals that end a wait for it.
pub(crate) struct Live<'a> {
    pub(crate) device_mapper: DeviceMapper,
    signals: &'a Signals,
}

impl<'a> Live<'a> {
    /// Connects to device-mapper.
    pub(crate) fn connect(signals: &'a Signals) -> Result<Live<'a>, CommandError> {
        let device_mapper = DeviceMapper::open().map_err(|error| failed(error, signals))?;
        Ok(Live { device_mapper, signals })
    }

    /// Runs a step that waits, until a signal ends it.
    pub(crate) fn run<T>(
        &self,
        step: impl FnOnce(&DeviceMapper, Run<'_>) -> Result<T, Error>,
    ) -> Result<T, CommandError> {
        self.try_run(step).map_err(|error| self.failed(error))
    }

    /// The same, where the caller looks at the failure first.
    pub(crate) fn try_run<T>(
        &self,
        step: impl FnOnce(&DeviceMapper, Run<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let is_cancelled = || self.signals.raised();
        step(&self.device_mapper, Run::default().cancelled_by(&is_cancelled))
    }

    /// A failure of device-mapper.
    pub(crate) fn failed(&self, error: Error) -> CommandError {
        failed(error, self.signals)
    }

    /// The device of this name, or whose node is at this path.
    pub(crate) fn find(&self, device: &OsStr) -> Result<MapperName, CommandError> {
        if !device.as_encoded_bytes().contains(&b'/') {
            return new_name(device);
        }
        let path = Path::new(device);
        let name = self.device_mapper.name_of_path(path).map_err(|error| self.failed(error))?;
        name.ok_or_else(|| {
            CommandError::message(Class::Io, "there is no node of a device of device-mapper")
                .at(path)
        })
    }

    /// What is known of a verity device.
    pub(crate) fn verity_status(&self, name: &MapperName) -> Result<Status, CommandError> {
        let status = self.device_mapper.status(name).map_err(|error| self.failed(error))?;
        match status {
            None => Err(self.failed(Error::NotActive { name: name.clone() })),
            Some(status) if status.is_half_made() => {
                Err(self.failed(Error::NoTable { name: name.clone() }))
            }
            Some(status) if status.verity().is_none() => {
                let words = format!("device {name} is no verity device");
                Err(CommandError::message(Class::Metadata, words))
            }
            Some(status) => Ok(status),
        }
    }
}

/// The name of a device, if one can have it.
pub(crate) fn new_name(name: &OsStr) -> Result<MapperName, CommandError> {
    let Some(text) = name.to_str() else {
        let words = "the name of the device is not UTF-8";
        return Err(CommandError::usage(words).at(Path::new(name)));
    };
    MapperName::new(text).map_err(|error| CommandError::new(Class::Usage, error))
}

/// Who makes nodes, where udev is waited for at most so long.
pub(crate) fn udev(limit: Option<Duration>) -> Udev {
    Udev::detect(limit.unwrap_or(Udev::LIMIT))
}

fn failed(error: Error, signals: &Signals) -> CommandError {
    let reason = error.reason();
    if reason == Reason::Cancelled {
        return signals.error();
    }
    let (words, path) = words(error);
    let failure = CommandError::message(class_of(reason), format!("{words}{}", advice(reason)));
    match path {
        Some(path) => failure.at(&path),
        None => failure,
    }
}

/// What an error says, and the file that it is about, which is named beside.
fn words(error: Error) -> (String, Option<PathBuf>) {
    match error {
        Error::Backing { role, path, cause } => (format!("{}: {cause}", role.name()), Some(path)),
        Error::Node { path, source } => (format!("the node cannot be made: {source}"), Some(path)),
        error => (error.to_string(), None),
    }
}

fn class_of(reason: Reason) -> Class {
    match reason {
        Reason::BackingInUse | Reason::InUse | Reason::NameInUse => Class::Busy,
        Reason::KeyMissing
        | Reason::KeyRejected
        | Reason::KeyUnusable
        | Reason::SignatureMalformed
        | Reason::SignatureRequired
        | Reason::SignatureUnsupported => Class::Trust,
        Reason::DeviceTooSmall
        | Reason::LogicalBlockSize
        | Reason::NoTable
        | Reason::NotVerity
        | Reason::TableRefused
        | Reason::TargetTooOld
        | Reason::UnknownHash => Class::Metadata,
        Reason::NameInvalid | Reason::NotCompatible => Class::Usage,
        _ => Class::Io,
    }
}

/// What can be done about a failure, for the end of a message.
fn advice(reason: Reason) -> &'static str {
    match reason {
        Reason::BackingInUse => "; --shared takes data that another mapping or a mount has too",
        Reason::InUse => "; --deferred closes it once nobody uses it",
        Reason::KeyMissing => {
            "; the kernel has no certificate of the signer in a keyring that it asks: \
             docs/SIGNING.md says how it gets there"
        }
        Reason::KeyRejected | Reason::SignatureMalformed | Reason::SignatureUnsupported => {
            "; verity lint-signature says why the kernel does not take a signature"
        }
        Reason::KeyUnusable => "; the key has expired or was revoked",
        Reason::LogicalBlockSize => {
            "; blocks must not be smaller than the sectors of the device, nor larger than a page"
        }
        Reason::NameInUse => "; verity status shows it, verity close closes it",
        Reason::NoDeviceMapper => "; is the module dm_mod loaded?",
        Reason::NoTable => "; verity close removes it",
        Reason::NotPermitted => "; run this as root",
        Reason::NoVerityTarget => "; is there a module dm_verity (CONFIG_DM_VERITY)?",
        Reason::SignatureRequired => {
            "; this kernel takes signed images only: --root-hash-signature FILE"
        }
        Reason::TargetTooOld => "; this kernel does not know one of the options yet",
        Reason::UnknownHash => "; is there a module for the hash algorithm?",
        _ => "",
    }
}
