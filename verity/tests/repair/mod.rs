//! Repair by forward error correction. `case` makes images and damage, `model` says what must come back of it;
//! the others attack.

#![expect(clippy::unwrap_used, reason = "a panic is the report of a test")]

#[path = "../common/parity.rs"]
mod definition;

mod case;
mod faults;
mod hostile;
mod model;
mod parity;
mod random;
mod reader;
