//! What can go wrong with a device, and why.

use std::fmt;
use std::io;
use std::path::PathBuf;

use verity::table::TableError;

use crate::record::{DeviceNumber, MapperName, NameError, RecordError};
use crate::users::Users;

/// Why a device was not opened, closed or looked at.
///
/// [`Error::reason`] has the cause as one word, by which callers say what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or device below cannot be used.
    #[error("{} {}: {cause}", .role.name(), .path.display())]
    Backing {
        /// What it should have been.
        role: Role,
        /// The file or device.
        path: PathBuf,
        /// Why not.
        cause: BackingError,
    },
    /// The caller has ended the run. What it had begun is undone.
    #[error("cancelled")]
    Cancelled,
    /// There is such a device already.
    #[error("a device {name} exists already{}", .state.suffix())]
    Exists {
        /// The name.
        name: MapperName,
        /// What kind of device it is.
        state: ExistingState,
    },
    /// Somebody uses the device.
    #[error("device {name} is in use{users}")]
    InUse {
        /// The name.
        name: MapperName,
        /// By whom, as far as that can be found out.
        users: Box<Users>,
    },
    /// A call of device-mapper failed.
    #[error("device-mapper: {call} of {name} failed: {source}")]
    Ioctl {
        /// The call.
        call: &'static str,
        /// The device, or what else was asked about.
        name: String,
        /// The system's error.
        source: io::Error,
    },
    /// A signature cannot be put into the keyring.
    #[error("the signature cannot be put into the kernel's keyring: {cause}")]
    Key {
        /// Why not.
        cause: KeyError,
    },
    /// No device can have this name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// There is no device-mapper.
    #[error("there is no device-mapper: {source}")]
    NoDeviceMapper {
        /// What opening it said.
        source: io::Error,
    },
    /// The node of a device cannot be made.
    #[error("the node {} cannot be made: {source}", .path.display())]
    Node {
        /// The node.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The device has no live table: whoever made it did not come to the end.
    #[error("device {name} has no table: it was not made to its end")]
    NoTable {
        /// The name.
        name: MapperName,
    },
    /// There is no such device.
    #[error("there is no device {name}")]
    NotActive {
        /// The name.
        name: MapperName,
    },
    /// Only root may ask device-mapper.
    #[error("device-mapper may be asked by root only: {source}")]
    NotPermitted {
        /// The system's error.
        source: io::Error,
    },
    /// The device is another one than a verity device.
    #[error("device {name} is no verity device but has the target {target}")]
    NotVerity {
        /// The name.
        name: MapperName,
        /// The types of its targets.
        target: String,
    },
    /// The kernel's answer is not understood, or the kernel cannot be asked so.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The kernel refused the table.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// No table can have these parameters.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The kernel has no verity target.
    #[error("the kernel has no verity target")]
    NoVerityTarget,
}

/// The table that the kernel refused, and its reason.
#[derive(Debug)]
#[non_exhaustive]
pub struct Refusal {
    /// The name of the device that was to be.
    pub name: MapperName,
    /// The number that it had.
    pub number: DeviceNumber,
    /// The cause, as far as errno and the kernel's line tell it.
    pub reason: Reason,
    /// The system's error.
    pub errno: i32,
    /// The lines of the kernel's log about this device, if it may be read.
    pub lines: Vec<String>,
    /// The version of the kernel's verity target.
    pub target_version: Option<[u32; 3]>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = io::Error::from_raw_os_error(self.errno);
        write!(f, "the kernel refused the table of {} ({}): {error}", self.name, self.number)?;
        self.lines.iter().try_for_each(|line| write!(f, "; the kernel's log: {line}"))
    }
}

impl std::error::Error for Refusal {}

/// A cause in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// Data, tree or parity are held by another: mapped, mounted or open exclusively.
    BackingInUse,
    /// Data, tree or parity cannot be opened.
    BackingUnreadable,
    /// The caller ended the run.
    Cancelled,
    /// A device below is smaller than the table says.
    DeviceTooSmall,
    /// Somebody uses the device.
    InUse,
    /// A system call failed for another reason.
    Io,
    /// The kernel does not know the key of the signer.
    KeyMissing,
    /// The kernel holds the signature to be false.
    KeyRejected,
    /// The key of the signer, or the one that holds the signature, was revoked or has expired.
    KeyUnusable,
    /// Block sizes are below the logical block size of a device, or above the size of a page.
    LogicalBlockSize,
    /// No loop device can be had for a file.
    LoopDevice,
    /// There is a device of this name, or with this UUID.
    NameInUse,
    /// No device can have the name.
    NameInvalid,
    /// There is no device-mapper.
    NoDeviceMapper,
    /// The kernel has no keyrings.
    NoKeyring,
    /// The device has no live table.
    NoTable,
    /// There is no such device.
    NotActive,
    /// What should be a block device or a regular file is something else.
    NotCompatible,
    /// The caller is not root.
    NotPermitted,
    /// The device is no verity device.
    NotVerity,
    /// The kernel has no verity target.
    NoVerityTarget,
    /// The kernel takes no table without a signature.
    SignatureRequired,
    /// The signature is not PKCS#7 as the kernel wants it, or too large.
    SignatureMalformed,
    /// The signature uses an algorithm that the kernel does not take.
    SignatureUnsupported,
    /// The kernel's verity target is older than an option, or was built without it.
    TargetTooOld,
    /// The kernel refused the table for another reason.
    TableRefused,
    /// The kernel does not have the hash algorithm.
    UnknownHash,
}

impl Error {
    /// The cause in one word.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Error::Backing { cause, .. } => cause.reason(),
            Error::Cancelled => Reason::Cancelled,
            Error::Exists { .. } => Reason::NameInUse,
            Error::InUse { .. } => Reason::InUse,
            Error::Ioctl { .. } | Error::Node { .. } | Error::Record(_) => Reason::Io,
            Error::Key { cause } => cause.reason(),
            Error::Name(_) => Reason::NameInvalid,
            Error::NoDeviceMapper { .. } => Reason::NoDeviceMapper,
            Error::NoTable { .. } => Reason::NoTable,
            Error::NotActive { .. } => Reason::NotActive,
            Error::NotPermitted { .. } => Reason::NotPermitted,
            Error::NotVerity { .. } => Reason::NotVerity,
            Error::Refused(refusal) => refusal.reason,
            Error::Table(_) => Reason::TableRefused,
            Error::NoVerityTarget => Reason::NoVerityTarget,
        }
    }

    /// The system's error number, where there is one.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match self {
            Error::Backing { cause, .. } => cause.errno(),
            Error::Key { cause: KeyError::System(source) }
            | Error::Ioctl { source, .. }
            | Error::NoDeviceMapper { source }
            | Error::Node { source, .. }
            | Error::NotPermitted { source } => source.raw_os_error(),
            Error::Refused(refusal) => Some(refusal.errno),
            _ => None,
        }
    }
}

/// What a file or device below a verity device holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The data.
    Data,
    /// The tree.
    Hash,
    /// The parity.
    Fec,
}

impl Role {
    /// What it is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Role::Data => "data device",
            Role::Hash => "hash device",
            Role::Fec => "FEC device",
        }
    }
}

/// Why a file or device cannot be below a verity device.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackingError {
    /// Another holds it: it is mapped, mounted or open exclusively.
    #[error("it is in use: already mapped or mounted")]
    InUse,
    /// No loop device can be had for the file.
    #[error("no loop device: {0}")]
    Loop(LoopError),
    /// It has no such part that could be a device.
    #[error("no part of it of whole sectors is there: it has {size} bytes")]
    NoSuchPart {
        /// The size of the whole, in bytes.
        size: u64,
    },
    /// It is neither a block device nor a regular file.
    #[error("it is neither a block device nor a regular file")]
    NotCompatible,
    /// It is too small.
    #[error("it has {size} bytes, {needed} are needed")]
    TooSmall {
        /// How much is needed, in bytes.
        needed: u64,
        /// The size, in bytes.
        size: u64,
    },
    /// It cannot be opened or read.
    #[error(transparent)]
    Unreadable(io::Error),
}

impl BackingError {
    fn reason(&self) -> Reason {
        match self {
            BackingError::InUse => Reason::BackingInUse,
            BackingError::Loop(_) => Reason::LoopDevice,
            BackingError::NotCompatible => Reason::NotCompatible,
            BackingError::NoSuchPart { .. } | BackingError::TooSmall { .. } => {
                Reason::DeviceTooSmall
            }
            BackingError::Unreadable(_) => Reason::BackingUnreadable,
        }
    }

    fn errno(&self) -> Option<i32> {
        match self {
            BackingError::Loop(LoopError::System { source, .. })
            | BackingError::Unreadable(source) => source.raw_os_error(),
            _ => None,
        }
    }
}

/// Why no loop device can be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoopError {
    /// All that were free were taken by others, again and again.
    #[error("others took every free one")]
    Busy,
    /// The caller has ended the run.
    #[error("cancelled")]
    Cancelled,
    /// The kernel did not attach what it was asked to.
    #[error("the kernel attached it otherwise than asked: {what}")]
    Otherwise {
        /// What is different.
        what: &'static str,
    },
    /// A system call failed.
    #[error("{what}: {source}")]
    System {
        /// What was done.
        what: &'static str,
        /// The system's error.
        source: io::Error,
    },
}

/// Why a signature is not in the keyring.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The signature is empty.
    #[error("it is empty")]
    Empty,
    /// The kernel has no keyrings.
    #[error("the kernel has none")]
    NoKeyring,
    /// The signature is longer than a key may be.
    #[error("it has {len} bytes, a key at most {}", KeyError::MAX_PAYLOAD)]
    TooLong {
        /// The length of the signature, in bytes.
        len: usize,
    },
    /// The system refused it.
    #[error(transparent)]
    System(io::Error),
}

impl KeyError {
    /// The longest content of a key, in bytes.
    pub const MAX_PAYLOAD: usize = 32_767;

    fn reason(&self) -> Reason {
        match self {
            KeyError::Empty | KeyError::TooLong { .. } => Reason::SignatureMalformed,
            KeyError::NoKeyring => Reason::NoKeyring,
            KeyError::System(_) => Reason::Io,
        }
    }
}

/// What a device is that exists already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExistingState {
    /// It has a live table of whatever kind.
    Live,
    /// It has no live table, and is not ours to remove: somebody may be about to make it, or it
    /// has another UUID than verity devices have.
    WithoutTable,
    /// Another device has the UUID, or the name was taken since it was looked for.
    Unknown,
}

impl ExistingState {
    fn suffix(self) -> &'static str {
        match self {
            ExistingState::Live => "",
            ExistingState::WithoutTable => ", without a table",
            ExistingState::Unknown => ", or another one with its UUID",
        }
    }
}
