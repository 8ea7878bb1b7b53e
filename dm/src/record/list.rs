//! Lists in answers: of devices, and of targets with their versions.

use super::DeviceNumber;
use super::bytes::{RecordError, place, text, u32_at, u64_at};

/// A device in the list of all devices.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListedDevice {
    /// The device.
    pub number: DeviceNumber,
    /// The name as the kernel has it.
    pub name: String,
}

/// A target that the kernel has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetVersion {
    /// The type, such as `verity`.
    pub kind: String,
    /// The version of the target.
    pub version: [u32; 3],
}

/// Reads the payload of the list of devices.
///
/// # Errors
/// When a record does not lie within the payload.
pub fn parse_devices(payload: &[u8]) -> Result<Vec<ListedDevice>, RecordError> {
    let devices = walk(payload, 8, |bytes| {
        let number = DeviceNumber::from_kernel(u64_at(bytes, 0)?);
        Some(ListedDevice { number, name: text(bytes.get(12..)?) })
    })?;
    // A list of no devices is one record without a name.
    Ok(devices.into_iter().filter(|device| !device.name.is_empty()).collect())
}

/// Reads the payload of the list of targets, or that about one target.
///
/// # Errors
/// When a record does not lie within the payload.
pub fn parse_versions(payload: &[u8]) -> Result<Vec<TargetVersion>, RecordError> {
    walk(payload, 0, |bytes| {
        let version = [u32_at(bytes, 4)?, u32_at(bytes, 8)?, u32_at(bytes, 12)?];
        Some(TargetVersion { kind: text(bytes.get(16..)?), version })
    })
}

/// Reads records that say at `next_at` how far it is to the next one, 0 on the last.
fn walk<T>(
    payload: &[u8],
    next_at: usize,
    read: impl Fn(&[u8]) -> Option<T>,
) -> Result<Vec<T>, RecordError> {
    let beyond = RecordError::of_answer("a list goes on beyond its end");
    let mut rest = payload;
    let mut records = Vec::new();
    while !rest.is_empty() {
        let next = place(u32_at(rest, next_at).ok_or(beyond)?);
        let end = if next == 0 { rest.len() } else { next };
        let record = rest.get(..end).and_then(&read);
        records.push(record.ok_or(beyond)?);
        rest = &rest[end..];
    }
    Ok(records)
}
