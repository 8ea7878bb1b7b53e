//! `struct dm_ioctl`: what every call of device-mapper begins with, both ways.

use std::ops::BitOr;

use super::bytes::{RecordError, i32_at, place, put, text, u32_at, u64_at};
use super::{DeviceNumber, MAX_NAME, MAX_UUID};

/// The size of `struct dm_ioctl`, in bytes; records of a call follow it.
pub const HEADER_SIZE: usize = 312;

/// Where the payload of a request begins: `HEADER_SIZE`, as the header has it.
const PAYLOAD_START: u32 = 312;
const VERSION: usize = 0;
const DATA_SIZE: usize = 12;
const DATA_START: usize = 16;
const TARGET_COUNT: usize = 20;
const OPEN_COUNT: usize = 24;
const FLAGS: usize = 28;
const EVENT: usize = 32;
const DEVICE: usize = 40;
const NAME: usize = 48;
const UUID: usize = 176;

/// A call of device-mapper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// `DM_VERSION`: the version of device-mapper.
    Version,
    /// `DM_LIST_DEVICES`: all devices.
    ListDevices,
    /// `DM_DEV_CREATE`: makes a device without a table.
    Create,
    /// `DM_DEV_REMOVE`: removes a device.
    Remove,
    /// `DM_DEV_SUSPEND`: suspends a device, or makes its loaded table live.
    Suspend,
    /// `DM_DEV_STATUS`: what is known of a device.
    Status,
    /// `DM_TABLE_LOAD`: gives a device an inactive table.
    Load,
    /// `DM_TABLE_STATUS`: status texts of the live table, or the table itself.
    TableStatus,
    /// `DM_LIST_VERSIONS`: the targets that the kernel has loaded.
    ListVersions,
    /// `DM_TARGET_MSG`: a message to a device.
    Message,
    /// `DM_GET_TARGET_VERSION`: one target, whose module is loaded for it.
    TargetVersion,
}

impl Command {
    /// The number of the call, of which the ioctl's number is made.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Command::Version => 0,
            Command::ListDevices => 2,
            Command::Create => 3,
            Command::Remove => 4,
            Command::Suspend => 6,
            Command::Status => 7,
            Command::Load => 9,
            Command::TableStatus => 12,
            Command::ListVersions => 13,
            Command::Message => 14,
            Command::TargetVersion => 17,
        }
    }

    /// What the call is for, as a word of messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Command::Version => "version",
            Command::ListDevices => "list devices",
            Command::Create => "create",
            Command::Remove => "remove",
            Command::Suspend => "resume",
            Command::Status | Command::TableStatus => "status",
            Command::Load => "load",
            Command::ListVersions | Command::TargetVersion => "target version",
            Command::Message => "message",
        }
    }
}

/// Flags of a request or an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u32);

impl Flags {
    /// The device is read-only.
    pub const READ_ONLY: Flags = Flags(1 << 0);
    /// The device is suspended; in a request, suspend it.
    pub const SUSPENDED: Flags = Flags(1 << 1);
    /// The table is wanted, not its status.
    pub const STATUS_TABLE: Flags = Flags(1 << 4);
    /// The device has a live table.
    pub const ACTIVE_PRESENT: Flags = Flags(1 << 5);
    /// The device has a table that was loaded and not resumed.
    pub const INACTIVE_PRESENT: Flags = Flags(1 << 6);
    /// The answer did not fit.
    pub const BUFFER_FULL: Flags = Flags(1 << 8);
    /// Do not wait for requests that are under way.
    pub const NO_FLUSH: Flags = Flags(1 << 11);
    /// The call made an event, which udev will see.
    pub const UEVENT_GENERATED: Flags = Flags(1 << 13);
    /// Remove the device when it is closed last; in an answer, that is what will happen.
    pub const DEFERRED_REMOVE: Flags = Flags(1 << 17);

    /// The flags of these bits.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Flags {
        Flags(bits)
    }

    /// The bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether all of these are set.
    #[must_use]
    pub const fn has(self, flags: Flags) -> bool {
        self.0 & flags.0 == flags.0
    }
}

impl BitOr for Flags {
    type Output = Flags;

    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

/// What is asked of the kernel.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// The name of the device as the kernel has it, or nothing.
    pub name: &'a str,
    /// The UUID as the kernel has it. The kernel takes name and UUID together only to create.
    pub uuid: &'a str,
    /// Flags.
    pub flags: Flags,
    /// The cookie for udev, with its flags.
    pub event: u32,
    /// How many target records `payload` has.
    pub target_count: u32,
    /// What follows the header.
    pub payload: &'a [u8],
}

impl Request<'_> {
    /// The version of the interface that is asked for: the first of those compatible with today's.
    const INTERFACE: [u32; 3] = [4, 0, 0];

    /// The request at the start of a buffer of `size` bytes, which the answer will take.
    ///
    /// # Errors
    /// When name, UUID or payload do not fit.
    pub fn encode(&self, size: usize) -> Result<Vec<u8>, RecordError> {
        let (name, uuid) = (self.name.as_bytes(), self.uuid.as_bytes());
        if name.len() > MAX_NAME || uuid.len() > MAX_UUID {
            return Err(RecordError::of_request("a name or UUID is too long"));
        }
        let size = size.max(HEADER_SIZE + self.payload.len());
        let total =
            u32::try_from(size).map_err(|_| RecordError::of_request("the request has 4 GiB"))?;
        let mut bytes = vec![0; size];
        for (index, number) in Self::INTERFACE.iter().enumerate() {
            put(&mut bytes, VERSION + 4 * index, &number.to_ne_bytes());
        }
        put(&mut bytes, DATA_SIZE, &total.to_ne_bytes());
        put(&mut bytes, DATA_START, &PAYLOAD_START.to_ne_bytes());
        put(&mut bytes, TARGET_COUNT, &self.target_count.to_ne_bytes());
        put(&mut bytes, FLAGS, &self.flags.bits().to_ne_bytes());
        put(&mut bytes, EVENT, &self.event.to_ne_bytes());
        put(&mut bytes, NAME, name);
        put(&mut bytes, UUID, uuid);
        put(&mut bytes, HEADER_SIZE, self.payload);
        Ok(bytes)
    }
}

/// What the kernel answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The version of device-mapper's interface.
    pub version: [u32; 3],
    /// How many target records the payload has.
    pub target_count: u32,
    /// How many have the device open.
    pub open_count: u32,
    /// Flags.
    pub flags: Flags,
    /// The number of the last event.
    pub event: u32,
    /// The device.
    pub number: DeviceNumber,
    /// The name as the kernel has it.
    pub name: String,
    /// The UUID as the kernel has it.
    pub uuid: String,
    /// What follows the header.
    pub payload: &'a [u8],
}

impl<'a> Answer<'a> {
    /// Reads the buffer of a call that succeeded.
    ///
    /// # Errors
    /// When it is shorter than a header, or the payload does not lie within it.
    pub fn parse(bytes: &'a [u8]) -> Result<Answer<'a>, RecordError> {
        let short = RecordError::of_answer("it is shorter than its header");
        if bytes.len() < HEADER_SIZE {
            return Err(short);
        }
        let number = |at| u32_at(bytes, at).ok_or(short);
        let (start, end) = (place(number(DATA_START)?), place(number(DATA_SIZE)?));
        // An answer without data ends within its header, behind the UUID.
        let payload = if end <= HEADER_SIZE { Some(&[][..]) } else { bytes.get(start..end) };
        let payload = payload.filter(|payload| payload.is_empty() || start >= HEADER_SIZE);
        let open_count = i32_at(bytes, OPEN_COUNT).ok_or(short)?;
        Ok(Answer {
            version: [number(VERSION)?, number(VERSION + 4)?, number(VERSION + 8)?],
            target_count: number(TARGET_COUNT)?,
            open_count: u32::try_from(open_count).unwrap_or_default(),
            flags: Flags(number(FLAGS)?),
            event: number(EVENT)?,
            number: DeviceNumber::from_kernel(u64_at(bytes, DEVICE).ok_or(short)?),
            name: text(&bytes[NAME..UUID]),
            uuid: text(&bytes[UUID..UUID + MAX_UUID + 1]),
            payload: payload.ok_or(RecordError::of_answer("its data does not lie within it"))?,
        })
    }
}
