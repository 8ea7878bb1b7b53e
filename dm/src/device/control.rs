//! The way to device-mapper: `/dev/mapper/control`, and calls over it.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{CWD, FileType, FlockOperation, Mode, OFlags, makedev};

use crate::error::Error;
use crate::record::{
    Answer, Command, DeviceNumber, Flags, ListedDevice, MAX_NAME, MapperName, RecordError, Request,
    TargetRecord, parse_devices, parse_targets, parse_versions,
};
use crate::run::{Run, Waited};
use crate::{ioctl, node};

use super::known::{DeviceId, Known};
use super::status::{self, Status};

const CONTROL: &str = "/dev/mapper/control";
/// The number of the control node: the misc devices' major number, and device-mapper's minor one.
const CONTROL_NUMBER: (u32, u32) = (10, 236);
/// The size of a buffer for answers, in bytes, and up to where it grows.
const BUFFER: usize = 16 << 10;
const MAX_BUFFER: usize = 16 << 20;
/// How long another program of ours is waited for that is about to make a device.
const LOCK_LIMIT: Duration = Duration::from_secs(10);
/// How often a device is asked for that is another one each time.
const ASKED: usize = 10;
/// The type of our targets.
const VERITY: &str = "verity";

/// An open connection to the kernel's device-mapper.
#[derive(Debug)]
pub struct DeviceMapper {
    control: File,
    version: [u32; 3],
}

impl DeviceMapper {
    /// Opens device-mapper, whose module is loaded if need be. A missing control node is made.
    ///
    /// # Errors
    /// When the kernel has no device-mapper, or the caller is not root.
    pub fn open() -> Result<DeviceMapper, Error> {
        let control = open_control().map_err(unopened)?;
        let mut device_mapper = DeviceMapper { control, version: [0; 3] };
        let request = Request::default();
        device_mapper.version =
            device_mapper
                .call(Command::Version, &request, "the version", |answer| Ok(answer.version))?;
        Ok(device_mapper)
    }

    /// The version of the kernel's device-mapper.
    #[must_use]
    pub fn version(&self) -> [u32; 3] {
        self.version
    }

    /// The version of the kernel's verity target, whose module is loaded if need be; `None` if the
    /// kernel has none. Before interface 4.41 only a table loads the module: until then
    /// it is `None` there too.
    ///
    /// # Errors
    /// When device-mapper does not answer.
    pub fn verity_version(&self) -> Result<Option<[u32; 3]>, Error> {
        let find = |answer: &Answer<'_>| {
            let versions = parse_versions(answer.payload)?;
            let verity = versions.into_iter().find(|target| target.kind == VERITY);
            Ok(verity.map(|target| target.version))
        };
        let listed = self.call(Command::ListVersions, &Request::default(), VERITY, find)?;
        if listed.is_some() || !self.can_load_target() {
            return Ok(listed);
        }
        let request = Request { name: VERITY, ..Request::default() };
        match self.call(Command::TargetVersion, &request, VERITY, find) {
            Err(error) if error.errno() == Some(libc::EINVAL) => Ok(None),
            answer => answer,
        }
    }

    /// Whether the kernel loads the module of a target that is asked for: since interface 4.41.
    pub(crate) fn can_load_target(&self) -> bool {
        self.version >= [4, 41, 0]
    }

    /// What is known of the device; `None` if there is none of this name.
    ///
    /// # Errors
    /// When device-mapper does not answer, or answers with something else than records.
    pub fn status(&self, name: &MapperName) -> Result<Option<Status>, Error> {
        let both = of_one_device(|flags| self.targets(name, flags))?;
        let Some((known, table, health)) = both else { return Ok(None) };
        let name_of = |number| self.name_of(number).ok().flatten();
        Ok(Some(status::assemble(&name_of, known, table, &health)))
    }

    /// All devices that are verity devices by their table or, without one, by their UUID, in the
    /// order of their names.
    ///
    /// # Errors
    /// As [`DeviceMapper::status`].
    pub fn list(&self) -> Result<Vec<Status>, Error> {
        let mut verity = Vec::new();
        // A name that is not UTF-8 can neither be asked for nor be a verity device's of ours.
        let can_be_asked = |name: &MapperName| name.kernel().len() <= MAX_NAME;
        for (_, name) in self.names()?.into_iter().filter(|(_, name)| can_be_asked(name)) {
            // What is gone meanwhile is not listed.
            let status = self.status(&name)?;
            verity.extend(status.filter(Status::is_verity));
        }
        verity.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(verity)
    }

    /// Number and name of every device of device-mapper.
    ///
    /// # Errors
    /// When device-mapper does not answer, or answers with something else than records.
    pub fn names(&self) -> Result<Vec<(DeviceNumber, MapperName)>, Error> {
        let devices =
            self.call(Command::ListDevices, &Request::default(), "all devices", |answer| {
                Ok(parse_devices(answer.payload)?)
            })?;
        let named = |device: ListedDevice| (device.number, MapperName::from_kernel(&device.name));
        Ok(devices.into_iter().map(named).collect())
    }

    /// The name of the device with this number; `None` if device-mapper has none.
    ///
    /// # Errors
    /// As [`DeviceMapper::names`].
    pub fn name_of(&self, number: DeviceNumber) -> Result<Option<MapperName>, Error> {
        let mut names = self.names()?.into_iter();
        Ok(names.find(|(listed, _)| *listed == number).map(|(_, name)| name))
    }

    /// The name of the device whose node, be it by a link, is at this path; `None` if there is no
    /// such file, it is no block device, or it is not one of device-mapper.
    ///
    /// # Errors
    /// As [`DeviceMapper::names`].
    pub fn name_of_path(&self, path: &Path) -> Result<Option<MapperName>, Error> {
        node::block_number(path).map_or(Ok(None), |number| self.name_of(number))
    }

    /// The header of what is known of a device.
    pub(crate) fn known(&self, name: &MapperName) -> Result<Option<Known>, Error> {
        let request = Request { name: name.kernel(), ..Request::default() };
        let answer =
            self.call(Command::Status, &request, name.plain(), |answer| Ok(Known::new(answer)));
        absent_is_none(answer)
    }

    /// Whether the device is still there, under its name.
    pub(crate) fn is_there(&self, device: &DeviceId) -> Result<bool, Error> {
        let known = self.known(&device.name)?;
        Ok(known.is_some_and(|known| known.id.is_same(device)))
    }

    /// The targets of the live table with their texts, of the table or of its status, and whose
    /// they are.
    fn targets(
        &self,
        name: &MapperName,
        flags: Flags,
    ) -> Result<Option<(Known, Vec<TargetRecord>)>, Error> {
        let flags = flags | Flags::NO_FLUSH;
        let request = Request { name: name.kernel(), flags, ..Request::default() };
        let answer = self.call(Command::TableStatus, &request, name.plain(), |answer| {
            let targets = parse_targets(answer.payload, answer.target_count)?;
            Ok((Known::new(answer), targets))
        });
        absent_is_none(answer)
    }

    /// Makes a call and reads its answer, in a buffer that grows until the answer fits.
    pub(crate) fn call<T>(
        &self,
        command: Command,
        request: &Request<'_>,
        about: &str,
        read: impl FnOnce(&Answer<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let buffer = in_growing_buffer(|size| {
            let mut buffer = request.encode(size)?;
            ioctl::device_mapper(&self.control, command, &mut buffer)
                .map_err(|source| failed(command, about, source))?;
            Ok(buffer)
        })?;
        read(&Answer::parse(&buffer)?)
    }

    /// Waits until no other program of ours is about to make a device.
    ///
    /// A lock of the control node serves, which goes with the process; it is opened anew, so that
    /// threads that share this connection keep out of each other's way too. It is not waited for
    /// longer than [`LOCK_LIMIT`]: a process that was stopped must not hold up all others.
    pub(crate) fn lock(&self, run: Run<'_>) -> Result<Lock, Error> {
        let control = open_control().map_err(unopened)?;
        let waited = run.wait(LOCK_LIMIT, || {
            rustix::fs::flock(&control, FlockOperation::NonBlockingLockExclusive).is_ok()
        });
        match waited {
            Waited::Done => Ok(Lock { control: Some(control) }),
            Waited::TimedOut => Ok(Lock { control: None }),
            Waited::Cancelled => Err(Error::Cancelled),
        }
    }
}

/// Other programs of ours make no device as long as this value lives.
#[derive(Debug)]
pub(crate) struct Lock {
    /// Closing it gives up the lock.
    control: Option<File>,
}

impl Lock {
    /// Whether the lock was had in time.
    pub(crate) fn is_held(&self) -> bool {
        self.control.is_some()
    }
}

/// Asks with buffers of growing sizes until the answer fits into one.
fn in_growing_buffer(
    mut ask: impl FnMut(usize) -> Result<Vec<u8>, Error>,
) -> Result<Vec<u8>, Error> {
    let mut size = BUFFER;
    while size <= MAX_BUFFER {
        let buffer = ask(size)?;
        if !Answer::parse(&buffer)?.flags.has(Flags::BUFFER_FULL) {
            return Ok(buffer);
        }
        size *= 2;
    }
    Err(RecordError::of_answer("it does not fit into 16 MiB").into())
}

/// Asks for table and status until both answers are about the same device: it may be removed, and
/// another one get its name, between the calls. `None` if there is none.
fn of_one_device<T>(
    ask: impl Fn(Flags) -> Result<Option<(Known, T)>, Error>,
) -> Result<Option<(Known, T, T)>, Error> {
    for _ in 0..ASKED {
        let (table, health) = (ask(Flags::STATUS_TABLE)?, ask(Flags::default())?);
        let (Some((of_table, table)), Some((known, health))) = (table, health) else {
            return Ok(None);
        };
        if known.id.is_same(&of_table.id) {
            return Ok(Some((known, table, health)));
        }
    }
    // Each device that was found is gone.
    Ok(None)
}

fn absent_is_none<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Err(error) if error.errno() == Some(libc::ENXIO) => Ok(None),
        answer => answer.map(Some),
    }
}

fn failed(command: Command, about: &str, source: io::Error) -> Error {
    match source.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) if command != Command::Load => {
            Error::NotPermitted { source }
        }
        _ => Error::Ioctl { call: command.name(), name: about.to_owned(), source },
    }
}

/// Why the control node cannot be opened.
fn unopened(source: io::Error) -> Error {
    match source.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::EINTR) => {
            Error::Ioctl { call: "open", name: CONTROL.to_owned(), source }
        }
        Some(libc::EACCES | libc::EPERM) => Error::NotPermitted { source },
        _ if !rustix::process::geteuid().is_root() => Error::NotPermitted { source },
        _ => Error::NoDeviceMapper { source },
    }
}

fn open_control() -> io::Result<File> {
    let open = || rustix::fs::open(CONTROL, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
    match open() {
        Ok(control) => return Ok(control.into()),
        Err(rustix::io::Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    node::make_directory()?;
    let (major, minor) = CONTROL_NUMBER;
    let mode = Mode::RUSR | Mode::WUSR;
    match rustix::fs::mknodat(CWD, CONTROL, FileType::CharacterDevice, mode, makedev(major, minor))
    {
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(open()?.into()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::error::Reason;

    fn buffer(size: usize, flags: Flags) -> Vec<u8> {
        Request { flags, ..Request::default() }.encode(size).unwrap()
    }

    #[test]
    fn an_answer_that_does_not_fit_is_asked_for_again_and_never_taken() {
        let mut sizes = Vec::new();
        let fits = |size| {
            sizes.push(size);
            let flags = if size < 64 << 10 { Flags::BUFFER_FULL } else { Flags::default() };
            Ok(buffer(size, flags))
        };
        assert_eq!(in_growing_buffer(fits).unwrap().len(), 64 << 10);
        assert_eq!(sizes, [16 << 10, 32 << 10, 64 << 10]);
        let never = in_growing_buffer(|size| Ok(buffer(size, Flags::BUFFER_FULL)));
        assert!(never.unwrap_err().to_string().contains("does not fit into 16 MiB"));
    }

    #[test]
    fn older_kernels_load_the_target_with_the_table_alone() {
        for (version, can_load_target) in [([4, 40, 9], false), ([4, 41, 0], true)] {
            let device_mapper = DeviceMapper { control: tempfile::tempfile().unwrap(), version };
            assert_eq!(device_mapper.can_load_target(), can_load_target);
        }
    }

    #[test]
    fn table_and_status_are_of_one_device() {
        let known = |minor| {
            let (name, number) =
                (MapperName::from_kernel("root"), DeviceNumber { major: 1, minor });
            let id = DeviceId { name, uuid: String::new(), number };
            Known { id, flags: Flags::default(), open_count: 0 }
        };
        let asked = Cell::new(0);
        // The device is removed and made again after the first call, and stays from then on.
        let changes = |_| {
            asked.set(asked.get() + 1);
            Ok(Some((known(u32::from(asked.get() > 1)), asked.get())))
        };
        let (of, table, health) = of_one_device(changes).unwrap().unwrap();
        assert_eq!((of.id.number.minor, table, health), (1, 3, 4));
        let always = |_| {
            asked.set(asked.get() + 1);
            Ok(Some((known(asked.get()), ())))
        };
        assert!(of_one_device(always).unwrap().is_none());
        assert!(of_one_device(|_| Ok(None::<(Known, ())>)).unwrap().is_none());
    }

    #[test]
    fn what_is_wrong_with_the_caller_is_not_said_of_device_mapper() {
        for (errno, expected) in [
            (libc::EACCES, Reason::NotPermitted),
            (libc::EMFILE, Reason::Io),
            (libc::ENFILE, Reason::Io),
        ] {
            assert_eq!(unopened(io::Error::from_raw_os_error(errno)).reason(), expected);
        }
    }
}
