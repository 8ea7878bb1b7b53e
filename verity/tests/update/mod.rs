//! An image into a slot: what is written, what is fetched, and what becomes of a slot on the way.

mod edits;
mod faults;
mod hostile;
mod random;
mod support;
mod tree;
