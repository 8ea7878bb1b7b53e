//! Partition tables: against the tools that others use, flipped, hostile, and cut off.

mod flips;
mod hostile;
mod oracles;
mod power;
mod select;
mod slots;
mod support;
mod window;
