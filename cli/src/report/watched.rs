//! `verity status`: one device with all that is known of it, or a list.

use std::fmt;

use serde::Serialize;
use verity_dm::Status;

use super::device::DeviceEntry;
use super::signer::SignerEntry;
use crate::command::status::WatchedDevice;
use crate::quoted::Plain;

/// One device. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct DeviceDocument {
    #[serde(flatten)]
    device: DeviceEntry,
    /// The image whose table it has, if that was asked for.
    checked: Option<CheckedImageEntry>,
}

/// The image of a manifest. The order of the fields is the order of the keys.
#[derive(Serialize)]
struct CheckedImageEntry {
    image_name: String,
    image_version: u64,
    signer: SignerEntry,
}

impl From<&WatchedDevice> for DeviceDocument {
    fn from(facts: &WatchedDevice) -> DeviceDocument {
        let checked = facts.checked.as_ref().map(|(manifest, signer)| CheckedImageEntry {
            image_name: manifest.image().name().to_owned(),
            image_version: manifest.image().version(),
            signer: SignerEntry::from(signer),
        });
        DeviceDocument { device: DeviceEntry::from(&facts.status), checked }
    }
}

impl fmt::Display for DeviceDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.device.fmt(f)?;
        let Some(checked) = &self.checked else { return Ok(()) };
        let (name, version) = (Plain(&checked.image_name), checked.image_version);
        writeln!(f, "manifest: {name} version {version}, signed by {}", checked.signer)
    }
}

/// All verity devices. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct DevicesDocument {
    devices: Vec<DeviceEntry>,
}

impl From<&[Status]> for DevicesDocument {
    fn from(facts: &[Status]) -> DevicesDocument {
        DevicesDocument { devices: facts.iter().map(DeviceEntry::from).collect() }
    }
}

impl fmt::Display for DevicesDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.devices.is_empty() {
            return writeln!(f, "there is no verity device");
        }
        self.devices.iter().try_for_each(|device| writeln!(f, "{}", device.line()))
    }
}
