//! The `verity` command.
fn main() {}
