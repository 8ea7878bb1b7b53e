//! What the project set out to reach, beside what a record shows.
//!
//! `hashing` has the targets of commands and kernels that hash, `reads` those of verified reads,
//! `fec` those of parity, `passes` those of one pass over an image and of installing one;
//! `outcome` is a figure beside what it is to be.

pub mod fec;
pub mod hashing;
mod outcome;
pub mod passes;
pub mod reads;

pub use self::outcome::{Asked, Outcome, Unit};
