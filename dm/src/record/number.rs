//! Major and minor numbers.

use std::fmt;
use std::str::FromStr;

/// The number of a block device, written `253:0`.
///
/// ```
/// use verity_dm::record::DeviceNumber;
///
/// let number: DeviceNumber = "253:300".parse()?;
/// assert_eq!(number, DeviceNumber { major: 253, minor: 300 });
/// assert_eq!(DeviceNumber::from_kernel(number.to_kernel()), number);
/// assert_eq!(number.to_string(), "253:300");
/// # Ok::<(), std::num::ParseIntError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceNumber {
    /// The major number, which tells the driver: 12 bits.
    pub major: u32,
    /// The minor number, which tells the device: 20 bits.
    pub minor: u32,
}

impl DeviceNumber {
    /// Takes the number as records of the kernel have it: `new_encode_dev` of `kdev_t.h`.
    #[must_use]
    pub fn from_kernel(device: u64) -> DeviceNumber {
        let low = |bits: u64| u32::try_from(bits & 0xffff_ffff).unwrap_or_default();
        let major = low((device & 0x000f_ff00) >> 8);
        let minor = low((device & 0xff) | ((device >> 12) & 0x000f_ff00));
        DeviceNumber { major, minor }
    }

    /// The number as records of the kernel have it.
    #[must_use]
    pub fn to_kernel(self) -> u64 {
        let (major, minor) = (u64::from(self.major), u64::from(self.minor));
        (minor & 0xff) | major << 8 | (minor & !0xff) << 12
    }

    /// Takes a `dev_t` of the C library, as `stat` gives it.
    #[must_use]
    pub fn from_dev(device: u64) -> DeviceNumber {
        DeviceNumber { major: rustix::fs::major(device), minor: rustix::fs::minor(device) }
    }
}

impl fmt::Display for DeviceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

impl FromStr for DeviceNumber {
    type Err = std::num::ParseIntError;

    /// Reads `major:minor`.
    fn from_str(text: &str) -> Result<DeviceNumber, Self::Err> {
        let (major, minor) = text.split_once(':').unwrap_or((text, ""));
        Ok(DeviceNumber { major: major.parse()?, minor: minor.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_coded_as_the_kernel_does() {
        for (major, minor, coded) in [
            (253, 0, 0xfd00),
            (7, 255, 0x07ff),
            (253, 256, 0x0010_fd00),
            (4095, 0xf_ffff, 0xffff_ffff),
        ] {
            let number = DeviceNumber { major, minor };
            assert_eq!(number.to_kernel(), coded);
            assert_eq!(DeviceNumber::from_kernel(coded), number);
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "7", "7:", ":7", "7:x", "/dev/loop0", "1:2:3", "-1:0"] {
            assert!(text.parse::<DeviceNumber>().is_err(), "{text}");
        }
    }
}
