//! Names and messages in the output: one line, whatever they hold.

use std::fmt::{self, Display, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Shows a path as it is, with backslashes, characters that steer a terminal and bytes outside
/// UTF-8 escaped.
///
/// A name with a line break must not look like another line of the result, and two names never look
/// the same.
pub(crate) struct Quoted<'a>(pub(crate) &'a Path);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.as_os_str().as_bytes().utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '\\' => f.write_str("\\\\")?,
                    character => write_plain(f, character)?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Shows a text that may quote hostile input, with characters that steer a terminal escaped.
pub(crate) struct Plain<'a>(pub(crate) &'a str);

impl Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| write_plain(f, character))
    }
}

fn write_plain(f: &mut fmt::Formatter<'_>, character: char) -> fmt::Result {
    if steers(character) {
        write!(f, "{}", character.escape_default())
    } else {
        f.write_char(character)
    }
}

/// Control characters, line and paragraph separators, and those that turn the direction of writing.
fn steers(character: char) -> bool {
    let turns = matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    character.is_control() || turns
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
        assert_eq!(shown(b"a\\nb"), "a\\\\nb");
        assert_eq!(shown("\u{202e}gpj".as_bytes()), "\\u{202e}gpj");
        assert_eq!(shown("gr\u{fc}n".as_bytes()), "gr\u{fc}n");
    }
}
