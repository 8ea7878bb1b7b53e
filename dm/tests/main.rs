//! The tests of this crate, as one program.

#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod names;
mod records;
