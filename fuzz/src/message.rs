//! The form that every message of refusal must have, however hostile the input was.

use std::fmt::Display;

/// More than any honest message takes.
const MAX_LEN: usize = 1024;

/// Checks that a refusal is one short line that a terminal can be shown.
pub(crate) fn check(error: &impl Display) {
    let text = error.to_string();
    assert!(!text.is_empty(), "a refusal without words");
    assert!(text.len() <= MAX_LEN, "a message of {} bytes", text.len());
    assert!(!text.chars().any(char::is_control), "control characters in the message {text:?}");
}
