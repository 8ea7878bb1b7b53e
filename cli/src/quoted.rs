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

/// Shows a whole text, whose line ends and tabs stay: the last barrier before a terminal, for what
/// was not quoted where it was put in.
pub(crate) struct PlainLines<'a>(pub(crate) &'a str);

impl Display for PlainLines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '\n' | '\t' => f.write_char(character),
            character => write_plain(f, character),
        })
    }
}

/// Shows JSON, with characters that steer a terminal escaped as JSON does it. They can only stand
/// in its strings.
pub(crate) struct PlainJson<'a>(pub(crate) &'a str);

impl Display for PlainJson<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match steers(character) {
            true => character
                .encode_utf16(&mut [0; 2])
                .iter()
                .try_for_each(|unit| write!(f, "\\u{unit:04x}")),
            false => f.write_char(character),
        })
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
    fn a11_whole_texts_and_json_hold_nothing_that_steers_a_terminal() {
        let hostile = "a\tb\n\u{202e}\u{2028}\u{1b}[2J\u{85}\u{fc}";
        assert_eq!(
            PlainLines(hostile).to_string(),
            "a\tb\n\\u{202e}\\u{2028}\\u{1b}[2J\\u{85}\u{fc}"
        );
        let json = serde_json::to_string(hostile).unwrap();
        let plain = PlainJson(&json).to_string();
        assert!(!plain.chars().any(steers), "{plain}");
        assert_eq!(serde_json::from_str::<String>(&plain).unwrap(), hostile);
    }

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
