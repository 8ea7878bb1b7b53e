//! What other parsers say, made fit for a message.

/// What a parser or a token says, as one short printable line: it may quote any bytes that it was
/// given.
pub(crate) fn quoted(text: impl ToString) -> String {
    text.to_string().chars().flat_map(char::escape_debug).take(200).collect()
}
