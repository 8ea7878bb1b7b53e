//! What the header of an answer says of a device.

use crate::record::{Answer, DeviceNumber, DeviceUuid, Flags, MapperName, Request};

/// One device. Another one that gets the name after it has another number or UUID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeviceId {
    pub(crate) name: MapperName,
    /// The UUID as the kernel has it.
    pub(crate) uuid: String,
    pub(crate) number: DeviceNumber,
}

impl DeviceId {
    /// A request about this device: by its UUID where it has one, as the name may be another's by
    /// now. The kernel takes one of the two.
    pub(crate) fn request(&self) -> Request<'_> {
        // What was not ASCII is not any more what the kernel has.
        if self.uuid.is_empty() || !self.uuid.is_ascii() {
            Request { name: self.name.kernel(), ..Request::default() }
        } else {
            Request { uuid: &self.uuid, ..Request::default() }
        }
    }

    /// Whether that is this device, whatever its name is.
    pub(crate) fn is_same(&self, other: &DeviceId) -> bool {
        (self.number, &self.uuid) == (other.number, &other.uuid)
    }
}

/// What the header of every answer about a device says.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) id: DeviceId,
    pub(crate) flags: Flags,
    pub(crate) open_count: u32,
}

impl Known {
    pub(crate) fn new(answer: &Answer<'_>) -> Known {
        let name = MapperName::from_kernel(&answer.name);
        Known {
            id: DeviceId { name, uuid: answer.uuid.clone(), number: answer.number },
            flags: answer.flags,
            open_count: answer.open_count,
        }
    }

    /// Whether the device was begun as a verity device and has no live table.
    pub(crate) fn is_half_made(&self) -> bool {
        !self.flags.has(Flags::ACTIVE_PRESENT) && DeviceUuid::is_verity(&self.id.uuid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_asked_for_by_its_uuid_or_its_name_and_never_by_both() {
        let number = DeviceNumber { major: 253, minor: 0 };
        for (uuid, is_by_uuid) in [("", false), ("CRYPT-VERITY-root", true), ("\u{fffd}", false)] {
            let name = MapperName::from_kernel("root");
            let id = DeviceId { name, uuid: uuid.to_owned(), number };
            let request = id.request();
            let expected = if is_by_uuid { ("", uuid) } else { ("root", "") };
            assert_eq!((request.name, request.uuid), expected);
            assert!(
                id.is_same(&id) && !id.is_same(&DeviceId { uuid: "x".to_owned(), ..id.clone() })
            );
            let number = DeviceNumber { minor: 1, ..number };
            assert!(!id.is_same(&DeviceId { number, ..id.clone() }));
        }
    }
}
