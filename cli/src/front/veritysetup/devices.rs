//! Data, hash and FEC devices: files and block devices, opened for reading.

use std::path::Path;

use verity::Sharing;
use verity::publish::{Input, PublishError};

use super::codes::{self, Failure};
use crate::quoted::Quoted;
use crate::storage;

/// Opens a device.
pub(super) fn open(path: &Path) -> Result<Input, Failure> {
    Input::open(path).map_err(|error| match error {
        PublishError::NotRegular { .. } => codes::incompatible_device(path),
        _ => codes::missing_device(path),
    })
}

/// Refuses a data device without a single sector.
pub(super) fn check_size(data: &Input) -> Result<(), Failure> {
    match data.size() < SECTOR {
        false => Ok(()),
        true => Err(Failure::parameters(format!(
            "Header detected but device {} is too small.",
            Quoted(data.path())
        ))),
    }
}

/// The bytes of a sector.
pub(super) const SECTOR: u64 = 512;

/// How the bytes of two devices relate. Where that cannot be told they are taken for one another's.
pub(super) fn sharing(a: &Input, b: &Input) -> Sharing {
    storage::relation(a.file(), b.file()).map_or(Sharing::Shifted, Sharing::from)
}
