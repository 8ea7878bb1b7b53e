//! Repair by forward error correction. `case` makes images and damage, `model` says what must come
//! back of it; the others attack.

pub(crate) mod case;
mod cost;
mod faults;
mod hostile;
pub(crate) mod model;
mod parity;
mod random;
mod reader;
