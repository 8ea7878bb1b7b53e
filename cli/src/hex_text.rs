//! What is wrong with text that should be hex: by what it looks like, or else by its first
//! character that is no hex digit.

use crate::quoted::Plain;

/// What a text holds instead of hex digits alone, as the end of a sentence that begins with what it
/// should be. Returns `None` for an even number of hex digits, at least one pair.
pub(crate) fn fault(bytes: &[u8]) -> Option<String> {
    let text = match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") => {
            return Some("is UTF-16 text: save it as plain ASCII".to_owned());
        }
        Err(error) => {
            let (place, byte) = (error.valid_up_to(), bytes[error.valid_up_to()]);
            return Some(format!("is not text: byte {} is 0x{byte:02x}", place + 1));
        }
    };
    if text.is_empty() {
        return Some("is empty".to_owned());
    }
    let Some((index, character)) = first_other(text) else {
        return (text.len() % 2 == 1)
            .then(|| format!("has an odd number of hex digits, {}: one is missing", text.len()));
    };
    Some(likeness(text).unwrap_or_else(|| {
        let place = text[..index].chars().count() + 1;
        format!("has {} as character {place}, which is no hex digit", shown(character))
    }))
}

/// The first character that is no hex digit, and its byte.
fn first_other(text: &str) -> Option<(usize, char)> {
    text.char_indices().find(|(_, character)| !character.is_ascii_hexdigit())
}

/// What people put around hex, and what to do about it.
fn likeness(text: &str) -> Option<String> {
    if text.starts_with('\u{feff}') {
        return Some("begins with a byte order mark: save it without".to_owned());
    }
    if text.starts_with(['"', '\'', '\u{201c}', '\u{2018}']) {
        return Some("stands in quotes: leave them out".to_owned());
    }
    if text.starts_with(char::is_whitespace) {
        let first = text.chars().next()?;
        return Some(format!(
            "has {} as character 1: begin with the first hex digit",
            shown(first)
        ));
    }
    if let Some((name, rest)) = text.split_once('=').filter(|(_, rest)| is_hex(rest.trim_end())) {
        return Some(format!(
            "is written as {}={}: give what follows the =",
            Plain(name),
            dots(rest)
        ));
    }
    if let Some((name, rest)) = text.split_once(':').filter(|(_, rest)| is_hex(rest.trim_end())) {
        return Some(format!(
            "is written as {}:{}: give what follows the colon",
            Plain(name),
            dots(rest)
        ));
    }
    if text.starts_with("0x") || text.starts_with("0X") {
        return Some("begins with 0x: leave that out".to_owned());
    }
    let (word, rest) = text.split_once(char::is_whitespace)?;
    (is_hex(word) && !rest.trim().is_empty())
        .then(|| "goes on behind a blank or a line end: keep the first word alone".to_owned())
}

fn is_hex(text: &str) -> bool {
    text.len() >= 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The start of long hex, which a message need not repeat.
fn dots(hex: &str) -> String {
    format!("{}...", &hex[..8])
}

fn shown(character: char) -> String {
    match character {
        ' ' => "a blank".to_owned(),
        '\t' => "a tab".to_owned(),
        '\n' | '\r' => "a line end".to_owned(),
        character => format!("'{}'", Plain(&character.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_has_no_fault_and_all_else_is_named() {
        let hash = "ab".repeat(32);
        assert_eq!(fault(hash.as_bytes()), None);
        assert_eq!(fault(b"AB"), None);
        for (text, words) in [
            (String::new(), "is empty"),
            ("abc".to_owned(), "odd number of hex digits, 3"),
            ("abxd".to_owned(), "'x' as character 3"),
            ("ab\u{e9}d".to_owned(), "'\u{e9}' as character 3"),
            ("ab\u{1b}d".to_owned(), "'\\u{1b}' as character 3"),
            (format!("\u{feff}{hash}"), "byte order mark"),
            (format!("\"{hash}\""), "in quotes"),
            (format!("'{hash}'"), "in quotes"),
            (format!(" {hash}"), "has a blank as character 1"),
            (format!("\t{hash}"), "has a tab as character 1"),
            (format!("roothash={hash}"), "roothash=abababab...: give"),
            (format!("sha256:{hash}"), "sha256:abababab...: give"),
            (format!("SHA2-256 (data) = {hash}"), "'S' as character 1"),
            (format!("0x{hash}"), "begins with 0x"),
            (format!("{hash}  data"), "goes on behind a blank"),
            (format!("{hash}\n{hash}"), "goes on behind a blank"),
        ] {
            let found = fault(text.as_bytes()).unwrap();
            assert!(found.contains(words), "{text:?}: {found}");
        }
        assert!(fault(b"\xff\xfea\0b\0").unwrap().contains("UTF-16"));
        assert!(fault(b"ab\xff").unwrap().contains("byte 3 is 0xff"));
    }
}
