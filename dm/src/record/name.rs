//! Names and UUIDs of devices, as people write them and as the kernel has them.
//!
//! libdevmapper and everything over it write characters other than `0-9A-Za-z#+-.:=@_` as `\xNN`,
//! in the kernel and under `/dev/mapper`, and show them plain. We do as they do, so that everyone
//! sees the same device under the same name.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use verity::Uuid;

/// The longest name that the kernel takes, in bytes.
pub const MAX_NAME: usize = 127;
/// The longest UUID that the kernel takes, in bytes.
pub const MAX_UUID: usize = 128;

const PREFIX: &str = "CRYPT-VERITY-";

/// A name that no device can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// There is no name.
    #[error("the device needs a name")]
    Empty,
    /// Some characters are written as `\xNN` already, others would have to be.
    #[error("the name {name:?} mixes \\xNN with characters that need it")]
    Mixed {
        /// The name.
        name: String,
    },
    /// There is a NUL in it.
    #[error("the name {name:?} must not contain a NUL")]
    Nul {
        /// The name.
        name: String,
    },
    /// The kernel has the name for itself.
    #[error("no device can be called {name:?}")]
    Reserved {
        /// The name.
        name: String,
    },
    /// There is a slash in it.
    #[error("the name {name:?} must not contain '/'")]
    Slash {
        /// The name.
        name: String,
    },
    /// The kernel's limit is [`MAX_NAME`] bytes, each `\xNN` counting four.
    #[error("the name is too long: {len} bytes of at most {MAX_NAME}")]
    TooLong {
        /// How many bytes it would have in the kernel.
        len: usize,
    },
}

/// The name of a device, as shown under `/dev/mapper`.
///
/// ```
/// use verity_dm::MapperName;
///
/// let name: MapperName = "a b".parse()?;
/// assert_eq!((name.plain(), name.kernel()), ("a b", r"a\x20b"));
/// assert_eq!(name.node(), std::path::Path::new(r"/dev/mapper/a\x20b"));
/// assert_eq!(r"a\x20b".parse::<MapperName>()?, name);
/// # Ok::<(), verity_dm::NameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MapperName {
    plain: String,
    kernel: String,
}

impl MapperName {
    /// A device of that name, plain or with `\xNN`.
    ///
    /// # Errors
    /// When no device can have it; see [`NameError`].
    pub fn new(name: &str) -> Result<MapperName, NameError> {
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.contains('/') {
            return Err(NameError::Slash { name: excerpt(name) });
        }
        if name.contains('\0') {
            return Err(NameError::Nul { name: excerpt(name) });
        }
        if matches!(name, "." | ".." | "control") {
            return Err(NameError::Reserved { name: name.to_owned() });
        }
        if name.len() > MAX_NAME {
            return Err(NameError::TooLong { len: name.len() });
        }
        let mixed = || NameError::Mixed { name: excerpt(name) };
        let kernel = mangle(name).ok_or_else(mixed)?;
        if kernel.len() > MAX_NAME {
            return Err(NameError::TooLong { len: kernel.len() });
        }
        Ok(MapperName { plain: unmangle(&kernel), kernel })
    }

    /// Takes a name that the kernel answered with.
    #[must_use]
    pub fn from_kernel(name: &str) -> MapperName {
        // The kernel has none with a slash. It would lead out of `/dev/mapper`.
        let kernel = name.replace('/', "\\x2f");
        MapperName { plain: unmangle(&kernel), kernel }
    }

    /// The name as people see it.
    #[must_use]
    pub fn plain(&self) -> &str {
        &self.plain
    }

    /// The name as the kernel has it, with `\xNN`.
    #[must_use]
    pub fn kernel(&self) -> &str {
        &self.kernel
    }

    /// The node: `/dev/mapper/` and the name as the kernel has it.
    #[must_use]
    pub fn node(&self) -> PathBuf {
        PathBuf::from("/dev/mapper").join(&self.kernel)
    }
}

impl fmt::Display for MapperName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.plain)
    }
}

impl FromStr for MapperName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<MapperName, NameError> {
        MapperName::new(name)
    }
}

/// The UUID that a verity device has in device-mapper, which tells other tools what it is:
/// `CRYPT-VERITY-<32 hex digits>-<name>`, or `CRYPT-VERITY-<name>` for an image without UUID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceUuid {
    text: String,
    is_cut: bool,
}

impl DeviceUuid {
    /// The UUID of a device of this name, over an image of that UUID if it has one.
    #[must_use]
    pub fn new(image: Option<Uuid>, name: &MapperName) -> DeviceUuid {
        let digits = image.map(|uuid| hex::encode(uuid.as_bytes()) + "-").unwrap_or_default();
        let mut text = format!("{PREFIX}{digits}{}", name.kernel());
        let is_cut = text.len() > MAX_UUID;
        // A name that the kernel answered with need not be ASCII.
        let end = (0..=MAX_UUID.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or_default());
        DeviceUuid { text, is_cut }
    }

    /// The UUID as the kernel has it.
    #[must_use]
    pub fn kernel(&self) -> &str {
        &self.text
    }

    /// Whether it was cut at [`MAX_UUID`] bytes.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Whether the UUID of a device says that it is a verity device.
    #[must_use]
    pub fn is_verity(kernel: &str) -> bool {
        kernel.starts_with(PREFIX)
    }
}

/// The name in the kernel's spelling; `None` if it mixes `\xNN` with what would have to be so
/// written.
fn mangle(name: &str) -> Option<String> {
    let name = name.as_bytes();
    let escapes = (0..name.len()).filter(|at| escape(&name[*at..]).is_some()).count();
    let special = name.iter().filter(|byte| !is_plain(**byte)).count();
    if escapes > 0 && special != escapes {
        return None;
    }
    let mut text = String::new();
    for &byte in name {
        if is_plain(byte) || escapes > 0 {
            text.push(char::from(byte));
        } else {
            text += &format!("\\x{byte:02x}");
        }
    }
    Some(text)
}

/// The byte that is written as `\xNN` at the start.
fn escape(bytes: &[u8]) -> Option<u8> {
    let digits: &[u8; 2] = bytes.strip_prefix(b"\\x")?.first_chunk()?;
    let mut byte = [0];
    hex::decode_to_slice(digits, &mut byte).ok()?;
    Some(byte[0])
}

fn unmangle(name: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = name.as_bytes();
    while let Some(&first) = rest.first() {
        let (byte, len) = escape(rest).map_or((first, 1), |byte| (byte, 4));
        bytes.push(byte);
        rest = &rest[len..];
    }
    String::from_utf8(bytes).unwrap_or_else(|_| name.to_owned())
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"#+-.:=@_".contains(&byte)
}

fn excerpt(name: &str) -> String {
    name.chars().take(MAX_NAME).collect()
}
