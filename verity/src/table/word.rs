//! Single words of a table line.

use std::fmt;
use std::str::FromStr;

use super::TableError;

/// The name of a device as the kernel or a boot loader will resolve it: a path, `8:1`,
/// `PARTUUID=…/PARTNROFF=1`, also with a variable in it such as `$boot_uuid`. Taken as it is.
///
/// One word of printable ASCII without a backslash: the kernel would take whitespace (which for it
/// includes the byte 0xA0) as the end of the word and drop the backslash.
///
/// ```
/// let device: verity::table::DeviceName = "PARTUUID=$boot_uuid/PARTNROFF=1".parse()?;
/// assert_eq!(device.to_string(), "PARTUUID=$boot_uuid/PARTNROFF=1");
/// # Ok::<(), verity::table::TableError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeviceName(String);

impl DeviceName {
    /// A device of that name.
    ///
    /// # Errors
    /// When it is not one word; see the type.
    pub fn new(name: impl Into<String>) -> Result<DeviceName, TableError> {
        let name = name.into();
        if is_word(&name) {
            Ok(DeviceName(name))
        } else {
            Err(TableError::Word { what: "device name", text: excerpt(&name) })
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for DeviceName {
    type Err = TableError;

    fn from_str(text: &str) -> Result<DeviceName, TableError> {
        DeviceName::new(text)
    }
}

/// The description of a key of type `user` that holds the signature of the root hash. One word,
/// like a [`DeviceName`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyDescription(String);

impl KeyDescription {
    /// A key of that description.
    ///
    /// # Errors
    /// When it is not one word of printable ASCII without a backslash.
    pub fn new(description: impl Into<String>) -> Result<KeyDescription, TableError> {
        let description = description.into();
        if is_word(&description) {
            Ok(KeyDescription(description))
        } else {
            Err(TableError::Word { what: "key description", text: excerpt(&description) })
        }
    }

    /// The description.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for KeyDescription {
    type Err = TableError;

    fn from_str(text: &str) -> Result<KeyDescription, TableError> {
        KeyDescription::new(text)
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

/// Reads decimal digits and nothing else.
pub(super) fn number<T: FromStr>(what: &'static str, text: &str) -> Result<T, TableError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let value = if digits { text.parse().ok() } else { None };
    value.ok_or_else(|| TableError::Number { what, text: excerpt(text) })
}

/// As much of a refused text as a message should carry.
pub(super) fn excerpt(text: &str) -> String {
    text.chars().take(64).collect()
}
