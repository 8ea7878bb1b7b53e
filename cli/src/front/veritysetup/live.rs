//! The seam to live devices: what is asked of device-mapper, and its failures in the words and
//! exit codes of the original.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use verity::table::TableOptions;
use verity::{FecArea, HashArea, Params, RootHash, Uuid};
use verity_dm::record::DeviceUuid;
use verity_dm::{
    Backing, BackingError, Close, Closed, DeviceMapper, Error, KeyError, MapperName, NameError,
    Note, Open, Reason, Refusal, Role, Run, State, Status, VerityStatus, cancel_deferred,
};

use super::codes::{self, Code, Failure};
use super::console::Console;
use super::mapping::{Device, Found, MappedParity, Mapping};
use crate::quoted::Quoted;
use crate::signals::Signals;

/// A mapping that is to be made.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) params: Params,
    pub(super) area: HashArea,
    pub(super) root_hash: RootHash,
    /// Of the superblock, if there is one.
    pub(super) uuid: Option<Uuid>,
    pub(super) data: PathBuf,
    pub(super) hash: PathBuf,
    pub(super) parity: Option<(PathBuf, FecArea)>,
    pub(super) options: TableOptions,
    /// The signature of the root hash, for the kernel.
    pub(super) signature: Option<Vec<u8>>,
    /// Whether others may map the data too.
    pub(super) shared: bool,
}

/// When a mapping is to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removal {
    Now,
    /// Once nobody uses it.
    Deferred,
    /// Not after all.
    Cancelled,
}

/// Device-mapper, as far as it can be had.
pub(super) struct Live<'a> {
    device_mapper: DeviceMapper,
    signals: &'a Signals,
}

impl<'a> Live<'a> {
    /// Connects to device-mapper; the code is for a machine that has none.
    pub(super) fn connect(code: Code, signals: &'a Signals) -> Result<Live<'a>, Failure> {
        match DeviceMapper::open() {
            Ok(device_mapper) => Ok(Live { device_mapper, signals }),
            Err(error) => Err(Failure::new(code, unconnected(&error))),
        }
    }

    /// Makes a mapping of this name.
    pub(super) fn open(
        &self,
        name: &str,
        opening: Opening,
        console: Console,
    ) -> Result<(), Failure> {
        let mapper_name = mapper_name(name, opening.uuid)?;
        let Opening { params, area, root_hash, data, hash, .. } = opening;
        let open = Open::new(mapper_name, params, root_hash, &area, data, hash);
        let mut open = open.options(opening.options);
        if let Some(uuid) = opening.uuid {
            open = open.uuid(uuid);
        }
        if let Some((path, area)) = opening.parity {
            open = open.fec(path, &area);
        }
        if let Some(signature) = opening.signature {
            open = open.signature(signature);
        }
        if opening.shared {
            open = open.shared();
        }
        let is_cancelled = || self.signals.raised();
        let opened = open.run(&self.device_mapper, Run::default().cancelled_by(&is_cancelled));
        let opened = opened.map_err(|error| unopened(name, opening.uuid, &error))?;
        opened.notes.iter().for_each(|note| console.error(&note_words(name, *note)));
        if opened.status.verity().is_some_and(|verity| verity.health.letter != 'V') {
            console.error("Verity device detected corruption after activation.");
        }
        Ok(())
    }

    /// Removes a mapping, by its name or by the path of its node.
    pub(super) fn close(
        &self,
        device: &OsStr,
        removal: Removal,
        console: Console,
    ) -> Result<(), Failure> {
        let word = &shown(device);
        let name = self.name(device, Code::WrongDevice)?.ok_or_else(|| not_active(word))?;
        let status = self.device_mapper.status(&name).map_err(|error| failed(&error))?;
        let status = status.ok_or_else(|| not_active(word))?;
        if !status.is_verity() {
            return Err(foreign(word, &status));
        }
        let is_cancelled = || self.signals.raised();
        let run = Run::default().cancelled_by(&is_cancelled);
        let closed = match removal {
            Removal::Now => Close::new(name).run(&self.device_mapper, run),
            Removal::Deferred => Close::new(name).deferred().run(&self.device_mapper, run),
            Removal::Cancelled => {
                let cancelled = cancel_deferred(&self.device_mapper, &name);
                return cancelled.map_err(|error| unclosed(word, &error));
            }
        };
        match closed.map_err(|error| unclosed(word, &error))? {
            Closed::Removed => Ok(()),
            Closed::Scheduled => console.result(&format!(
                "Device {word} is still active and scheduled for deferred removal.\n"
            )),
        }
    }

    /// Looks for a mapping, by its name or by the path of its node.
    pub(super) fn status(&self, device: &OsStr) -> Result<Found, Failure> {
        let name = self.name(device, Code::WrongParameters)?;
        let Some(name) = name else { return Ok(Found::Inactive) };
        let status = self.device_mapper.status(&name).map_err(|error| failed(&error))?;
        let Some(status) = status else { return Ok(Found::Inactive) };
        Ok(match &status.state {
            State::NoTable => Found::WithoutTable,
            State::Verity(verity) => Found::Verity(Box::new(mapping(&status, verity))),
            _ => Found::Foreign { in_use: status.open_count > 0 },
        })
    }

    /// The name of a device; of a path, that of the device whose node is there. `None` for a name
    /// that no device can have.
    fn name(&self, device: &OsStr, code: Code) -> Result<Option<MapperName>, Failure> {
        if !device.as_encoded_bytes().contains(&b'/') {
            return Ok(device.to_str().and_then(|name| MapperName::new(name).ok()));
        }
        let name = self.device_mapper.name_of_path(Path::new(device));
        let name = name.map_err(|error| failed(&error))?;
        // As the original's library has it, without the directory.
        let last = Path::new(device).file_name().unwrap_or(device);
        let not_found = || Failure::new(code, format!("Device {} not found", shown(last)));
        name.map(Some).ok_or_else(not_found)
    }
}

/// The name of a device, or the path to it, as it was typed: scripts take it apart, and mangled
/// names have backslashes. What steers a terminal is escaped.
pub(super) fn shown(device: &OsStr) -> String {
    Quoted(Path::new(device)).to_string().replace(r"\\", r"\")
}

fn unconnected(error: &Error) -> &'static str {
    match error.reason() {
        Reason::NotPermitted => "Cannot initialize device-mapper, running as non-root user.",
        _ => "Cannot initialize device-mapper. Is dm_mod kernel module loaded?",
    }
}

fn mapper_name(name: &str, uuid: Option<Uuid>) -> Result<MapperName, Failure> {
    MapperName::new(name).map_err(|error| invalid_name(name, uuid, &error))
}

fn invalid_name(name: &str, uuid: Option<Uuid>, error: &NameError) -> Failure {
    match error {
        NameError::TooLong { .. } => Failure::parameters("Name is too long."),
        _ => {
            let device = DeviceUuid::new(uuid, &MapperName::from_kernel(name));
            let call = format!("create ioctl on {name} {}", device.kernel());
            Failure::new(Code::Busy, format!("device-mapper: {call} failed: Invalid argument"))
        }
    }
}

/// A mapping that could not be made.
fn unopened(name: &str, uuid: Option<Uuid>, error: &Error) -> Failure {
    match error {
        Error::Backing { role, path, cause } => unusable(*role, path, cause),
        Error::Cancelled => Failure::silent(Code::Signal(0)),
        Error::Exists { .. } => Failure::new(Code::Busy, format!("Device {name} already exists.")),
        Error::Key { cause: KeyError::NoKeyring } => {
            Failure::parameters("Kernel keyring missing: required for passing signature to kernel.")
        }
        Error::Key { .. } => Failure::parameters("Failed to load key in kernel keyring."),
        Error::Name(error) => invalid_name(name, uuid, error),
        Error::NoVerityTarget => Failure::parameters("Kernel does not support dm-verity mapping."),
        Error::Refused(refusal) => refused(name, refusal),
        _ => failed(error),
    }
}

/// A file or device below a mapping that cannot be used.
fn unusable(role: Role, path: &Path, cause: &BackingError) -> Failure {
    match cause {
        BackingError::InUse => codes::used_device(path),
        BackingError::Loop(_) => Failure::parameters(
            "Attaching loopback device failed (loop device with autoclear flag is required).",
        ),
        BackingError::NotCompatible => codes::incompatible_device(path),
        // The original has the kernel refuse it.
        BackingError::TooSmall { .. } if role != Role::Data => {
            Failure { code: Code::Busy, ..codes::small_device(path) }
        }
        BackingError::TooSmall { .. } => codes::small_device(path),
        _ => codes::missing_device(path),
    }
}

/// A table that the kernel refused, with what its log says of it.
fn refused(name: &str, refusal: &Refusal) -> Failure {
    let code = match refusal.reason {
        Reason::KeyMissing | Reason::KeyUnusable | Reason::SignatureRequired => {
            Code::WrongParameters
        }
        Reason::BackingUnreadable => Code::WrongDevice,
        _ => Code::Busy,
    };
    let number = refusal.number;
    let reason = codes::system_words(&std::io::Error::from_raw_os_error(refusal.errno));
    let words = format!("device-mapper: reload ioctl on {name} ({number}) failed: {reason}");
    let lines = refusal.lines.iter().map(|line| format!("The kernel says: {line}"));
    lines.fold(Failure::new(code, words), Failure::and)
}

/// A mapping that could not be removed.
fn unclosed(word: &str, error: &Error) -> Failure {
    match error {
        Error::NotActive { .. } => not_active(word),
        Error::NoTable { .. } => Failure::silent(Code::WrongDevice),
        Error::Cancelled => Failure::silent(Code::Signal(0)),
        Error::InUse { users, .. } => {
            let failure = Failure::new(Code::Busy, format!("Device {word} is still in use."));
            match users.to_string().strip_prefix(": ") {
                Some(users) => failure.and(format!("It is used: {users}.")),
                None => failure,
            }
        }
        _ => failed(error),
    }
}

/// A mapping that there is not.
pub(super) fn not_active(word: &str) -> Failure {
    Failure::new(Code::WrongDevice, format!("Device {word} is not active."))
}

/// A mapping that is somebody else's: the original removes it.
fn foreign(word: &str, status: &Status) -> Failure {
    match &status.state {
        State::NoTable => Failure::silent(Code::WrongDevice),
        _ => {
            let words = format!("Device {word} is no VERITY device, and is not removed.");
            Failure::new(Code::WrongDevice, words)
        }
    }
}

/// A call that failed.
fn failed(error: &Error) -> Failure {
    match error {
        Error::Ioctl { call, name, source } => {
            let reason = codes::system_words(source);
            let words = format!("device-mapper: {call} ioctl on {name} failed: {reason}");
            Failure::new(Code::Busy, words)
        }
        Error::NotPermitted { .. } | Error::NoDeviceMapper { .. } => {
            Failure::parameters(unconnected(error))
        }
        _ => Failure::new(Code::Busy, error.to_string()),
    }
}

fn note_words(name: &str, note: Note) -> String {
    match note {
        Note::HalfMadeRemoved => {
            format!("Device {name} without a table was left behind by another run; it was removed.")
        }
        Note::UdevTimedOut => "udev did not finish in time; the node was made here.".to_owned(),
        Note::UuidCut => format!("DM-UUID for device {name} was truncated."),
        _ => format!("Device {name} is there."),
    }
}

/// What is printed of a live device.
fn mapping(status: &Status, verity: &VerityStatus) -> Mapping {
    let line = &verity.line;
    let hash_block_size = u64::from(line.hash_block_size);
    let parity = line.options.known.fec.as_ref().zip(verity.fec.as_ref());
    let salt = if line.salt.is_empty() { "-" } else { &line.salt };
    Mapping {
        in_use: status.open_count > 0,
        verified: verity.health.letter == 'V',
        signed: line.is_signed(),
        hash_type: line.hash_type,
        data_block_size: line.data_block_size,
        hash_block_size: line.hash_block_size,
        algorithm: line.algorithm.clone(),
        salt: salt.to_owned(),
        root_hash: line.root_hash.clone(),
        size: verity.sectors.saturating_mul(512),
        read_only: status.is_read_only,
        data: device(&verity.data),
        hash: device(&verity.hash),
        hash_offset: line.hash_start.saturating_mul(hash_block_size),
        parity: parity.map(|(fec, backing)| MappedParity {
            device: device(backing),
            offset: fec.start.saturating_mul(hash_block_size),
            roots: fec.roots,
            repaired: verity.health.repaired,
        }),
        flags: line.options.flag_words(),
    }
}

fn device(backing: &Backing) -> Device {
    let path = backing.path.as_deref().map(|path| shown(path.as_os_str()));
    let file = backing.loop_file.as_ref().map(|file| {
        let deleted = if file.is_deleted { " (deleted)" } else { "" };
        format!("{}{deleted}", shown(file.path.as_os_str()))
    });
    Device { path: path.unwrap_or_else(|| backing.table_name.clone()), file }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mangled_names_are_shown_as_they_are_and_steer_no_terminal() {
        assert_eq!(shown(OsStr::new(r"/dev/mapper/a\x20b")), r"/dev/mapper/a\x20b");
        assert_eq!(shown(OsStr::new("a\\\\\u{1b}[2J\n\\")), r"a\\\u{1b}[2J\n\");
    }
}
