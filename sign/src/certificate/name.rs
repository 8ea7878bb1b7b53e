//! Names as texts: they come from files and go to terminals.

/// A name in RFC 4514 form. Control characters, and others that are not seen, are escaped.
pub(crate) fn printable(name: &x509_cert::name::Name) -> String {
    let escape = |character: char| match is_shown(character) {
        true => character.to_string(),
        false => character.escape_default().to_string(),
    };
    name.to_string().chars().map(escape).collect()
}

/// Whether a character is seen as itself. Controls are not, nor are characters that are invisible
/// or turn the direction of others: by them a name could look like another one.
fn is_shown(character: char) -> bool {
    matches!(character, '"' | '\'' | '\\') || character.escape_debug().len() == 1
}
