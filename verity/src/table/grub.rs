//! Tables in GRUB configurations.

use super::TableError;
use super::word::excerpt;

/// The line `set VARIABLE="VALUE"` of a GRUB configuration.
///
/// `$` stays as it is, so that GRUB puts in its variables when it runs the line: that is how
/// `PARTUUID=$boot_uuid/PARTNROFF=1` becomes a device. Nothing else in the value has a meaning to
/// GRUB.
///
/// ```
/// use verity::table::grub_set;
///
/// let line = grub_set("dm_verity_root", "root,,,ro,0 8 verity 1 PARTUUID=$boot_uuid")?;
/// assert_eq!(line, r#"set dm_verity_root="root,,,ro,0 8 verity 1 PARTUUID=$boot_uuid""#);
/// # Ok::<(), verity::table::TableError>(())
/// ```
///
/// # Errors
/// When the variable has no name that GRUB takes, or the value holds a double quote, a backslash,
/// or anything but printable ASCII and spaces.
pub fn grub_set(variable: &str, value: &str) -> Result<String, TableError> {
    let starts_well = variable.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
    if !starts_well || !variable.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err(TableError::GrubVariable { name: excerpt(variable) });
    }
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
    if !value.bytes().all(plain) {
        return Err(TableError::GrubValue { text: excerpt(value) });
    }
    Ok(format!("set {variable}=\"{value}\""))
}
