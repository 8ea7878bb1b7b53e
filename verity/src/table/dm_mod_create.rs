//! The value of the kernel parameter `dm-mod.create=`, which makes devices before the root file
//! system is mounted. Source: `Documentation/admin-guide/device-mapper/dm-init.rst` and
//! `drivers/md/dm-init.c`.

use std::fmt;
use std::str::FromStr;

use super::limits::{MAX_DEVICES, MAX_MINOR, MAX_NAME, MAX_UUID, MAX_VALUE};
use super::word::{excerpt, number};
use super::{Table, TableError};

/// Devices for `dm-mod.create=`: `<name>,<uuid>,<minor>,ro,<table>`, several of them separated by
/// `;`.
///
/// The value contains spaces, so that it needs double quotes on the command line. The kernel must
/// have device-mapper and `CONFIG_DM_INIT` built in.
///
/// ```
/// use verity::table::{DmModCreate, Table};
///
/// let line = "0 8 verity 1 /dev/vda1 /dev/vda2 4096 4096 1 0 sha256 ".to_owned();
/// let table: Table = (line.clone() + &"ab".repeat(32) + " -").parse()?;
/// let value = DmModCreate::new("root", table)?.to_string();
/// assert!(value.starts_with(&format!("root,,,ro,{line}abab")));
/// assert_eq!(value.parse::<DmModCreate>()?.to_string(), value);
/// # Ok::<(), verity::table::TableError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DmModCreate {
    devices: Vec<DmDevice>,
}

/// One device of a [`DmModCreate`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DmDevice {
    name: String,
    uuid: String,
    minor: Option<u32>,
    table: Table,
}

impl DmModCreate {
    /// The longest value that the kernel takes, in bytes.
    pub const MAX_LEN: usize = MAX_VALUE;
    /// The length of the whole kernel command line on x86 and arm64, in bytes.
    pub const COMMAND_LINE_SIZE: usize = 2048;
    /// How many devices the kernel makes at most.
    pub const MAX_DEVICES: usize = MAX_DEVICES;

    /// One device of that name.
    ///
    /// # Errors
    /// When device-mapper does not take the name, a device name in the table holds a comma, a
    /// semicolon or quotes, the table asks for a signature (its key cannot be there so early), or
    /// the value would be longer than [`DmModCreate::MAX_LEN`].
    pub fn new(name: &str, table: Table) -> Result<DmModCreate, TableError> {
        let device = DmDevice { name: name.into(), uuid: String::new(), minor: None, table };
        DmModCreate { devices: vec![device.checked()?] }.checked()
    }

    /// These devices and then the other ones.
    ///
    /// # Errors
    /// When the value would be too long.
    pub fn and(mut self, other: DmModCreate) -> Result<DmModCreate, TableError> {
        self.devices.extend(other.devices);
        self.checked()
    }

    /// The devices, at least one.
    pub fn devices(&self) -> &[DmDevice] {
        &self.devices
    }

    /// Whether `dm-mod.create="<value>"` alone is longer than the command line of common
    /// architectures.
    pub fn exceeds_command_line(&self) -> bool {
        // The kernel counts the NUL at the end.
        self.to_string().len().saturating_add("dm-mod.create=\"\"".len()) >= Self::COMMAND_LINE_SIZE
    }

    fn checked(self) -> Result<DmModCreate, TableError> {
        let count = self.devices.len();
        if count > Self::MAX_DEVICES {
            return Err(TableError::TooManyDevices { count });
        }
        check_len(self.to_string().len())?;
        Ok(self)
    }
}

impl DmDevice {
    /// The name under `/dev/mapper`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The device-mapper UUID, empty if it has none.
    pub fn uuid(&self) -> &str {
        &self.uuid
    }

    /// The minor number, if it is not left to the kernel.
    pub fn minor(&self) -> Option<u32> {
        self.minor
    }

    /// The table.
    pub fn table(&self) -> &Table {
        &self.table
    }

    fn checked(self) -> Result<DmDevice, TableError> {
        if !is_dm_name(&self.name) {
            return Err(TableError::DmName { name: excerpt(&self.name) });
        }
        if self.uuid.len() > MAX_UUID {
            return Err(TableError::TooLong { len: self.uuid.len(), max: MAX_UUID });
        }
        if self.table.options().root_hash_sig_key_desc.is_some() {
            return Err(TableError::KeyTooEarly);
        }
        let fec = self.table.options().fec.as_ref().map(|fec| &fec.device);
        let devices = [self.table.data_device(), self.table.hash_device()].into_iter().chain(fec);
        for text in devices.map(super::DeviceName::as_str).chain([self.uuid.as_str()]) {
            if !is_field(text) {
                return Err(TableError::Character { text: excerpt(text) });
            }
        }
        Ok(self)
    }

    /// Reads `<name>,<uuid>,<minor>,<flags>,<table>`; the kernel drops spaces around fields.
    fn parse(text: &str) -> Result<DmDevice, TableError> {
        let mut fields = text.splitn(5, ',').map(str::trim_ascii);
        let mut next = |what| fields.next().ok_or(TableError::Missing { what });
        let name = next("name")?.to_owned();
        let uuid = next("UUID")?.to_owned();
        let minor = parse_minor(next("minor number")?)?;
        let flags = next("flags")?;
        let table = next("table")?;
        if flags != "ro" {
            return Err(TableError::Flags { flags: excerpt(flags) });
        }
        if table.contains(',') {
            return Err(TableError::TooManyTables { name: excerpt(&name) });
        }
        DmDevice { name, uuid, minor, table: table.parse()? }.checked()
    }
}

fn parse_minor(text: &str) -> Result<Option<u32>, TableError> {
    if text.is_empty() {
        return Ok(None);
    }
    let what = "minor number";
    match number(what, text)? {
        minor if minor <= MAX_MINOR => Ok(Some(minor)),
        _ => Err(TableError::Number { what, text: excerpt(text) }),
    }
}

/// Whether device-mapper and what names devices in text take the name.
pub(super) fn is_dm_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..")
        && name.len() <= MAX_NAME
        && is_field(name)
        && !name.contains(['/', '\\', ' '])
}

/// Whether it can stand between commas and within quotes, and comes back without its ends trimmed.
fn is_field(text: &str) -> bool {
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b';' | b'"');
    text.bytes().all(plain) && text.trim_ascii() == text
}

fn check_len(len: usize) -> Result<(), TableError> {
    if len > DmModCreate::MAX_LEN {
        return Err(TableError::TooLong { len, max: DmModCreate::MAX_LEN });
    }
    Ok(())
}

impl fmt::Display for DmModCreate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, device) in self.devices.iter().enumerate() {
            let separator = if index == 0 { "" } else { ";" };
            write!(f, "{separator}{device}")?;
        }
        Ok(())
    }
}

impl fmt::Display for DmDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{},", self.name, self.uuid)?;
        if let Some(minor) = self.minor {
            write!(f, "{minor}")?;
        }
        write!(f, ",ro,{}", self.table)
    }
}

impl FromStr for DmModCreate {
    type Err = TableError;

    /// Reads the value without its quotes. Every device must be a verity device.
    fn from_str(value: &str) -> Result<DmModCreate, TableError> {
        check_len(value.len())?;
        let devices = value.split(';').map(DmDevice::parse).collect::<Result<Vec<_>, _>>()?;
        DmModCreate { devices }.checked()
    }
}
