//! Repair by forward error correction. `case` makes images and damage, `model` says what must come
//! back of it; the others attack.

mod case;
mod faults;
mod hostile;
mod model;
mod parity;
mod random;
mod reader;
