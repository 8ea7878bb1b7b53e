//! Paths in messages and results: one line, whatever the name holds.

use std::fmt::{self, Display, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Shows a path as it is, with control characters and bytes outside UTF-8 escaped.
///
/// A name with a line break must not look like another line of the result.
pub(crate) struct Quoted<'a>(pub(crate) &'a Path);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.as_os_str().as_bytes().utf8_chunks() {
            for character in chunk.valid().chars() {
                if character.is_control() {
                    write!(f, "{}", character.escape_default())?;
                } else {
                    f.write_char(character)?;
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn c14_names_stay_on_one_line() {
        let shown = |bytes| Quoted(Path::new(OsStr::from_bytes(bytes))).to_string();
        assert_eq!(shown(b"plain name.raw"), "plain name.raw");
        assert_eq!(shown(b"a\nRoot hash: x"), "a\\nRoot hash: x");
        assert_eq!(shown(b"\xff\x1b[1m"), "\\xff\\u{1b}[1m");
        assert_eq!(shown("gr\u{fc}n".as_bytes()), "gr\u{fc}n");
    }
}
