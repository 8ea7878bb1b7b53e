//! An image that is there: opened, vouched for, read, verified, and what its parity makes of it.

#[cfg(feature = "https")]
mod authorities;
mod device;
mod fresh;
mod geometry;
mod locked_disk;
mod mounted;
mod opened;
mod parity;
mod pieces;
mod recovery;
mod slots;
mod source;
mod sparse;
mod verification;
mod vouching;

#[cfg(feature = "https")]
pub(crate) use self::authorities::trust_servers_of;
pub(crate) use self::device::{Device, Fetched, read_superblock};
pub(crate) use self::fresh::{FreshDevice, ReadBack};
pub(crate) use self::locked_disk::LockedDisk;
pub(crate) use self::opened::{ImageReader, OpenedImage};
pub(crate) use self::parity::{ParityDevice, check_pins as check_parity_pins};
pub(crate) use self::pieces::{PieceFailure, Pieces};
pub(crate) use self::recovery::{Recovering, WrittenTo, failure_after};
pub(crate) use self::slots::{ShownSlots, shown_slots};
pub(crate) use self::source::{ImageSource, Reading};
pub(crate) use self::sparse::write_sparse;
pub(crate) use self::verification::{Effort, Verification, verify};
pub(crate) use self::vouching::{check_uuid, stated_parameters, trusted_superblock};
